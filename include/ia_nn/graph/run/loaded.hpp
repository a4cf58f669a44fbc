// SPDX-License-Identifier: Apache-2.0
//
// A plan with its weights: what set-up makes, for a network of the compiler's and for one that was
// planned at run time.
#pragma once

#include <ia_nn/graph/kernels/parameter.hpp>
#include <ia_nn/graph/kernels/requantize.hpp>
#include <ia_nn/graph/run/weight_check.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

class loaded_plan {
public:
  plan_view plan;
  index_t max_batch = 1;
  index_t scratch_bytes = 0;
  std::vector<kernel_store> steps{};
  std::vector<quantization> scalings{}; ///< of each node of the plan; {1, 0} where it is not in 8 bits

  /// load(step) is the load_function of its kernel.
  ///
  /// Errors name the layer: errc::bad_parameter (a weight that is missing, or that no layer has; names
  /// of `o` that the network has not; max_batch or workers below 1), errc::bad_shape (a weight of
  /// another shape), and those of the kernels.
  template <weights_source W, class Load>
  loaded_plan(plan_view const& p, W const& weights, compile_options const& o, Load const& load)
      : plan(p) {
    begin(o);
    detail::reader_of<W> reader(weights, o);
    detail::weight_check(p, reader, o).run();
    scalings = detail::scalings_of(p, o.ranges);
    kernel_loader::context const all{plan, reader, scalings, o.ranges, arrays_, max_batch, o.workers};
    for (int s = 0; s < p.count; ++s) load_step(all, s, load(s));
    place_scratch();
  }

  /// Scratch memory of a member of a group that begins with step `first`.
  workspace_view part(workspace_view all, int first, int member) const noexcept {
    kernel_store const& s = steps[static_cast<std::size_t>(first + member)];
    return {all.data + s.offset, s.scratch};
  }

private:
  void begin(compile_options const& o) {
    if (o.max_batch < 1 || o.workers < 1)
      throw_error(errc::bad_parameter, "network: max_batch is " + std::to_string(o.max_batch) +
                                           " and workers " + std::to_string(o.workers) +
                                           ", both must be at least 1");
    max_batch = plan.open_batch() ? o.max_batch : plan.batch_of_inputs();
    steps.resize(static_cast<std::size_t>(plan.count));
  }
  void load_step(kernel_loader::context const& all, int s, detail::load_function load) {
    kernel_store& to = steps[static_cast<std::size_t>(s)];
    step const& t = plan.steps[s];
    f32 const unit = detail::unit_of_stages(plan, t, scalings);
    for (int k = 0; k < t.stages.count; ++k) {
      stage const& g = t.stages[k];
      detail::stage_data data = detail::data_of(g);
      if (g.operand >= 0) {
        quantization const& q = scalings[static_cast<std::size_t>(g.operand)];
        data.operand_scale = q.scale, data.operand_zero = static_cast<f32>(q.zero_point);
      }
      if (g.kind == stage_kind::batch_norm)
        load_batch_norm({all, s, plan.nodes[g.source]}, unit, data);
      if (is_loaded(g.how)) load_operand({all, s, plan.nodes[g.operand]}, g, data);
      to.stages[static_cast<std::size_t>(k)] = detail::in_units(data, unit);
    }
    if (!plan.stores(s)) return; // belongs to the lookup before it
    kernel_loader l(all, s, plan.anchor(s));
    load(l, to);
  }
  void load_batch_norm(kernel_loader const& l, f32 unit, detail::stage_data& to) {
    std::vector<f32> store[4];
    batch_norm_parameters const p = detail::read_batch_norm(l, store);
    index_t const channels = l.layer.shape.last();
    aligned_array<f32> factors(channels), offsets(channels);
    for (index_t c = 0; c < channels; ++c) {
      factors[c] = static_cast<f32>(p.factor(c));
      offsets[c] = static_cast<f32>(p.offset(c, 0.0) / static_cast<double>(unit));
    }
    to.factors = l.keep(factors);
    to.offsets = l.keep(offsets);
  }
  void load_operand(kernel_loader const& l, stage const& g, detail::stage_data& to) {
    dims const& whole = plan.nodes[g.source].shape;
    aligned_array<f32> numbers = detail::parameter_operand(l, whole, g.how);
    to.ld = whole.last();
    to.operand = l.keep(numbers);
  }
  void place_scratch() {
    for (int i = 0, first = 0; i < plan.count; ++i) {
      std::size_t const at = static_cast<std::size_t>(i);
      if (plan.times[i] == i) first = i;
      steps[at].offset = i == first ? 0 : steps[at - 1].offset + steps[at - 1].scratch;
      scratch_bytes = max_of(scratch_bytes, steps[at].offset + steps[at].scratch);
    }
  }

  std::vector<aligned_array<f32>> arrays_{}; ///< tables, factors and offsets, parameters
};

} // namespace graph
IA_NN_END
