// SPDX-License-Identifier: Apache-2.0
//
// The threshold that loses least information: for every window of 2 i + 1 bins around zero, what a
// few levels make of the window is compared with the window by the Kullback-Leibler divergence.
//
//   histogram    o o a b c d e f g o o    window a .. g, outliers o
//   P                A b c d e f G        A: a and the outliers left of it; G: g and those right
//   Q                0 b|c d|e f g        first bin 0; merged to `levels` groups of floor(width /
//                                         levels) bins, the rest to the last; each group spread
//                                         evenly over its bins where P is not 0
//   both         zero bins get 1e-4, taken in equal parts from the others; then the sum is made 1
//   divergence   sum of p log(p / q); infinite if Q is empty or has nothing to give
//
// The right edge of the window with the smallest divergence is the threshold, of several the first.
// Source: MXNet, src/operator/quantization/calibrate.cc, whose results this repeats.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/meta.hpp>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include <ia_nn/begin.hpp>

namespace detail {

/// The divergence of one window; P and Q are scratch memory of at least the window's width.
class window_divergence {
public:
  window_divergence(std::span<index_t const> counts, index_t levels)
      : counts_(counts), levels_(levels), p_(counts.size()), q_(counts.size()) {
    before_.reserve(counts.size() + 1);
    before_.push_back(0);
    for (index_t const c : counts) before_.push_back(before_.back() + c);
  }

  /// Of 2 half + 1 bins around the middle one.
  double operator()(index_t half) {
    auto const bins = static_cast<index_t>(counts_.size());
    index_t const first = bins / 2 - half, width = 2 * half + 1;
    for (index_t i = 0; i < width; ++i) p_[at(i)] = static_cast<double>(counts_[at(first + i)]);
    p_[0] = static_cast<double>(before_[at(first + 1)]);
    p_[at(width - 1)] += static_cast<double>(before_.back() - before_[at(first + width)]);

    index_t const merged = width / levels_;
    for (index_t g = 0; g < levels_; ++g) {
      index_t const begin = g * merged, end = g == levels_ - 1 ? width : begin + merged;
      // Counts before the group's end, less those before its beginning; the first bin counts as 0.
      double const sum =
          static_cast<double>(before_[at(first + end)] - before_[at(first + max_of(begin, 1))]);
      index_t filled = 0;
      for (index_t i = begin; i < end; ++i) filled += p_[at(i)] != 0 ? 1 : 0;
      double const share = filled ? sum / static_cast<double>(filled) : 0;
      for (index_t i = begin; i < end; ++i) q_[at(i)] = p_[at(i)] != 0 ? share : 0;
    }

    constexpr double never = std::numeric_limits<double>::infinity();
    smoothing const sp(p_, width), sq(q_, width);
    if (!sp.possible || !sq.possible) return never;
    double divergence = 0;
    for (index_t i = 0; i < width; ++i) {
      double const p = sp(p_[at(i)]), q = sq(q_[at(i)]);
      if (!(q > 0) || !(p > 0)) return never;
      divergence += p * std::log(p / q);
    }
    return divergence;
  }

private:
  static std::size_t at(index_t i) noexcept { return static_cast<std::size_t>(i); }

  // Zeros become eps, which the others give; then everything is divided by the sum.
  struct smoothing {
    static constexpr double eps = 1e-4;
    bool possible = false;
    double taken = 0, total = 0;
    smoothing(std::vector<double> const& v, index_t width) {
      index_t zeros = 0;
      for (index_t i = 0; i < width; ++i) {
        zeros += v[at(i)] == 0 ? 1 : 0;
        total += v[at(i)];
      }
      if (zeros == width) return;
      taken = eps * static_cast<double>(zeros) / static_cast<double>(width - zeros);
      possible = taken < 1;
    }
    double operator()(double x) const noexcept { return (x == 0 ? eps : x - taken) / total; }
  };

  std::span<index_t const> counts_;
  index_t levels_;
  std::vector<double> p_, q_;
  std::vector<index_t> before_; ///< counts of the bins before bin i
};

} // namespace detail

/// The threshold of a histogram over [-limit, limit] for `levels` levels. If every divergence is
/// infinite it is the limit: nothing is cut off.
///
/// Errors: errc::bad_parameter (an even number of bins, fewer bins than levels, fewer than 3
/// levels).
inline double entropy_threshold(std::span<index_t const> counts, double limit, index_t levels) {
  auto const bins = static_cast<index_t>(counts.size());
  if (bins % 2 == 0 || levels < 3 || bins < levels)
    throw_error(errc::bad_parameter,
                "entropy_threshold: " + std::to_string(bins) + " bins for " +
                    std::to_string(levels) +
                    " levels: their number must be odd, and there must be at least 3 levels and as "
                    "many bins");
  detail::window_divergence divergence(counts, levels);
  double best = std::numeric_limits<double>::infinity(), threshold = limit;
  for (index_t half = levels / 2; half <= bins / 2; ++half) {
    double const d = divergence(half);
    if (d < best) {
      best = d;
      threshold = limit * static_cast<double>(2 * half + 1) / static_cast<double>(bins);
    }
  }
  return threshold;
}

IA_NN_END
