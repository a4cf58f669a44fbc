// SPDX-License-Identifier: Apache-2.0
//
// A network with its weights, ready to run.
//
//   graph::compiled<my_net> const net(graph::file_weights{file}, {.max_batch = 16});
//   workspace scratch(net.workspace_bytes());
//   net.run(16, image, result, scratch);
//
// The steps of `schedule<Net>` are called one after the other; there is no table that is looked up
// and nothing that is decided while it runs but the batch. Kernels are functions of element type
// and tail, so a network of 53 convolutions has as much code for them as one of three.
#pragma once

#include <ia_nn/graph/kernels/native.hpp>
#include <ia_nn/graph/run/arguments.hpp>
#include <ia_nn/graph/run/loaded.hpp>
#include <ia_nn/graph/run/parts.hpp>
#include <ia_nn/graph/run/tails.hpp>
#include <ia_nn/graph/run/weights.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// The trace that keeps nothing and makes no code: `run` without a trace (show/trace.hpp).
struct no_trace {};

namespace detail {
template <class Net, precision P, int S> constexpr sentence missing_kernel_of() {
  auto const& nodes = typed<Net, P>;
  step const& s = schedule<Net, P>.steps[S];
  node const& n = nodes[s.anchor];
  value_type const reads = s.inputs.count > 0 ? nodes[s.inputs[0]].type : n.type;
  return say(about(n.kind->name, n.name), "there is no kernel for this operator that reads ",
             name_of(reads), " and writes ", name_of(nodes[s.out].type),
             ": specialise ia_nn::graph::kernel");
}
template <class Net, precision P, int S>
inline constexpr sentence missing_kernel = missing_kernel_of<Net, P, S>();

template <class Net, class Policy>
inline constexpr sentence mistake_in_choice = mistake_in(Policy::layers, original<Net>);
template <class Net, class Policy> consteval bool has_right_choice() {
  if constexpr (chooses_layers<Policy>)
    if constexpr (mistake_in_choice<Net, Policy>.length > 0)
      return refuse<mistake_in_choice<Net, Policy>>();
  return true;
}
} // namespace detail

/// A step and whose code computes it.
struct step_backend {
  std::string layer, kind; ///< "conv1", "conv2d"
  std::string by;          ///< "native", or what another backend says
};

