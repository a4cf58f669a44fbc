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

#include <ia_nn/graph/cost.hpp>
#include <ia_nn/graph/layers_run.hpp>
#include <ia_nn/graph/loader.hpp>
#include <ia_nn/graph/weights.hpp>

IA_NN_BEGIN
namespace graph {

namespace detail {
/// f.operator()<First>(), f.operator()<First + 1>() ... In halves: a list of all numbers would be
/// part of functions' names.
template <int First, int Count, class F> IA_NN_INLINE void for_each_number(F const& f) {
  if constexpr (Count == 1) f.template operator()<First>();
  else if constexpr (Count > 1) {
    for_each_number<First, Count / 2>(f);
    for_each_number<First + Count / 2, Count - Count / 2>(f);
  }
}
} // namespace detail

/// One input: f32, or s32 indices.
struct source {
  void const* data = nullptr;
  dtype type = dtype::f32;

  constexpr source() = default;
  constexpr source(f32 const* p) : data(p) {}
  constexpr source(s32 const* p) : data(p), type(dtype::s32) {}
};

/// What `run` calls around steps where nobody asks.
struct no_trace {};

/// Net: graph/builder.hpp. Policy: graph/loader.hpp.
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
  using isa_type = typename Policy::isa_type;
  static constexpr detail::plan_view view{nodes.nodes,          plan.steps, plan.times,
                                          nodes.count(),        plan.count, original<Net>.nodes,
                                          original<Net>.count()};
  using model = detail::loaded<Policy, view.kinds()>;

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
    index_t const scale = open_batch ? batch : 1, bytes = plan_bytes(scale);
    frame const f{
        scale, in.data(), out.data(), scratch.data, {scratch.data + bytes, scratch.size - bytes}};
    detail::for_each_number<0, plan.count>(
        [&]<int S>() { this->template step_at<S>(f, e, trace); });
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
  struct frame {
    index_t scale; ///< items, or 1 where the shapes hold the batch
    source const* in;
    f32* const* out;
    std::byte* base;
    workspace_view scratch;
  };

  static constexpr index_t plan_bytes(index_t scale) noexcept { return plan.bytes * scale; }

  /// Where the value of a node lies.
  template <int Id> static IA_NN_INLINE f32* at(frame const& f) noexcept {
    constexpr place p = plan.places[Id];
    if constexpr (p.where == storage::output) return f.out[p.index] + p.column;
    else {
      static_assert(p.where == storage::workspace);
      constexpr index_t offset = plan.buffers[p.index].offset;
      return reinterpret_cast<f32*>(f.base + offset * f.scale) + p.column;
    }
  }
  template <int Id, class T = f32> static IA_NN_INLINE T const* from(frame const& f) noexcept {
    constexpr place p = plan.places[Id];
    if constexpr (p.where == storage::input) return static_cast<T const*>(f.in[p.index].data);
    else return reinterpret_cast<T const*>(at<Id>(f));
  }

  template <int S, class E, class Trace>
  IA_NN_INLINE void step_at(frame const& f, E& e, Trace& trace) const noexcept {
    constexpr int group = plan.steps[S].group;
    if constexpr (group < 0) traced<S>(f, f.scratch, e, trace);
    else if constexpr (plan.times[S] == S) {
      constexpr int members = view.group_size(S);
      if constexpr (view.one_lookup(S)) {
        traced<S>(f, f.scratch, e, trace);
      } else {
        auto const member = [&](index_t i, int) {
          sequential here;
          detail::for_each_number<0, members>([&]<int K>() {
            if (i == K) this->template traced<S + K>(f, model_.share(f.scratch, S, K), here, trace);
          });
        };
        e.parallel_for(members, member);
      }
    }
  }
  template <int S, class E, class Trace>
  IA_NN_INLINE void traced(frame const& f, workspace_view scratch, E& e, Trace& t) const noexcept {
    if constexpr (tracer_like<Trace>) t.begin(S);
    run_step<S>(f, scratch, e);
    if constexpr (tracer_like<Trace>) t.end(S);
  }
  template <class T>
  static constexpr bool tracer_like = !std::same_as<std::remove_cvref_t<T>, no_trace>;

  template <int S>
  static IA_NN_INLINE detail::tail_data tail_for(frame const& f, detail::stage_data* own,
                                                 detail::stage_data const* kept) noexcept {
    constexpr step s = plan.steps[S];
    detail::tail_data t;
    t.clip = detail::bounds_of(s);
    constexpr bool long_one = detail::tail_of(s) == detail::tail::any || s.kind == op::activation;
    if constexpr (!long_one && detail::tail_of(s) == detail::tail::add_clip) {
      t.operand = from<s.stages[0].operand>(f);
      t.ld = plan.places[s.stages[0].operand].ld;
    } else if constexpr (long_one) {
      detail::for_each_number<0, s.stages.count>([&]<int K>() {
        own[K] = kept[K];
        place_operand<S, K>(f, own[K]);
      });
      t.stages = own;
      t.count = s.stages.count;
    }
    return t;
  }
  template <int S, int K>
  static IA_NN_INLINE void place_operand(frame const& f, detail::stage_data& d) noexcept {
    constexpr int operand = plan.steps[S].stages[K].operand;
    if constexpr (operand >= 0) {
      d.p = from<operand>(f);
      d.ld = plan.places[operand].ld;
    }
  }

