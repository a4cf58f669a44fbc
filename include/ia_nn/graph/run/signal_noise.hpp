// SPDX-License-Identifier: Apache-2.0
//
// How far numbers are from those that they stand for.
#pragma once

#include <ia_nn/core/types.hpp>

#include <cmath>
#include <limits>

#include <ia_nn/begin.hpp>
namespace graph {

/// Sums over pairs (right, x). Pairs that are not finite count apart: `unlike` are those of which one is
/// what the other is not.
struct signal_noise {
  double signal = 0, noise = 0; ///< sums of right^2 and of (x - right)^2
  double largest = 0;           ///< |x - right|
  double largest_right = 0;     ///< |right|
  index_t count = 0, unlike = 0;

  void add(f32 right, f32 x) noexcept {
    double const a = static_cast<double>(right), b = static_cast<double>(x), d = std::fabs(b - a);
    if (!std::isfinite(a) || !std::isfinite(b)) {
      unlike += !(a == b) && !(std::isnan(a) && std::isnan(b));
      return;
    }
    ++count;
    signal += a * a;
    noise += d * d;
    largest = d > largest ? d : largest;
    largest_right = std::fabs(a) > largest_right ? std::fabs(a) : largest_right;
  }
  /// 10 log10(signal / noise): 6 dB are one bit. Infinite if there is no noise.
  double decibels() const noexcept {
    return noise > 0 ? 10 * std::log10(signal / noise) : std::numeric_limits<double>::infinity();
  }
  /// The largest difference by the largest |right|; infinite if the latter is 0 and the former is not.
  double relative() const noexcept { return largest > 0 ? largest / largest_right : 0; }
};

} // namespace graph
IA_NN_END
