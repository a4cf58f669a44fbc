// SPDX-License-Identifier: Apache-2.0
//
// A range that follows the batches: an outlier in one of many counts as much as its batch does.
//
//   low  += share (low of the batch - low)        high likewise; the first batch counts in full
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/int8/dynamic.hpp>

#include <span>

#include <ia_nn/begin.hpp>

/// Moving averages of the smallest and the largest finite value of each call. Source: PyTorch's
/// MovingAverageMinMaxObserver, whose averaging_constant is `share`; here ranges contain 0.
class moving_average_calibrator {
public:
  /// Errors: errc::bad_parameter (share not in (0, 1]).
  explicit moving_average_calibrator(double share = 0.01) : share_(share) {
    if (!(share > 0 && share <= 1))
      throw_error(errc::bad_parameter, "moving_average_calibrator: a share of " +
                                           detail::number_text(share) +
                                           ": must be above 0 and at most 1");
  }
  /// A call without finite values changes nothing.
  void observe(std::span<f32 const> x) {
    bool any = false;
    for (f32 const v : x) {
      bool const finite = v >= -0x1.fffffep127F && v <= 0x1.fffffep127F;
      any = any || finite;
      ignored_ += finite ? 0 : 1;
    }
    if (!any) return;
    value_range const r = finite_range<isa::native>(static_cast<index_t>(x.size()), x.data());
    double const share = seen_ ? share_ : 1;
    low_ += share * (static_cast<double>(r.low) - low_);
    high_ += share * (static_cast<double>(r.high) - high_);
    seen_ = true;
  }
  /// Errors: errc::bad_parameter if no finite value was seen.
  value_range range() const {
    if (!seen_)
      throw_error(errc::bad_parameter, "moving_average_calibrator: no finite value was observed");
    return {static_cast<f32>(low_), static_cast<f32>(high_)};
  }
  index_t ignored() const noexcept { return ignored_; }

private:
  double share_, low_ = 0, high_ = 0;
  index_t ignored_ = 0;
  bool seen_ = false;
};

IA_NN_END
