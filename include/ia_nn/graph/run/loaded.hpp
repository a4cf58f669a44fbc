// SPDX-License-Identifier: Apache-2.0
//
// A plan with its weights: what set-up makes, for a network of the compiler's and for one that was
// planned at run time.
#pragma once

#include <ia_nn/graph/kernels/parameter.hpp>
#include <ia_nn/graph/run/weight_check.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

class loaded_plan {
public:
  plan_view plan;
  index_t max_batch = 1;
  index_t scratch_bytes = 0;
  std::vector<kernel_store> steps{};

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
    for (int s = 0; s < p.count; ++s) load_step(s, reader, o, load(s));
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
  void load_step(int s, weight_reader const& reader, compile_options const& o,
                 detail::load_function load) {
    kernel_store& to = steps[static_cast<std::size_t>(s)];
    step const& t = plan.steps[s];
    for (int k = 0; k < t.stages.count; ++k) {
      detail::stage_data& data = to.stages[static_cast<std::size_t>(k)];
      data = detail::data_of(t.stages[k]);
      if (t.stages[k].kind == stage_kind::batch_norm)
        load_batch_norm(s, t.stages[k].source, reader, o, data);
      if (is_loaded(t.stages[k].how)) load_operand(s, t.stages[k], reader, o, data);
    }
    if (!plan.stores(s)) return; // belongs to the lookup before it
    kernel_loader l(plan, s, plan.anchor(s), reader, o, arrays_);
    load(l, to);
  }
  void load_batch_norm(int s, int id, weight_reader const& reader, compile_options const& o,
                       detail::stage_data& to) {
    kernel_loader const l(plan, s, plan.nodes[id], reader, o, arrays_);
    std::vector<f32> store[4];
    batch_norm_parameters const p = detail::read_batch_norm(l, store);
    index_t const channels = plan.nodes[id].shape.last();
    aligned_array<f32> factors(channels), offsets(channels);
    for (index_t c = 0; c < channels; ++c) {
      factors[c] = static_cast<f32>(p.factor(c));
      offsets[c] = static_cast<f32>(p.offset(c, 0.0));
    }
    to.factors = l.keep(factors);
    to.offsets = l.keep(offsets);
  }
  void load_operand(int s, stage const& g, weight_reader const& reader, compile_options const& o,
                    detail::stage_data& to) {
    kernel_loader const l(plan, s, plan.nodes[g.operand], reader, o, arrays_);
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