/// Net: ir/builder.hpp. Policy: `native`, or another backend (docs/onednn.md), which says itself what it
/// allocates and locks, and whose code each step runs: `backends`.
///
/// Errors at construction name the layer: errc::bad_parameter (a weight that is missing, or that no
/// layer has, with the nearest name that there is; names in compile_options that the network has
/// not; max_batch or workers below 1, or another batch than a static one), errc::bad_shape (a
/// weight of another shape), and those of the kernels. `run` is const, noexcept, allocates nothing
/// and locks nothing; any number of threads may run one object, each with its own workspace. The
/// result has the same bits for any number of threads.
template <class Net, backend Policy = native<>> class compiled {
  static constexpr precision usual = Policy::usual;
  static constexpr auto const& nodes = typed<Net, usual>;
  static constexpr auto const& plan = schedule<Net, usual>;
  static_assert(never_overlaps(plan.live(), plan.bytes),
                "ia_nn: the memory plan puts two live buffers into the same bytes");
  static constexpr plan_view view = plan_view::of(nodes, plan, original<Net>, usual);
  static_assert(detail::has_right_choice<Net, Policy>());
  using kernels = typename Policy::kernels;
  template <int S>
  using kernels_at = typename detail::kernels_for<Policy, detail::takes<Policy>(view.anchor(S))>::type;
  using in_arguments = detail::arguments<Net, detail::network_end::input>;
  using out_arguments = detail::arguments<Net, detail::network_end::output>;

public:
  static constexpr int inputs = in_arguments::expected;
  static constexpr int outputs = out_arguments::expected;
  static constexpr bool open_batch = view.open_batch();

  template <weights_source W>
  explicit compiled(W const& weights, compile_options const& o = {})
      : max_batch_(o.max_batch), part_(items_of_part(view, o, detail::has_tiles<kernels>)),
        loaded_(view, weights, detail::of_parts(o, part_), [](int s) {
          return load_functions[static_cast<std::size_t>(s)];
        }) {}

  /// Bytes of workspace for `run`: the plan's, which are a constant for each item, and the
  /// kernels'.
  index_t workspace_bytes() const noexcept {
    return plan_bytes(open_batch ? loaded_.max_batch : 1) + loaded_.scratch_bytes;
  }
  index_t max_batch() const noexcept { return open_batch ? max_batch_ : loaded_.max_batch; }
  /// A batch runs in parts of at least so many items and less than twice as many (parts.hpp).
  index_t items_at_once() const noexcept { return part_; }
  /// The largest batch that runs as a whole.
  index_t most_at_once() const noexcept { return loaded_.max_batch; }
  /// Whose code each step runs.
  std::vector<step_backend> backends() const {
    std::vector<step_backend> all;
    for (int s = 0; s < plan.count; ++s)
      if (view.stores(s))
        all.push_back({std::string(view.anchor(s).name.view()), shown(view.anchor(s)),
                       loaded_.steps[static_cast<std::size_t>(s)].by});
    return all;
  }

  /// The preconditions of `run`, as errors: those of run_status::code. Pointers have no lengths.
  void check(index_t batch, std::span<source const> in, std::span<f32* const> out,
             workspace_view scratch) const {
    status_of(batch, in_arguments(in), out_arguments(out), scratch).require();
  }

  /// Inputs and outputs in the order in which the network names them, dense, channels last, none of
  /// them in the memory of another.
  ///
  /// Pointers are believed. Of spans, vectors, arrays, tensors and views the lengths, or all
  /// extents, are compared first, with the batch and the workspace; so are indices. One of each is
  /// given as it is, several in braces: run(2, {image, ids}, result, scratch). The items may be more
  /// than the batch. What does not fit is told by the status, and nothing is computed.
  template <executor E = sequential, class Trace = no_trace>
  run_status run(index_t batch, in_arguments in, out_arguments out,
                 workspace_view scratch = detail::missing_workspace<Net>(), E&& e = {},
                 Trace&& trace = {}) const noexcept {
    if (run_status const s = status_of(batch, in, out, scratch); !s) return s;
    source from[static_cast<std::size_t>(inputs > 0 ? inputs : 1)];
    f32* to[static_cast<std::size_t>(outputs)];
    int i = 0, o = 0;
    for (detail::memory const& m : in.list().items) from[i].data = m.data, from[i++].type = m.type;
    for (detail::memory const& m : out.list().items)
      to[o++] = static_cast<f32*>(const_cast<void*>(m.data));
    run_all(batch, from, to, scratch, e, trace);
    return {};
  }
  template <executor E = sequential, class Trace = no_trace>
  void run(index_t batch, std::span<source const> in, std::span<f32* const> out,
           workspace_view scratch = detail::missing_workspace<Net>(), E&& e = {},
           Trace&& trace = {}) const noexcept {
    IA_NN_ASSERT(status_of(batch, in_arguments(in), out_arguments(out), scratch),
                 status_of(batch, in_arguments(in), out_arguments(out), scratch).what().data() +
                     sizeof "ia_nn:");
    run_all(batch, in.data(), out.data(), scratch, e, trace);
  }
  template <executor E = sequential, class Trace = no_trace>
  void run(index_t batch, std::initializer_list<source> in, std::initializer_list<f32*> out,
           workspace_view scratch = detail::missing_workspace<Net>(), E&& e = {},
           Trace&& trace = {}) const noexcept {
    run(batch, std::span<source const>(in.begin(), in.size()),
        std::span<f32* const>(out.begin(), out.size()), scratch, e, trace);
  }
  template <executor E = sequential, class Trace = no_trace>
  void run(index_t batch, source in, f32* out,
           workspace_view scratch = detail::missing_workspace<Net>(), E&& e = {},
           Trace&& trace = {}) const noexcept {
    static_assert(inputs == 1 && outputs == 1,
                  "ia_nn: network: it has several inputs or outputs: give lists of them in braces");
    run(batch, std::span<source const>(&in, 1), std::span<f32* const>(&out, 1), scratch, e, trace);
  }

private:
  static constexpr detail::end_sizes<(inputs > 0 ? inputs : 1), outputs> sizes{view};
  static constexpr index_t plan_bytes(index_t scale) noexcept { return plan.bytes * scale; }

  run_status status_of(index_t batch, in_arguments in, out_arguments out,
                       workspace_view scratch) const noexcept {
    return detail::status_of(view, {max_batch(), workspace_bytes()}, batch, in.list(),
                             out.list(), scratch);
  }
  template <class E, class Trace>
  void run_all(index_t batch, source const* in, f32* const* out, workspace_view scratch, E& e,
               Trace& trace) const noexcept {
    if constexpr (requires { typename Trace::network; })
      static_assert(std::same_as<typename Trace::network, Net> && Trace::usual == usual,
                    "ia_nn: network: the trace is for another network or precision: "
                    "step_trace<Net, precision::bf16> if the policy is native<isa, bf16>");
    if constexpr (tracer_like<Trace> && requires { trace.start(); }) trace.start();
    index_t const parts = open_batch ? max_of(1, batch / part_) : 1;
    for (index_t i = 0; i < parts; ++i) {
      block const items = open_batch ? block_of(batch, static_cast<int>(parts), static_cast<int>(i)) : block{0, 1};
      detail::part_of_call const ends(sizes, in, out, inputs, items.begin);
      index_t const bytes = plan_bytes(items.size());
      frame const f{items.size(), open_batch ? items.size() : batch, ends.in, ends.out, scratch.data,
                    {scratch.data + bytes, scratch.size - bytes}};
      run_steps<0, plan.count>(f, e, trace);
    }
  }

  using load_table = std::array<detail::load_function, static_cast<std::size_t>(plan.count)>;
  template <int Begin, int End> static constexpr void list_loads(load_table& to) {
    if constexpr (End - Begin > 1) {
      constexpr int middle = Begin + (End - Begin) / 2;
      list_loads<Begin, middle>(to);
      list_loads<middle, End>(to);
    } else if constexpr (End > Begin) {
      constexpr kernel_id id = view.kernel_at(Begin);
      using set = kernels_at<Begin>;
      if constexpr (!detail::has_kernel<id, set>)
        static_assert(detail::refuse<detail::missing_kernel<Net, usual, Begin>>());
      else {
        static_assert(kernel<id, set>::has_tail ==
                          (plan.steps[Begin].kind->has_epilogue ||
                           plan.steps[Begin].kind == op::activation),
                      "ia_nn: network: the kernel of an operator with has_epilogue is a tail_kernel, "
                      "that of another one a plain_kernel");
        to[Begin] = &detail::load_kernel<id, set>;
      }
    }
  }
  static constexpr load_table load_functions = [] {
    load_table t{};
    list_loads<0, plan.count>(t);
    return t;
  }();

  // Halves, not one list of all numbers: that would be part of a symbol.
  template <int Begin, int End, class E, class Trace>
  IA_NN_INLINE void run_steps(frame const& f, E& e, Trace& trace) const noexcept {
    if constexpr (End - Begin > 1) {
      constexpr int middle = Begin + (End - Begin) / 2;
      run_steps<Begin, middle>(f, e, trace);
      run_steps<middle, End>(f, e, trace);
    } else if constexpr (End > Begin) {
      if constexpr (plan.steps[Begin].group < 0) traced<Begin>(f, f.scratch, e, trace);
      else if constexpr (plan.times[Begin] != Begin) return; // its group has run
      else if constexpr (view.one_lookup(Begin)) traced<Begin>(f, f.scratch, e, trace);
      else
        e.parallel_for(view.group_size(Begin), [&](index_t i, int) {
          run_member<Begin, 0>(static_cast<int>(i), f, trace);
        });
    }
  }
  template <int First, int Member, class Trace>
  IA_NN_INLINE void run_member(int i, frame const& f, Trace& trace) const noexcept {
    if constexpr (Member < view.group_size(First)) {
      sequential here;
      if (i == Member)
        traced<First + Member>(f, loaded_.part(f.scratch, First, Member), here, trace);
      else run_member<First, Member + 1>(i, f, trace);
    }
  }
  template <int S, class E, class Trace>
  IA_NN_INLINE void traced(frame const& f, workspace_view scratch, E& e,
                           Trace& t) const noexcept {
    using tail = detail::tail_type<Net, usual, S>;
    constexpr kernel_id id = view.kernel_at(S);
    if constexpr (tracer_like<Trace>) t.begin(S);
    if constexpr (detail::has_kernel<id, kernels_at<S>>) // else load_functions says so
      detail::run_kernel<id, kernels_at<S>, tail>(loaded_.steps[S], view, S, f, scratch, e);
    if constexpr (tracer_like<Trace>) t.end(S);
    if constexpr (requires { t.wrote(S, loaded_, f); }) t.wrote(S, loaded_, f);
  }
  template <class T>
  static constexpr bool tracer_like = !std::same_as<std::remove_cvref_t<T>, no_trace>;

  index_t max_batch_, part_;
  loaded_plan loaded_; ///< for the largest part
};

} // namespace graph
IA_NN_END
