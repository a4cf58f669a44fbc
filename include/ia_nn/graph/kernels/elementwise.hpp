// SPDX-License-Identifier: Apache-2.0
//
// Chains of element-wise operations without a kernel in front: one pass over memory.
//
//   dst[row][column] = stages(src[row][column])          rows of src are dense, those of dst ld apart
//
// Of 8-bit values the source is (q - zero point) scale, and the result round(v / scale) + zero point,
// as `quantize` of int8/quantize.hpp says.
//
// The other operand of a stage may be repeated: its element is found from the item, the row, or the
// column. Four registers go through a stage before the next stage begins. A chain without stages
// converts.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/int8/quantize.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

template <class S, class D> struct elementwise_task {
  index_t rows, columns, rows_per_item;
  S const* src;
  D* dst; ///< may be src
  index_t ld;
  quantization from, to; ///< of 8-bit values
};

/// True if a stage asks in which row or column an element is.
inline bool asks_for_places(stage_data const* stages, int count, index_t columns) noexcept {
  for (int i = 0; i < count; ++i)
    if (stages[i].kind == stage_kind::batch_norm || stages[i].how != spread::none ||
        (stages[i].operand && stages[i].ld != columns))
      return true;
  return false;
}

template <bool Whole> struct element_place : tile_position<Whole> {
  index_t item, item_row; ///< the latter of the item's rows

  /// p[item_row][column] of a matrix with ld elements per row: what all items have.
  template <f32_register V, class T>
  IA_NN_INLINE V item_matrix(T const* p, index_t ld) const noexcept {
    return this->template columns<V>(p + item_row * ld);
  }
};

template <int N, class V, class Tail, class At>
IA_NN_INLINE void apply_tail(Tail const& t, V (&x)[N], At const& at) noexcept {
  if constexpr (std::same_as<Tail, any_tail>) {
    for (int i = 0; i < t.count; ++i) apply_stage_to(t.stages[i], x, at);
  } else {
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u) x[u] = t(x[u], at(u));
  }
}

template <isa::tag I, class S, class D, class Tail> struct elementwise_row {
  using V = vec<f32, I>;
  elementwise_task<S, D> const& t;
  Tail const& tail;
  index_t row, item, item_row;

  template <int N, bool Whole>
  IA_NN_INLINE void some(index_t column, ::ia_nn::detail::lanes<Whole> lanes) const noexcept {
    V x[N];
    S const* const from = t.src + row * t.columns + column;
    D* const to = t.dst + row * t.ld + column;
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u) x[u] = lanes.template load<V>(from + u * V::size);
    if constexpr (byte_element<S>)
      IA_NN_UNROLL for (int u = 0; u < N; ++u) {
        x[u] = (x[u] - V::broadcast(static_cast<f32>(t.from.zero_point))) * V::broadcast(t.from.scale);
        x[u].pin(); // rounded before a stage adds to it
      }
    apply_tail(tail, x, [&](int u) {
      return element_place<Whole>{{row, column + u * V::size, lanes}, item, item_row};
    });
    if constexpr (byte_element<D>)
      IA_NN_UNROLL for (int u = 0; u < N; ++u)
        x[u] = round(::ia_nn::detail::nan_to_zero(x[u] / V::broadcast(t.to.scale))) +
               V::broadcast(static_cast<f32>(t.to.zero_point));
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u) lanes.store(x[u], to + u * V::size);
  }
  void run(index_t from, index_t end) const noexcept {
    index_t c = from;
    for (; c + 4 * V::size <= end; c += 4 * V::size) some<4, true>(c, V::size);
    for (; c + V::size <= end; c += V::size) some<1, true>(c, V::size);
    if (c < end) some<1, false>(c, end - c);
  }
};

/// `tail` is that of these stages.
template <isa::tag I, class S, class D, class Tail, class E>
void run_elementwise(elementwise_task<S, D> t, stage_data const* stages, int count, Tail const& tail,
                     E& e) noexcept {
  constexpr index_t granule = 4096; // elements that are worth a task
  index_t const rows = t.rows, columns = t.columns;
  if (t.ld == columns && !asks_for_places(stages, count, columns)) {
    t.columns = t.ld = columns * rows, t.rows = 1;
    parallel_blocks(e, t.columns, granule, [&](index_t begin, index_t end, int) {
      elementwise_row<I, S, D, Tail>{t, tail, 0, 0, 0}.run(begin, end);
    });
    return;
  }
  parallel_blocks(e, rows, ceil_div(granule, columns), [&](index_t begin, index_t end, int) {
    for (index_t r = begin; r < end; ++r)
      elementwise_row<I, S, D, Tail>{t, tail, r, r / t.rows_per_item, r % t.rows_per_item}
          .run(0, columns);
  });
}

template <isa::tag I, class S, class D> struct elementwise_kernel : tail_kernel {
  struct store {
    quantization from, to;
  };
  static store load(kernel_loader& l) { return {l.source_scaling(), l.result_scaling()}; }

  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    index_t const rows = c.rows(), columns = c.shape().last();
    run_elementwise<I, S, D>({rows, columns, rows / c.batch(), c.source<S>(), c.result<D>(), c.ld(), s.from, s.to},
                       c.stages, c.what().stages.count, tail, e);
  }
};

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::activation.id)
struct kernel<K, native_kernels<I>>
    : detail::elementwise_kernel<detail::isa_of_f32<I>, element_of<K.reads>, element_of<K.writes>> {};

} // namespace graph
IA_NN_END
