// SPDX-License-Identifier: Apache-2.0
//
// Ranges of tensors from sample data.
//
//   entropy_calibrator seen;
//   for (auto const& batch : samples) seen.observe(batch);
//   quantization const q = quantization_of<s8>(seen.range());
//
//   min_max_calibrator      everything that was seen
//   entropy_calibrator      what loses least information (entropy.hpp)
//   percentile_calibrator   all but the largest values
//   mse_calibrator          what gives the smallest mean squared error
//   moving_average_calibrator   (moving_average.hpp) lows and highs of batches, averaged
//
// Who knows the shape of a tensor gives its channels too where a calibrator takes them: the entropy
// calibrator then leaves out peaks (peaks.hpp).
//
// Values that are NaN or infinite say nothing about a range: they are passed over, and `ignored()`
// counts them. A range that is asked for before any finite value was seen is an error.
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/int8/entropy.hpp>
#include <ia_nn/int8/histogram.hpp>
#include <ia_nn/int8/moving_average.hpp>
#include <ia_nn/int8/peaks.hpp>

#include <ia_nn/begin.hpp>

/// Anything that sees batches of values and then knows their range; a type of yours may be one. It may
/// have
///
///   observe(values, channels)                    rows of so many values, NaN and infinities among them
///   static constexpr bool is_threshold = true;   range() is a bound on |x| and may be wider than
///                                                what was seen
template <class C>
concept calibrator = requires(C& c, C const& seen, std::span<f32 const> values) {
  c.observe(values);
  { seen.range() } -> std::same_as<value_range>;
};

/// The type that the range is for: non-negative values have twice the levels if they may become u8.
enum class byte_type { signed_only, unsigned_only, automatic };

namespace detail {

/// Levels of a type, the zero included: 255 of both signs; non-negative values in a u8 have the
/// positive half of 511.
inline index_t levels_of(byte_type t, ia_nn::value_range const& r) noexcept {
  return t != byte_type::signed_only && r.low >= 0 ? 511 : 255;
}
/// A threshold as a range: negative values only if there were any.
inline ia_nn::value_range range_up_to(double threshold, ia_nn::value_range const& seen) noexcept {
  f32 const t = static_cast<f32>(threshold);
  return {seen.low < 0 ? -t : 0.0F, t};
}

} // namespace detail

/// The smallest and the largest finite value.
class min_max_calibrator {
public:
  void observe(std::span<f32 const> x) {
    for (f32 const v : x) {
      bool const finite = v >= -0x1.fffffep127F && v <= 0x1.fffffep127F;
      ++(finite ? seen_ : ignored_);
    }
    range_.add(finite_range<isa::native>(static_cast<index_t>(x.size()), x.data()));
  }
  /// Errors: errc::bad_parameter if no finite value was seen.
  value_range range() const {
    if (seen_ == 0)
      throw_error(errc::bad_parameter, "min_max_calibrator: no finite value was observed");
    return range_;
  }
  index_t ignored() const noexcept { return ignored_; }

private:
  value_range range_;
  index_t seen_ = 0, ignored_ = 0;
};

/// The range with the smallest Kullback-Leibler divergence: (-threshold, threshold), or
/// (0, threshold) if nothing was negative.
class entropy_calibrator {
public:
  static constexpr bool is_threshold = true;
  /// Errors: those of value_histogram.
  explicit entropy_calibrator(byte_type type = byte_type::automatic, index_t bins = 8001)
      : histogram_(bins), type_(type) {}
  void observe(std::span<f32 const> x) { histogram_.observe(x); }
  /// Rows of so many values, such as pixels: without_peaks of them.
  void observe(std::span<f32 const> x, index_t channels) {
    without_peaks(x, channels, kept_);
    histogram_.observe(kept_);
  }
  /// Errors: errc::bad_parameter (no finite value was seen, fewer bins than levels).
  value_range range() const {
    histogram_.require_data("entropy_calibrator");
    value_range const seen = histogram_.range();
    if (histogram_.limit() == 0) return seen;
    return detail::range_up_to(
        entropy_threshold(histogram_.counts(), histogram_.limit(), detail::levels_of(type_, seen)),
        seen);
  }
  index_t ignored() const noexcept { return histogram_.ignored(); }
  value_histogram const& histogram() const noexcept { return histogram_; }

private:
  value_histogram histogram_;
  std::vector<f32> kept_;
  byte_type type_;
};

