// SPDX-License-Identifier: Apache-2.0
//
// Sums over the rows of a matrix: gradients of biases, statistics of batches.
//
// Rows are cut into parts whose number depends on the number of rows alone, parts are summed by any
// worker, and the sums of parts are added in their order. So the bits do not depend on the number
// of workers. Within a part blocks of 64 rows go into four sums each; a sum of n rows has chains of
// about 16 + n / 2048 + 32 additions, and loses little where n is a million.
#pragma once

#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

inline constexpr index_t column_sum_parts = 32;

/// Elements of f32 that `sum_columns` needs for its sums of parts.
constexpr index_t column_sum_cells(index_t columns) noexcept { return column_sum_parts * columns; }

/// For each column: finish(column, lanes, sum over rows of value(row, column, lanes)). `partial`
/// has column_sum_cells(columns) elements.
template <isa::tag I, class Value, class Finish, executor E>
void sum_columns(index_t rows, index_t columns, f32* partial, Value const& value,
                 Finish const& finish, E& e) noexcept {
  using V = vec<f32, I>;
  constexpr index_t rows_at_once = 64;
  int const parts =
      static_cast<int>(max_of(1, min_of(column_sum_parts, ceil_div(rows, 4 * rows_at_once))));
  e.parallel_for(parts, [&](index_t part, int) {
    block const own = block_of(rows, parts, static_cast<int>(part));
    f32* const sums = partial + part * columns;
    for (index_t c = 0; c < columns; ++c) sums[c] = 0;
    for (index_t first = own.begin; first < own.end; first += rows_at_once) {
      index_t const last = min_of(own.end, first + rows_at_once);
      each_register<V>(0, columns, [&](index_t c, auto at) IA_NN_LAMBDA {
        V s0 = V::zero(), s1 = s0, s2 = s0, s3 = s0;
        index_t r = first;
        for (; r + 4 <= last; r += 4) {
          s0 = s0 + value(r, c, at);
          s1 = s1 + value(r + 1, c, at);
          s2 = s2 + value(r + 2, c, at);
          s3 = s3 + value(r + 3, c, at);
        }
        for (; r < last; ++r) s0 = s0 + value(r, c, at);
        at.store(at.template load<V>(sums + c) + ((s0 + s1) + (s2 + s3)), sums + c);
      });
    }
  });
  parallel_blocks(e, columns, 512, [&](index_t begin, index_t end, int) {
    each_register<V>(begin, end, [&](index_t c, auto at) IA_NN_LAMBDA {
      V total = at.template load<V>(partial + c);
      for (int p = 1; p < parts; ++p)
        total = total + at.template load<V>(partial + p * columns + c);
      finish(c, at, total);
    });
  });
}

} // namespace detail

IA_NN_END
