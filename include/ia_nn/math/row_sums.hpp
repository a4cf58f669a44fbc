// SPDX-License-Identifier: Apache-2.0
//
// Sums along a row, and down the pixels of an image, for norms and for the gradients of softmax. Sums of
// few numbers are f32, sums of those double: a sum is off by at most 40 * 2^-24 of the sum of
// magnitudes, however many numbers there are.
#pragma once

#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// K sums over elements [0, n): add(i, lanes, V (&s)[K]) adds a register to its arguments, 0 in lanes
/// that stand for no element.
template <f32_register V, int K, class Add>
IA_NN_INLINE void sum_row(index_t n, Add const& add, double (&total)[K]) noexcept {
  constexpr index_t width = V::size, some = 128 * width;
  for (int k = 0; k < K; ++k) total[k] = 0;
  for (index_t first = 0; first < n; first += some) {
    index_t const end = min_of(n, first + some);
    V s[4][K];
    IA_NN_UNROLL
    for (int u = 0; u < 4; ++u) {
      IA_NN_UNROLL
      for (int k = 0; k < K; ++k) s[u][k] = V::zero();
    }
    index_t i = first;
    for (; i + 4 * width <= end; i += 4 * width) {
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) add(i + u * width, lanes<true>{width}, s[u]);
    }
    each_register<V>(i, end, [&](index_t j, auto at) IA_NN_LAMBDA { add(j, at, s[0]); });
    for (int k = 0; k < K; ++k) {
      V const all = (s[0][k] + s[1][k]) + (s[2][k] + s[3][k]);
      total[k] += static_cast<double>(sum(all));
    }
  }
}

/// K sums over pixels for each of n channels: add(pixel, channel, lanes, V (&s)[K]). Sum k of channel c
/// comes to sums[k * stride + c].
template <f32_register V, int K, class Add>
IA_NN_INLINE void sum_pixels(index_t pixels, index_t n, Add const& add, double* sums,
                             index_t stride) noexcept {
  each_register<V>(0, n, [&](index_t c, auto at) IA_NN_LAMBDA {
    double total[K][V::size] = {};
    for (index_t first = 0; first < pixels; first += 128) {
      index_t const end = min_of(pixels, first + 128);
      V s[4][K];
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) {
        IA_NN_UNROLL
        for (int k = 0; k < K; ++k) s[u][k] = V::zero();
      }
      index_t p = first;
      for (; p + 4 <= end; p += 4) {
        IA_NN_UNROLL
        for (int u = 0; u < 4; ++u) add(p + u, c, at, s[u]);
      }
      for (; p < end; ++p) add(p, c, at, s[0]);
      for (int k = 0; k < K; ++k) {
        f32 some[V::size];
        ((s[0][k] + s[1][k]) + (s[2][k] + s[3][k])).store(some);
        for (int l = 0; l < V::size; ++l) total[k][l] += static_cast<double>(some[l]);
      }
    }
    for (int k = 0; k < K; ++k)
      for (index_t l = 0; l < at.count; ++l) sums[k * stride + c + l] = total[k][l];
  });
}

} // namespace detail

IA_NN_END