/// The narrowest range around 0, in whole bins, that holds `percent` of the values seen, and no
/// more than what was seen.
class percentile_calibrator {
public:
  static constexpr bool is_threshold = true;
  /// Errors: those of value_histogram, errc::bad_parameter (percent not in (0, 100]).
  explicit percentile_calibrator(double percent = 99.99, index_t bins = 8001)
      : histogram_(bins), percent_(percent) {
    if (!(percent > 0 && percent <= 100))
      throw_error(errc::bad_parameter, "percentile_calibrator: " + detail::number_text(percent) +
                                           " percent: must be above 0 and at most 100");
  }
  void observe(std::span<f32 const> x) { histogram_.observe(x); }
  /// Errors: errc::bad_parameter if no finite value was seen.
  value_range range() const {
    histogram_.require_data("percentile_calibrator");
    value_range const seen = histogram_.range();
    std::span<index_t const> const counts = histogram_.counts();
    index_t const bins = histogram_.bins(), middle = bins / 2;
    double const wanted = percent_ / 100 * static_cast<double>(histogram_.seen());
    index_t half = 0, inside = counts[static_cast<std::size_t>(middle)];
    while (half < middle && static_cast<double>(inside) < wanted) {
      ++half;
      inside += counts[static_cast<std::size_t>(middle - half)];
      inside += counts[static_cast<std::size_t>(middle + half)];
    }
    double const edge =
        histogram_.limit() * static_cast<double>(2 * half + 1) / static_cast<double>(bins);
    auto const largest = static_cast<double>(seen.largest());
    return detail::range_up_to(edge < largest ? edge : largest, seen);
  }
  index_t ignored() const noexcept { return histogram_.ignored(); }

private:
  value_histogram histogram_;
  double percent_;
};

/// The range whose symmetric quantization has the smallest mean squared error over the bins'
/// centres, of 256 equal steps up to the largest value; of several the narrowest.
class mse_calibrator {
public:
  static constexpr bool is_threshold = true;
  /// Errors: those of value_histogram.
  explicit mse_calibrator(byte_type type = byte_type::automatic, index_t bins = 8001)
      : histogram_(bins), type_(type) {}
  void observe(std::span<f32 const> x) { histogram_.observe(x); }
  /// Errors: errc::bad_parameter if no finite value was seen.
  value_range range() const {
    histogram_.require_data("mse_calibrator");
    value_range const seen = histogram_.range();
    auto const largest = static_cast<double>(seen.largest());
    if (largest == 0) return seen;
    // 255 levels are 127 steps on either side, 511 are 255.
    double const steps = static_cast<double>((detail::levels_of(type_, seen) - 1) / 2);
    constexpr int candidates = 256;
    double best = std::numeric_limits<double>::infinity(), threshold = largest;
    for (int i = 1; i <= candidates; ++i) {
      double const t = largest * i / candidates, e = squared_error(t, t / steps);
      if (e < best) best = e, threshold = t;
    }
    return detail::range_up_to(threshold, seen);
  }
  index_t ignored() const noexcept { return histogram_.ignored(); }

private:
  double squared_error(double threshold, double step) const {
    std::span<index_t const> const counts = histogram_.counts();
    index_t const bins = histogram_.bins();
    double const width = 2 * histogram_.limit() / static_cast<double>(bins);
    double sum = 0;
    for (index_t b = 0; b < bins; ++b) {
      index_t const n = counts[static_cast<std::size_t>(b)];
      if (n == 0) continue;
      double const x = __builtin_fabs(static_cast<double>(b - bins / 2) * width);
      double const d = x - (x < threshold ? step * std::nearbyint(x / step) : threshold);
      sum += static_cast<double>(n) * d * d;
    }
    return sum;
  }

  value_histogram histogram_;
  byte_type type_;
};

IA_NN_END
