// SPDX-License-Identifier: Apache-2.0
//
// Chains of element-wise operations without a kernel in front: one pass over memory.
//
//   dst[row][column] = stages(src[row][column])          rows of src are dense, those of dst ld apart
//
// The other operand of a stage may be repeated: its element is found from the item, the row, or the
// column. Four registers go through a stage before the next stage begins.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/graph/chain.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

struct elementwise_task {
  stage_data const* stages;
  int count;
  index_t rows, columns, rows_per_item;
  f32 const* src;
  f32* dst; ///< may be src
  index_t ld;

  /// True if places within a row matter to no stage.
  bool has_rows() const noexcept {
    if (ld != columns) return true;
    for (int i = 0; i < count; ++i)
      if (stages[i].kind == stage_kind::batch_norm || stages[i].how != spread::none ||
          (stages[i].p && stages[i].ld != columns))
        return true;
    return false;
  }
};

template <isa::tag I> struct elementwise_row {
  using V = vec<f32, I>;
  elementwise_task const& t;
  index_t row, item;

  template <bool Whole> V operand(stage_data const& s, tile_position<Whole> at) const noexcept {
    switch (s.how) {
    case spread::channels:
      return at.template columns<V>(s.p + item * s.ld);
    case spread::rows:
      return V::broadcast(s.p[row * s.ld]);
    case spread::items:
      return V::broadcast(s.p[item * s.ld]);
    default:
      return at.template matrix<V>(s.p, s.ld);
    }
  }
  template <int N, bool Whole> IA_NN_INLINE void some(index_t column, index_t lanes) const noexcept {
    V x[N];
    f32 const* const from = t.src + row * t.columns + column;
    f32* const to = t.dst + row * t.ld + column;
    auto const at = [&](int u) {
      return tile_position<Whole>{row, column + u * V::size, lanes};
    };
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u)
      if constexpr (Whole) x[u] = V::load(from + u * V::size);
      else x[u] = V::load(from, lanes);
    for (int i = 0; i < t.count; ++i) {
      stage_data const& s = t.stages[i];
      apply_stage_to(s, x, [&](int u) { return operand(s, at(u)); }, at);
    }
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u)
      if constexpr (Whole) x[u].store(to + u * V::size);
      else x[u].store(to, lanes);
  }
  void run(index_t from, index_t end) const noexcept {
    index_t c = from;
    for (; c + 4 * V::size <= end; c += 4 * V::size) some<4, true>(c, V::size);
    for (; c + V::size <= end; c += V::size) some<1, true>(c, V::size);
    if (c < end) some<1, false>(c, end - c);
  }
};

template <isa::tag I, class E> void run_elementwise(elementwise_task t, E& e) noexcept {
  constexpr index_t granule = 4096; // elements that are worth a task
  if (!t.has_rows()) {
    t.columns = t.ld = t.columns * t.rows, t.rows = 1;
    parallel_blocks(e, t.columns, granule, [&](index_t begin, index_t end, int) {
      elementwise_row<I>{t, 0, 0}.run(begin, end);
    });
    return;
  }
  parallel_blocks(e, t.rows, ceil_div(granule, t.columns), [&](index_t begin, index_t end, int) {
    for (index_t r = begin; r < end; ++r)
      elementwise_row<I>{t, r, r / t.rows_per_item}.run(0, t.columns);
  });
}

} // namespace detail
} // namespace graph
IA_NN_END
