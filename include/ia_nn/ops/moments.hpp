// SPDX-License-Identifier: Apache-2.0
//
// Mean and deviation of numbers as normalizations use them.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Mean (rounded, with the rest that rounding left) and inverse deviation.
struct moments {
  f32 mean, rest, inverse;
  bool exact; ///< squares neither overflowed nor vanished, and what is corrected is not large
};

/// From n deviations from `mean`: their sum and the sum of their squares.
inline moments moments_of(f32 mean, double sum, double squares, double n, f32 epsilon) noexcept {
  double const rest = sum / n, variance = squares / n - rest * rest;
  double const total = (variance < 0 ? 0 : variance) + static_cast<double>(epsilon);
  return {mean, static_cast<f32>(rest), static_cast<f32>(1.0 / __builtin_sqrt(total)),
          total > 0x1p-100 && total < __builtin_inf() && rest * rest <= 2 * total};
}

/// Moments in double, whose range has room for squares of f32. The mean is that of x - first, which
/// is exact where all numbers are equal.
struct wide_moments {
  double first, mean, variance, inverse;
  double operator()(f32 x) const noexcept {
    return (static_cast<double>(x) - first - mean) * inverse;
  }
};
/// Of get(0) ... get(n - 1).
template <class Get>
IA_NN_NOINLINE wide_moments wide_moments_of(index_t n, f32 epsilon, Get const& get) noexcept {
  double const first = static_cast<double>(get(0));
  double sum = 0, squares = 0;
  for (index_t i = 0; i < n; ++i) sum += static_cast<double>(get(i)) - first;
  double const mean = sum / static_cast<double>(n);
  for (index_t i = 0; i < n; ++i) {
    double const d = static_cast<double>(get(i)) - first - mean;
    squares += d * d;
  }
  double const variance = squares / static_cast<double>(n);
  return {first, mean, variance, 1 / __builtin_sqrt(variance + static_cast<double>(epsilon))};
}

} // namespace detail

IA_NN_END
