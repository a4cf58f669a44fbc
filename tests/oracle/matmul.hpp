// SPDX-License-Identifier: Apache-2.0
//
// What a matrix product should give: sums in double for floating-point operands, exact sums modulo
// 2^32 for 8-bit integers, and how far a result may be from them.
//
// Bounds are those of a chain of n roundings: |error| <= n 2^-24 sum |a| |b| (1 + a little), so a
// correct kernel never fails and a wrong term of typical size always does.
#pragma once

#include <ia_nn/core/types.hpp>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace ia_nn_test {

using ia_nn::bf16;
using ia_nn::f32;
using ia_nn::index_t;
using ia_nn::s32;
using ia_nn::s8;
using ia_nn::u8;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// Element (r, c) stands at data[r * row + c * column].
template <class T> struct strided_source {
  T const* data;
  index_t row, column;
  T operator()(index_t r, index_t c) const { return data[r * row + c * column]; }
};

/// The scales of weights in groups of k, (ceil(k / group), n) row-major; group 0 means none.
struct group_scales {
  f32 const* data = nullptr;
  index_t group = 0;
};

/// m x n sums, row-major.
struct matmul_reference {
  index_t m = 0, n = 0, k = 0;
  std::vector<double> sum;  ///< A * B, in double
  std::vector<double> norm; ///< |A| * |B|
  std::vector<s32> exact;   ///< A * B modulo 2^32; integers only

  std::size_t cell(index_t i, index_t j) const { return at(i * n + j); }

  template <class A, class B>
  matmul_reference(index_t rows, index_t columns, index_t depth, strided_source<A> a,
                   strided_source<B> b, s32 a_zero = 0, s32 b_zero = 0, group_scales scales = {})
      : m(rows), n(columns), k(depth), sum(at(m * n)), norm(at(m * n)) {
    constexpr bool integer = ia_nn::byte_element<A>;
    if (integer) exact.resize(at(m * n));
    // B by columns, so that the innermost loop reads two streams.
    std::vector<double> columns_of_b(at(k * n));
    for (index_t j = 0; j < n; ++j)
      for (index_t q = 0; q < k; ++q) {
        double x = static_cast<double>(static_cast<f32>(b(q, j))) - b_zero;
        if (scales.group) x *= static_cast<double>(scales.data[q / scales.group * n + j]);
        columns_of_b[at(j * k + q)] = x;
      }
    std::vector<double> row(at(k));
    for (index_t i = 0; i < m; ++i) {
      for (index_t q = 0; q < k; ++q)
        row[at(q)] = static_cast<double>(static_cast<f32>(a(i, q))) - a_zero;
      for (index_t j = 0; j < n; ++j) {
        double const* const column = columns_of_b.data() + j * k;
        double s = 0, absolute = 0;
        std::uint64_t whole = 0; // modulo 2^64: huge zero points are allowed to wrap
        for (index_t q = 0; q < k; ++q) {
          double const term = row[at(q)] * column[q];
          s += term;
          absolute += std::fabs(term);
          if constexpr (integer)
            whole += static_cast<std::uint64_t>(static_cast<std::int64_t>(row[at(q)])) *
                     static_cast<std::uint64_t>(static_cast<std::int64_t>(column[q]));
        }
        sum[cell(i, j)] = s;
        norm[cell(i, j)] = absolute;
        if constexpr (integer)
          exact[cell(i, j)] = static_cast<s32>(static_cast<std::uint32_t>(whole));
      }
    }
  }

  /// C += A * B.
  template <class C> void add(strided_source<C> c) {
    for (index_t i = 0; i < m; ++i)
      for (index_t j = 0; j < n; ++j) {
        double const x = static_cast<double>(c(i, j));
        sum[cell(i, j)] += x;
        norm[cell(i, j)] += std::fabs(x);
        if constexpr (std::same_as<C, s32>)
          exact[cell(i, j)] = static_cast<s32>(static_cast<std::uint32_t>(exact[cell(i, j)]) +
                                               static_cast<std::uint32_t>(c(i, j)));
      }
  }
};

