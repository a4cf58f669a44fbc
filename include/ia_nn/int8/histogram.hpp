// SPDX-License-Identifier: Apache-2.0
//
// Counts of values in bins of equal width over [-limit, limit]: what calibrators that look further
// than the smallest and the largest value keep of a tensor.
//
//   first values     limit = the largest absolute value
//   wider ones       bins of the same width are added on both sides
//   much wider ones  before that, each three bins become one, until four times the bins of the
//                    beginning suffice: the first values were a poor sample
//
// The number of bins is odd: the middle one is centred on zero.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/int8/dynamic.hpp>

#include <span>
#include <vector>

#include <ia_nn/begin.hpp>

/// A histogram of finite values. NaN and infinities are passed over and counted apart.
class value_histogram {
public:
  /// Errors: errc::bad_parameter (`bins` is even or less than 3).
  explicit value_histogram(index_t bins = 8001)
      : counts_(bins > 0 ? static_cast<std::size_t>(bins) : 0), most_(4.0 * static_cast<double>(bins)) {
    if (bins < 3 || bins % 2 == 0)
      throw_error(errc::bad_parameter, "value_histogram: " + std::to_string(bins) +
                                           " bins: the number must be odd and at least 3");
  }

  /// Adds values. The width of the bins is that of the first call with a value other than 0, or a power
  /// of three times as much.
  void observe(std::span<f32 const> x) {
    value_range const r = finite_range<isa::native>(static_cast<index_t>(x.size()), x.data());
    widen(static_cast<double>(r.largest()));
    range_.add(r);
    double const per_bin = limit_ > 0 ? static_cast<double>(bins()) / (2 * limit_) : 0;
    for (f32 const v : x) {
      if (!(v >= -0x1.fffffep127F && v <= 0x1.fffffep127F)) {
        ++ignored_;
        continue;
      }
      auto const bin = static_cast<index_t>((static_cast<double>(v) + limit_) * per_bin);
      ++counts_[static_cast<std::size_t>(limit_ > 0 ? min_of(bin, bins() - 1) : bins() / 2)];
      ++seen_;
    }
  }

  index_t bins() const noexcept { return static_cast<index_t>(counts_.size()); }
  std::span<index_t const> counts() const noexcept { return counts_; }
  double limit() const noexcept { return limit_; }
  value_range range() const noexcept { return range_; }
  index_t seen() const noexcept { return seen_; }
  index_t ignored() const noexcept { return ignored_; }

  /// Errors: errc::bad_parameter if no finite value was seen.
  void require_data(char const* who) const {
    if (seen_ == 0)
      throw_error(errc::bad_parameter,
                  std::string(who) + ": no finite value was observed" +
                      (ignored_ ? ", only " + std::to_string(ignored_) + " that are NaN or infinite"
                                : std::string()));
  }

private:
  void widen(double largest) {
    if (largest <= limit_) return;
    if (limit_ == 0) { // zeros so far, all of them in the middle
      limit_ = largest;
      return;
    }
    // A search over windows takes time by the square of the bins.
    while (static_cast<double>(bins()) + 2 * bins_up_to(largest) > most_) merge();
    double const more = bins_up_to(largest), step = width();
    auto const side = static_cast<std::size_t>(more);
    counts_.insert(counts_.begin(), side, 0);
    counts_.insert(counts_.end(), side, 0);
    limit_ += more * step;
  }

  double width() const noexcept { return 2 * limit_ / static_cast<double>(bins()); }
  /// To be added on each side for a value beyond the limit.
  double bins_up_to(double largest) const noexcept {
    return largest <= limit_ ? 0 : __builtin_floor((largest - limit_) / width()) + 1;
  }
  /// Three bins become one. The middle one stays in the middle where their number is 3 (2 k + 1).
  void merge() {
    auto const side = static_cast<std::size_t>((4 - bins() / 2 % 3) % 3);
    limit_ += static_cast<double>(side) * width();
    counts_.insert(counts_.begin(), side, 0);
    counts_.insert(counts_.end(), side, 0);
    std::size_t const merged = counts_.size() / 3;
    for (std::size_t i = 0; i < merged; ++i)
      counts_[i] = counts_[3 * i] + counts_[3 * i + 1] + counts_[3 * i + 2];
    counts_.resize(merged);
  }

  std::vector<index_t> counts_;
  double most_; ///< bins
  double limit_ = 0;
  value_range range_;
  index_t seen_ = 0, ignored_ = 0;
};

IA_NN_END
