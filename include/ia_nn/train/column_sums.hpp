// SPDX-License-Identifier: Apache-2.0
//
// Sums over the rows of a matrix: gradients of biases, statistics of batches.
//
// Rows are cut into parts whose number depends on the number of rows alone, parts are summed by any
// worker, and the sums of parts are added in their order. So the bits do not depend on the number
// of workers. Blocks of 32 rows (or all rows, up to 64) go into four sums each, and together these
// are a term of a long_sum: a sum of any number of rows is off by at most 19 * 2^-24 of the sum of
// magnitudes. Blocks of 64 rows took up to 1.8 times as long (AVX2, 512 columns, Zen 5): their
// lines share sets of the first cache.
#pragma once

#include <ia_nn/math/long_sum.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

inline constexpr index_t column_sum_parts = 32;

/// Elements of f32 that `sum_columns` needs for its sums of parts.
constexpr index_t column_sum_cells(index_t columns, int sums = 1) noexcept {
  return column_sum_parts * 2 * sums * columns;
}

/// K sums over rows for each column: add(row, column, lanes, V (&s)[K]) adds what a row gives to
/// its arguments, finish(column, lanes, V const (&totals)[K]) takes the sums. `partial` has
/// column_sum_cells(columns, K) elements.
template <isa::tag I, int K, class Add, class Finish, executor E>
void sum_columns(index_t rows, index_t columns, Add const& add, Finish const& finish, f32* partial,
                 E& e) noexcept {
  using V = vec<f32, I>;
  constexpr index_t sum_rows_at_once = 32;
  int const parts =
      static_cast<int>(max_of(1, min_of(column_sum_parts, ceil_div(rows, 8 * sum_rows_at_once))));
  auto const block_sums = [&](index_t first, index_t last, index_t c, auto at, V(&total)[K])
                              IA_NN_LAMBDA {
    V s[4][K];
    IA_NN_UNROLL
    for (int u = 0; u < 4; ++u) {
      IA_NN_UNROLL
      for (int k = 0; k < K; ++k) s[u][k] = V::zero();
    }
    index_t r = first;
    for (; r + 4 <= last; r += 4) {
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) add(r + u, c, at, s[u]);
    }
    for (; r < last; ++r) add(r, c, at, s[0]);
    IA_NN_UNROLL
    for (int k = 0; k < K; ++k) total[k] = (s[0][k] + s[1][k]) + (s[2][k] + s[3][k]);
  };
  if (rows <= 2 * sum_rows_at_once) {
    parallel_blocks(e, columns, 512, [&](index_t begin, index_t end, int) {
      each_register<V>(begin, end, [&](index_t c, auto at) IA_NN_LAMBDA {
        V totals[K];
        block_sums(0, rows, c, at, totals);
        finish(c, at, totals);
      });
    });
    return;
  }
  // Sum k of a part: its totals, then what they rounded away.
  auto const load = [&](f32 const* p, index_t c, int k, auto at) IA_NN_LAMBDA {
    return long_sum<V>{at.template load<V>(p + 2 * k * columns + c),
                       at.template load<V>(p + (2 * k + 1) * columns + c)};
  };
  e.parallel_for(parts, [&](index_t part, int) {
    block const own = block_of(rows, parts, static_cast<int>(part));
    f32* const sums = partial + part * 2 * K * columns;
    for (index_t c = 0; c < 2 * K * columns; ++c) sums[c] = 0;
    for (index_t first = own.begin; first < own.end; first += sum_rows_at_once)
      each_register<V>(0, columns, [&](index_t c, auto at) IA_NN_LAMBDA {
        V some[K];
        block_sums(first, min_of(own.end, first + sum_rows_at_once), c, at, some);
        IA_NN_UNROLL
        for (int k = 0; k < K; ++k) {
          long_sum<V> sum = load(sums, c, k, at);
          sum.add(some[k]);
          at.store(sum.total, sums + 2 * k * columns + c);
          at.store(sum.left, sums + (2 * k + 1) * columns + c);
        }
      });
  });
  parallel_blocks(e, columns, 512, [&](index_t begin, index_t end, int) {
    each_register<V>(begin, end, [&](index_t c, auto at) IA_NN_LAMBDA {
      V totals[K];
      IA_NN_UNROLL
      for (int k = 0; k < K; ++k) {
        long_sum<V> sum;
        for (int p = 0; p < parts; ++p) sum.add(load(partial + p * 2 * K * columns, c, k, at));
        totals[k] = sum.value();
      }
      finish(c, at, totals);
    });
  });
}

} // namespace detail

IA_NN_END