/// The largest error of a product whose terms are each off by `relative` times |a| |b| and whose sum
/// takes `roundings` additions.
struct error_bound {
  double roundings, relative = 0;
  double operator()(double norm) const {
    // Operands or results that are denormal may count as zero.
    return norm * (relative + (roundings + 4) * 0x1p-24) * 1.001 + roundings * 0x1p-125;
  }
};

/// Nearest even, then saturated; what a store to 8-bit integers does.
template <ia_nn::byte_element T> T saturated(double x) {
  constexpr double lo = std::same_as<T, u8> ? 0 : -128, hi = std::same_as<T, u8> ? 255 : 127;
  double const r = std::nearbyint(x);
  return static_cast<T>(r < lo ? lo : r > hi ? hi : r);
}

/// An s32 accumulator stored as C: through f32, to nearest even, unless C is s32.
template <class C> C stored(s32 x) {
  if constexpr (std::same_as<C, s32>) return x;
  else if constexpr (ia_nn::byte_element<C>) return saturated<C>(static_cast<double>(x));
  else return C(static_cast<f32>(x));
}

/// "" if every element is right, else a sentence about the worst one.
template <class C>
std::string compare(matmul_reference const& ref, C const* c, index_t ldc, error_bound bound) {
  double worst = 1;
  index_t wi = -1, wj = -1;
  for (index_t i = 0; i < ref.m; ++i)
    for (index_t j = 0; j < ref.n; ++j) {
      double const want = ref.sum[ref.cell(i, j)];
      double slack = bound(ref.norm[ref.cell(i, j)]);
      double const got = static_cast<double>(static_cast<f32>(c[i * ldc + j]));
      double excess; // at most 1 is right
      if constexpr (ia_nn::byte_element<C>) {
        double const lo = saturated<C>(want - slack), hi = saturated<C>(want + slack);
        excess = got >= lo && got <= hi ? 0 : 2 + std::fabs(got - want);
      } else {
        if constexpr (std::same_as<C, bf16>) slack += 0x1p-8 * (std::fabs(want) + slack);
        double const error = std::fabs(got - want);
        excess = error <= slack ? 0 : slack > 0 ? error / slack : HUGE_VAL;
        if (std::isnan(got)) excess = HUGE_VAL;
      }
      if (excess > worst) worst = excess, wi = i, wj = j;
    }
  if (wi < 0) return {};
  char text[200];
  std::snprintf(text, sizeof text, "worst at (%td, %td): got %.9g, expected %.9g +- %.3g", wi, wj,
                static_cast<double>(static_cast<f32>(c[wi * ldc + wj])), ref.sum[ref.cell(wi, wj)],
                bound(ref.norm[ref.cell(wi, wj)]));
  return text;
}

/// The same for integer operands: every bit must agree.
template <class C>
std::string compare_exactly(matmul_reference const& ref, C const* c, index_t ldc) {
  index_t wrong = 0, wi = 0, wj = 0;
  for (index_t i = 0; i < ref.m; ++i)
    for (index_t j = 0; j < ref.n; ++j) {
      C const want = stored<C>(ref.exact[ref.cell(i, j)]);
      if (__builtin_memcmp(&want, &c[i * ldc + j], sizeof want) == 0) continue;
      if (wrong++ == 0) wi = i, wj = j;
    }
  if (wrong == 0) return {};
  char text[200];
  std::snprintf(text, sizeof text, "%td elements differ, the first at (%td, %td): got %.10g, expected %.10g",
                wrong, wi, wj, static_cast<double>(c[wi * ldc + wj]),
                static_cast<double>(stored<C>(ref.exact[ref.cell(wi, wj)])));
  return text;
}

} // namespace ia_nn_test
