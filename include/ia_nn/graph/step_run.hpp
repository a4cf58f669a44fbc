// SPDX-License-Identifier: Apache-2.0
//
// One step: finds what it reads and writes, and calls its kernel. The kernel and its end are known
// at compile time, the rest is read from the plan.
#pragma once

#include <ia_nn/graph/arguments.hpp>
#include <ia_nn/graph/custom.hpp>
#include <ia_nn/graph/loader.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// The memory of one run.
struct frame {
  index_t items; ///< or 1 where the shapes hold the batch
  index_t batch;
  source const* in;
  f32* const* out;
  std::byte* base;
  workspace_view scratch; ///< of the kernels

  /// Where the value of a node is written.
  f32* to(plan_view const& v, int id) const noexcept {
    place const& p = v.places[id];
    if (p.where == storage::output) return out[p.index] + p.column;
    return reinterpret_cast<f32*>(base + v.buffers[p.index].offset * items) + p.column;
  }
  template <class T = f32> T const* from(plan_view const& v, int id) const noexcept {
    place const& p = v.places[id];
    if (p.where == storage::input) return static_cast<T const*>(in[p.index].data);
    return reinterpret_cast<T const*>(to(v, id));
  }
};

// Stages with the places of their operands.
inline int place_stages(plan_view const& v, int s, frame const& f, stage_data const* kept,
                        stage_data* own) noexcept {
  step const& t = v.steps[s];
  for (int k = 0; k < t.stages.count; ++k) {
    own[k] = kept[k];
    int const operand = t.stages[k].operand;
    if (operand >= 0) own[k].p = f.from(v, operand), own[k].ld = v.places[operand].ld;
  }
  return t.stages.count;
}

/// Calls run(end) with the end of the step.
template <end End, class F>
IA_NN_INLINE void with_end(plan_view const& v, int s, frame const& f, stage_data const* kept,
                           f32 const* bias, F const& run) noexcept {
  bounds const b = bounds_of(v.steps[s]);
  if constexpr (End == end::clip) run(clip_end{bias, b.lo, b.hi});
  else if constexpr (End == end::add_clip) {
    int const operand = v.steps[s].stages[0].operand;
    run(add_clip_end{bias, b.lo, b.hi, f.from(v, operand), v.places[operand].ld});
  } else {
    stage_data own[max_stages];
    int const count = place_stages(v, s, f, kept, own);
    run(any_end{bias, own, count});
  }
}

/// Model: graph/loader.hpp.
template <kernel K, end End, class Model, class E>
IA_NN_NOINLINE void run_step(Model const& m, int s, frame const& f, workspace_view scratch,
                             E& e) noexcept {
  using I = isa_of_f32<typename Model::isa_type>; // of what is around the products
  plan_view const& v = m.plan;
  step const& t = v.steps[s];
  node const& n = v.anchor(s);
  dims const& shape = v.out(s);
  index_t const ld = v.places[t.out].ld, rows = shape.rows() * f.items;
  f32* const dst = f.to(v, t.out);
  f32 const* const src = t.inputs.count > 0 ? f.from(v, t.inputs[0]) : nullptr;
  auto const& kept = m.template kept<K>();
  auto const slot = static_cast<std::size_t>(m.slot[static_cast<std::size_t>(s)]);
  stage_data const* const stages = m.stages[static_cast<std::size_t>(s)].data();
  if constexpr (K <= kernel::deconv_bf16) {
    with_end<End>(v, s, f, stages, kept[slot].bias.data(), [&](auto const& end) {
      run_conv<I>(kept[slot], f.batch, src, dst, ld, end, scratch, e);
    });
  } else if constexpr (K <= kernel::pair_bf16) {
    with_end<End>(v, s, f, stages, kept[slot].bias.data(), [&](auto const& end) {
      run_pair<I>(kept[slot], f.batch, src, dst, ld, bounds_of(t.pair.between), end, scratch, e);
    });
  } else if constexpr (K <= kernel::dense_parts3) {
    with_end<End>(v, s, f, stages, kept[slot].bias.data(), [&](auto const& end) {
      run_dense<I>(kept[slot], rows, src, dst, ld, end, scratch, e);
    });
  } else if constexpr (K == kernel::elementwise) {
    stage_data own[max_stages];
    int const count = place_stages(v, s, f, stages, own);
    run_elementwise<I>({own, count, rows, shape.last(), rows / f.batch, src, dst, ld}, e);
  } else if constexpr (K == kernel::pool) {
    kept[slot].run(f.batch, src, shape.last(), dst, ld, e);
  } else if constexpr (K == kernel::softmax || K == kernel::layer_norm || K == kernel::lrn) {
    kept[slot].run(rows, src, dst, ld, e);
  } else if constexpr (K == kernel::group_norm) {
    kept[slot].run(f.batch, rows / f.batch, src, dst, e);
  } else if constexpr (K == kernel::embedding) {
    s32 const* indices[max_inputs];
    int const tables = static_cast<int>(kept[slot].tables());
    for (int k = 0; k < tables; ++k) indices[k] = f.from<s32>(v, v.steps[s + k].inputs[0]);
    kept[slot].run(v.nodes[t.inputs[0]].shape.size() * f.items, indices, dst, ld, e);
  } else if constexpr (K == kernel::concat) {
    index_t const stride = plan_view::behind(shape, n.with.axis);
    index_t offset = 0;
    int copied = 0; // the step has those inputs that do not write into it themselves, in order
    for (int const in : n.inputs) {
      dims const& part = v.nodes[in].shape;
      index_t const size = plan_view::behind(part, n.with.axis);
      if (copied < t.inputs.count && t.inputs[copied] == in) {
        copy_rows(f.from(v, in), dst + offset, part.size() / size * f.items, size, stride, e);
        ++copied;
      }
      offset += size;
    }
  } else if constexpr (K == kernel::pad || K == kernel::move) {
    run_move(kept[slot], f.batch, src, dst, e);
  } else if constexpr (K >= kernel::lstm && K <= kernel::rnn_relu) {
    run_recurrent(kept[slot], f.batch, src, dst, scratch, e);
  } else if constexpr (K == kernel::constant) {
    for (index_t i = 0; i < rows * shape.last(); ++i) dst[i] = n.with.a;
  } else if constexpr (K == kernel::copy) {
    copy_rows(src, dst, rows, shape.last(), shape.last(), e);
  } else if constexpr (K == kernel::custom) {
    f32 const* all[max_inputs];
    for (int k = 0; k < t.inputs.count; ++k) all[k] = f.from(v, t.inputs[k]);
    n.with.run({f.batch, all, dst, rows * shape.last()});
  } else {
    static_assert(K == kernel::custom, "ia_nn: compiled: this operation has no kernel");
  }
}

} // namespace detail
} // namespace graph
IA_NN_END
