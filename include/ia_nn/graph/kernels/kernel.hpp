// SPDX-License-Identifier: Apache-2.0
//
// What a kernel of a network is: a specialisation of
//
//   template <kernel_id K, class Kernels>
//     requires(K.op == op::softmax.id)
//   struct kernel<K, Kernels> {
//     using store = softmax<...>;                                   packed weights, a plan
//     static store load(kernel_loader& l);                          at set-up: may throw
//     template <class E> static void run(store const&, step_call const&, E&) noexcept;
//   };
//
// derived from plain_kernel. One whose results pass through stages has
// `run(store, call, tail, executor)` and tail_kernel for its base; tail is an affine or, of an element-wise chain, the stages alone. Kernels is a backend's: what a backend
// does not specialise is looked for in the one it falls back to.
#pragma once

#include <ia_nn/graph/ir/text.hpp>
#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/kernels/backend.hpp>
#include <ia_nn/graph/kernels/scalings.hpp>
#include <ia_nn/graph/kernels/step_call.hpp>
#include <ia_nn/graph/kernels/weight_reader.hpp>

#include <array>
#include <memory>

#include <ia_nn/begin.hpp>
namespace graph {

template <kernel_id K, class Kernels> struct kernel;

/// The base of kernels without stages, and of those with.
struct plain_kernel {
  static constexpr bool has_tail = false;
};
struct tail_kernel {
  static constexpr bool has_tail = true;
};
/// The store of a kernel that keeps nothing.
struct no_store {};

namespace detail {
struct no_kernel {};
template <kernel_id K, class Kernels> struct fallback_of {
  using type = no_kernel;
};
template <kernel_id K, class Kernels>
  requires requires { typename Kernels::fallback; }
struct fallback_of<K, Kernels> {
  using type = kernel<K, typename Kernels::fallback>;
};
} // namespace detail

template <kernel_id K, class Kernels> struct kernel : detail::fallback_of<K, Kernels>::type {};

/// What a step keeps from set-up on.
struct kernel_store {
  std::shared_ptr<void const> kernel; ///< the `store` of its kernel
  std::array<detail::stage_data, max_stages> stages{};
  index_t scratch = 0, offset = 0; ///< bytes, and where they lie in a parallel group
  std::string by{};                ///< whose code it is: the name of a kernel_set, or what the kernel says
};

/// What a kernel is loaded from: one step of the plan, and its weights by name.
class kernel_loader {
public:
  plan_view const& plan;
  int number; ///< of the step
  node const& layer;
  dims source{}; ///< shape of the first input
  index_t max_batch;
  int workers;
  index_t scratch = 0; ///< to be set by the kernel: bytes that `run` needs
  std::string by{};    ///< may be set by the kernel: whose code it is

  /// What all kernels of a network are loaded from, and where they leave what stays.
  struct context {
    plan_view const& plan;
    weight_reader const& weights;
    std::vector<quantization> const& scalings; ///< of each node
    value_ranges const& ranges;
    std::vector<aligned_array<f32>>& arrays;
    index_t max_batch;
    int workers;
  };

  kernel_loader(context const& all, int step, node const& n)
      : plan(all.plan), number(step), layer(n), max_batch(all.max_batch), workers(all.workers),
        all_(all) {
    if (what().inputs.count > 0) source = plan.nodes[what().inputs[0]].shape;
    listed_ = weights_of(plan.nodes, static_cast<int>(&n - plan.nodes));
  }
  /// For another node of the same step.
  kernel_loader of(int node_id) const { return {all_, number, plan.nodes[node_id]}; }

  step const& what() const { return plan.steps[number]; }
  /// "conv2d 'stage1.conv2'"
  std::string who() const { return detail::who(layer); }
  index_t items() const { return source.dynamic() ? max_batch : 1; }
  /// Scale and zero point of a value in 8 bits; {1, 0} of others.
  quantization scaling(int value) const { return all_.scalings[static_cast<std::size_t>(value)]; }
  quantization source_scaling(int k = 0) const { return scaling(what().inputs[k]); }
  quantization result_scaling() const { return scaling(what().out); }
  /// What the values of the result range over, by calibration. Errors: errc::bad_parameter if that is
  /// not known.
  value_range result_range() const {
    value_range const* const r = all_.ranges.find(ranged_name(plan.nodes, what().out));
    if (!r) detail::no_range(plan, what().out, all_.ranges);
    return *r;
  }

  /// A weight that the operator's row lists for this layer. Errors: errc::bad_parameter if it lists
  /// none of this suffix, and those of weight_reader::read.
  std::vector<f32> read(std::string_view suffix) const {
    if (weight const* const w = listed(suffix)) return read(*w);
    throw_error(errc::bad_parameter, who() + ": the row of its operator lists no weight '" +
                                         std::string(suffix) + "', which its kernel reads");
  }
  /// Nothing where it lists none: the bias of a layer that has none.
  std::vector<f32> read_if_listed(std::string_view suffix) const {
    weight const* const w = listed(suffix);
    return w ? read(*w) : std::vector<f32>{};
  }
  f32 const* keep(aligned_array<f32>& a) const {
    all_.arrays.push_back(static_cast<aligned_array<f32>&&>(a));
    return all_.arrays.back().data(); // stays where it is when `arrays` grows
  }

private:
  weight const* listed(std::string_view suffix) const {
    for (weight const& w : listed_)
      if (w.suffix.view() == suffix) return &w;
    return nullptr;
  }
  std::vector<f32> read(weight const& w) const {
    return all_.weights.read(who(), layer.name.view(), w.suffix.view(),
                        {w.shape.extent, w.shape.extent + w.shape.rank}, w.ones_count);
  }

  context all_;
  std::vector<weight> listed_;
};

namespace detail {

/// Loads the kernel of one step.
using load_function = void (*)(kernel_loader&, kernel_store&);
/// The set that has the kernel: Kernels, or one that it falls back to.
template <kernel_id K, class Kernels> constexpr char const* name_of_set() {
  if constexpr (requires { typename Kernels::fallback; })
    if constexpr (std::derived_from<kernel<K, Kernels>, kernel<K, typename Kernels::fallback>>)
      return name_of_set<K, typename Kernels::fallback>();
  return Kernels::name;
}
template <kernel_id K, class Kernels> void load_kernel(kernel_loader& l, kernel_store& to) {
  using store = typename kernel<K, Kernels>::store;
  to.kernel = std::make_shared<store const>(kernel<K, Kernels>::load(l));
  to.by = l.by.empty() ? name_of_set<K, Kernels>() : l.by;
  to.scratch = round_up(l.scratch, 64);
}

/// True if there is such a kernel.
template <kernel_id K, class Kernels>
concept has_kernel = !std::derived_from<kernel<K, Kernels>, no_kernel>;

/// Runs one step. Tail: how its stages are compiled.
template <kernel_id K, class Kernels, class Tail, class E>
IA_NN_NOINLINE void run_kernel(kernel_store const& s, plan_view const& plan, int step,
                               frame const& memory, workspace_view scratch, E& e) noexcept {
  using kernel_type = kernel<K, Kernels>;
  using store = typename kernel_type::store;
  step_call const c{plan, step, memory, scratch, s.stages.data()};
  store const& own = *static_cast<store const*>(s.kernel.get());
  if constexpr (kernel_type::has_tail) {
    placed_stages const stages(c);
    step_call const placed{plan, step, memory, scratch, stages.list};
    kernel_type::run(own, placed, Tail(stages.list, stages.count), e);
  } else {
    kernel_type::run(own, c, e);
  }
}

} // namespace detail
} // namespace graph
IA_NN_END
