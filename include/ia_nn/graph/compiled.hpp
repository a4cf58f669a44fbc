// SPDX-License-Identifier: Apache-2.0
//
// A network with its weights, ready to run.
//
//   graph::compiled<my_net> const net(graph::file_weights(file), {.max_batch = 16});
//   workspace scratch(net.workspace_bytes());
//   net.run(16, image, result, scratch);
//
// The steps of `schedule<Net>` are called one after the other; there is no table that is looked up
// and nothing that is decided while it runs but the batch. Kernels are functions of element type
// and tail, so a network of 53 convolutions has as much code for them as one of three.
#pragma once

#include <ia_nn/graph/step_run.hpp>

IA_NN_BEGIN
namespace graph {

/// Kernels of this library for instruction set I. Precision bf16: convolutions and dense layers
/// round their source and weights to bf16 and add in f32, unless the layer says otherwise; what lies
/// between steps is f32.
template <isa::tag I = isa::native, element Precision = f32> struct native {
  static_assert(std::same_as<Precision, f32> || std::same_as<Precision, bf16>,
                "ia_nn: native: the precision of a network is f32 or bf16");
  using isa_type = I;
  static constexpr precision usual =
      std::same_as<Precision, bf16> ? precision::bf16 : precision::f32;
};

/// What `run` calls around steps where nobody asks.
struct no_trace {};

/// Net: graph/builder.hpp. Policy: `native`.
///
/// Errors at construction name the layer: errc::bad_parameter (a weight that is missing, or that no
/// layer has; max_batch or workers below 1, or another batch than a static one), errc::bad_shape (a
/// weight of another shape), and those of the kernels. `run` is const, noexcept, allocates nothing
/// and locks nothing; any number of threads may run one object, each with its own workspace. The
/// result has the same bits for any number of threads.
template <class Net, class Policy = native<>> class compiled {
  static constexpr auto const& nodes = simplified<Net>;
  static constexpr auto const& plan = schedule<Net>;
  static_assert(never_overlaps(plan.live(), plan.bytes),
                "ia_nn: the memory plan puts two live buffers into the same bytes");
  static constexpr detail::plan_view view =
      detail::plan_view::of(nodes, plan, original<Net>, Policy::usual);
  using model =
      detail::loaded<detail::isa_of_network<typename Policy::isa_type>, view.kernels()>;

  static constexpr int count_io(op kind) {
    int n = 0;
    for (int i = 0; i < nodes.count(); ++i) n += nodes[i].kind == kind;
    return n;
  }

public:
  static constexpr int inputs = count_io(op::input);
  static constexpr int outputs = count_io(op::output);
  static constexpr bool open_batch = view.open_batch();

  template <weights_source W>
  explicit compiled(W const& weights, compile_options const& o = {}) : model_(view, weights, o) {}

  /// Bytes of workspace for `run`: the plan's, which are a constant for each item, and the
  /// kernels'.
  index_t workspace_bytes() const noexcept {
    return plan_bytes(open_batch ? model_.max_batch : 1) + model_.scratch_bytes;
  }
  index_t max_batch() const noexcept { return model_.max_batch; }

  /// The preconditions of `run`, as errors: errc::bad_parameter (batch, numbers of inputs and
  /// outputs, their types, indices that are no rows), errc::bad_pointer, errc::small_workspace.
  void check(index_t batch, std::span<source const> in, std::span<f32* const> out,
             workspace_view scratch) const {
    auto const text = [](auto n) { return std::to_string(n); };
    if (batch < 1 || batch > model_.max_batch || (!open_batch && batch != model_.max_batch))
      throw error(errc::bad_parameter, "network: a batch of " + text(batch) + ", expected " +
                                           (open_batch ? "1 to " : "") + text(model_.max_batch));
    if (in.size() != inputs || out.size() != outputs)
      throw error(errc::bad_parameter, "network: " + text(in.size()) + " inputs and " +
                                           text(out.size()) + " outputs, expected " + text(inputs) +
                                           " and " + text(outputs));
    std::size_t i = 0, o = 0;
    for (int id = 0; id < nodes.count(); ++id) {
      node const& n = nodes[id];
      if (n.kind != op::input && n.kind != op::output) continue;
      bool const is_input = n.kind == op::input;
      std::string const who =
          std::string(is_input ? "input '" : "output '") + detail::text_of(n) + "'";
      if (is_input && in[i].type != n.type)
        throw error(errc::bad_parameter,
                    who + ": its elements are not " + (n.type == dtype::f32 ? "f32" : "s32"));
      if (!(is_input ? in[i].data : static_cast<void const*>(out[o])))
        throw error(errc::bad_pointer, who + " is null");
      is_input ? ++i : ++o;
    }
    static_cast<void>(scratch.require(workspace_bytes()));
    check_indices(batch, in);
  }

  /// Inputs and outputs in the order in which the network names them, dense, channels last.
  template <executor E = sequential, class Trace = no_trace>
  void run(index_t batch, std::span<source const> in, std::span<f32* const> out,
           workspace_view scratch, E&& e = {}, Trace&& trace = {}) const noexcept {
    IA_NN_ASSERT(batch >= 1 && batch <= model_.max_batch);
    IA_NN_ASSERT(open_batch || batch == model_.max_batch);
    IA_NN_ASSERT(static_cast<int>(in.size()) == inputs && static_cast<int>(out.size()) == outputs);
    IA_NN_ASSERT(scratch.size >= workspace_bytes());
    index_t const items = open_batch ? batch : 1, bytes = plan_bytes(items);
    detail::frame const f{items,
                          batch,
                          in.data(),
                          out.data(),
                          scratch.data,
                          {scratch.data + bytes, scratch.size - bytes}};
    run_steps<0, plan.count>(f, e, trace);
  }
  template <executor E = sequential, class Trace = no_trace>
  void run(index_t batch, std::initializer_list<source> in, std::initializer_list<f32*> out,
           workspace_view scratch, E&& e = {}, Trace&& trace = {}) const noexcept {
    run(batch, std::span<source const>(in.begin(), in.size()),
        std::span<f32* const>(out.begin(), out.size()), scratch, e, trace);
  }
  /// One input and one output.
  template <executor E = sequential, class Trace = no_trace>
  void run(index_t batch, source in, f32* out, workspace_view scratch, E&& e = {},
           Trace&& trace = {}) const noexcept {
    static_assert(inputs == 1 && outputs == 1,
                  "ia_nn: the network has several inputs or outputs: pass lists of them");
    run(batch, std::span<source const>(&in, 1), std::span<f32* const>(&out, 1), scratch, e, trace);
  }

private:
  static constexpr index_t plan_bytes(index_t scale) noexcept { return plan.bytes * scale; }

  // Halves, not one list of all numbers: that would be part of a symbol.
  template <int Begin, int End, class E, class Trace>
  IA_NN_INLINE void run_steps(detail::frame const& f, E& e, Trace& trace) const noexcept {
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
  IA_NN_INLINE void run_member(int i, detail::frame const& f, Trace& trace) const noexcept {
    if constexpr (Member < view.group_size(First)) {
      sequential here;
      if (i == Member)
        traced<First + Member>(f, model_.share(f.scratch, First, Member), here, trace);
      else run_member<First, Member + 1>(i, f, trace);
    }
  }
  template <int S, class E, class Trace>
  IA_NN_INLINE void traced(detail::frame const& f, workspace_view scratch, E& e,
                           Trace& t) const noexcept {
    constexpr detail::kernel kind = view.kernel_at(S);
    constexpr detail::end end = detail::end_of(plan.steps[S]);
    if constexpr (tracer_like<Trace>) t.begin(S);
    detail::run_step<kind, end>(model_, S, f, scratch, e);
    if constexpr (tracer_like<Trace>) t.end(S);
  }
  template <class T>
  static constexpr bool tracer_like = !std::same_as<std::remove_cvref_t<T>, no_trace>;

  void check_indices(index_t batch, std::span<source const> in) const {
    index_t const scale = open_batch ? batch : 1;
    for (int i = 0; i < plan.count; ++i) {
      step const& s = plan.steps[i];
      if (s.kind != op::embedding) continue;
      place const p = plan.places[s.inputs[0]];
      if (p.where != storage::input) continue;
      auto const* const ids = static_cast<s32 const*>(in[static_cast<std::size_t>(p.index)].data);
      node const& n = nodes[s.anchor];
      for (index_t k = 0; k < nodes[s.inputs[0]].shape.size() * scale; ++k)
        if (ids[k] < 0 || ids[k] >= n.with.rows)
          throw error(errc::bad_parameter, "embedding '" + detail::text_of(n) + "': index " +
                                               std::to_string(k) + " is " + std::to_string(ids[k]) +
                                               ", the table has " + std::to_string(n.with.rows) +
                                               " rows");
    }
  }

  model model_;
};

} // namespace graph
IA_NN_END