  template <int S, class E>
  IA_NN_INLINE void run_step(frame const& f, workspace_view scratch, E& e) const noexcept {
    constexpr step s = plan.steps[S];
    static_assert(s.pair.first < 0, "ia_nn: compiled: there is no kernel for fuse_pairs yet");
    constexpr node n = nodes[s.anchor];
    constexpr dims shape = nodes[s.out].shape;
    constexpr index_t ld = plan.places[s.out].ld;
    constexpr auto slot = static_cast<std::size_t>(view.slot(S));
    index_t const rows = shape.rows() * f.scale;
    f32* const dst = at<s.out>(f);
    if constexpr (s.kind == op::conv || s.kind == op::dense || s.kind == op::activation) {
      detail::stage_data own[max_stages];
      detail::tail_data const t = tail_for<S>(f, own, model_.stages[S].data());
      f32 const* const src = from<s.inputs[0]>(f);
      constexpr detail::tail kind = detail::tail_of(s);
      if constexpr (s.kind == op::conv)
        detail::run_conv<kind>(model_.convs[slot], shape.dynamic() ? f.scale : shape[0], src, dst,
                               ld, t, scratch, e);
      else if constexpr (s.kind == op::dense)
        detail::run_dense<kind>(model_.denses[slot], rows, src, dst, ld, t, scratch, e);
      else
        detail::run_elementwise<isa_type>(detail::long_tail{t.stages, t.count},
                                          detail::plan_view::per_channel(s), src, dst, rows,
                                          shape.last(), ld, e);
    } else if constexpr (s.kind == op::max_pool || s.kind == op::average_pool) {
      model_.pools[slot].run(shape.dynamic() ? f.scale : shape[0], from<s.inputs[0]>(f),
                             shape.last(), dst, ld, e);
    } else if constexpr (s.kind == op::softmax || s.kind == op::log_softmax) {
      model_.softmaxes[slot].run(rows, from<s.inputs[0]>(f), dst, e);
    } else if constexpr (s.kind == op::layer_norm) {
      model_.layer_norms[slot].run(rows, from<s.inputs[0]>(f), dst, e);
    } else if constexpr (s.kind == op::lrn) {
      model_.lrns[slot].run(rows, from<s.inputs[0]>(f), dst, e);
    } else if constexpr (s.kind == op::embedding) {
      constexpr int members = view.one_lookup(S) ? view.group_size(S) : 1;
      s32 const* indices[members];
      detail::for_each_number<0, members>(
          [&]<int K>() { indices[K] = from<plan.steps[S + K].inputs[0], s32>(f); });
      model_.embeddings[slot].run(nodes[s.inputs[0]].shape.size() * f.scale, indices, dst, ld, e);
    } else if constexpr (s.kind == op::concat) {
      detail::for_each_number<0, s.inputs.count>(
          [&]<int K>() { copy_part<s.inputs[K], view.concat_offset(S, K), s.anchor>(f, dst); });
    } else if constexpr (s.kind == op::constant) {
      for (index_t i = 0; i < rows * shape.last(); ++i) dst[i] = n.with.a;
    } else if constexpr (s.kind == op::output || s.kind == op::identity || s.kind == op::dropout) {
      std::memcpy(dst, from<s.inputs[0]>(f),
                  static_cast<std::size_t>(rows * shape.last()) * sizeof(f32));
    } else if constexpr (s.kind == op::custom) {
      f32 const* src[s.inputs.count];
      detail::for_each_number<0, s.inputs.count>([&]<int K>() { src[K] = from<s.inputs[K]>(f); });
      n.with.run({shape.dynamic() ? f.scale : shape[0], src, dst, rows * shape.last()});
    } else {
      static_assert(s.kind == op::custom, "ia_nn: compiled: this operation has no kernel yet");
    }
  }

  // A part of a concat: what lies behind its axis is one block.
  template <int Part, index_t Offset, int Whole>
  static IA_NN_INLINE void copy_part(frame const& f, f32* dst) noexcept {
    constexpr dims a = nodes[Part].shape, b = nodes[Whole].shape;
    constexpr int axis = nodes[Whole].with.axis;
    constexpr index_t size = detail::plan_view::behind(a, axis),
                      stride = detail::plan_view::behind(b, axis);
    detail::copy_blocks(from<Part>(f), dst + Offset, a.size() / size * f.scale, size, stride);
  }

  void check_indices(index_t batch, std::span<source const> in) const {
    index_t const scale = open_batch ? batch : 1;
    for (int i = 0; i < plan.count; ++i) {
      step const& s = plan.steps[i];
      if (s.kind != op::embedding) continue;
      place const p = plan.places[s.inputs[0]];
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
