// SPDX-License-Identifier: Apache-2.0
//
// Ranges from sample data.
#include "support.hpp"

#include <ia_nn/int8/calibration.hpp>

#include <algorithm>

namespace ia_nn_test {

using ia_nn::byte_type;
using ia_nn::entropy_threshold;
using ia_nn::errc;
using ia_nn::value_range;

namespace {

static_assert(ia_nn::calibrator<ia_nn::min_max_calibrator>);
static_assert(ia_nn::calibrator<ia_nn::entropy_calibrator>);
static_assert(ia_nn::calibrator<ia_nn::percentile_calibrator>);
static_assert(ia_nn::calibrator<ia_nn::mse_calibrator>);
static_assert(ia_nn::calibrator<ia_nn::moving_average_calibrator>);

// A calibrator of the user's own: mean plus three deviations.
struct three_sigma {
  double sum = 0, squares = 0;
  index_t n = 0;
  void observe(std::span<f32 const> x) {
    for (f32 v : x)
      sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v),
          ++n;
  }
  value_range range() const {
    double const mean = sum / static_cast<double>(n);
    double const deviation = std::sqrt(squares / static_cast<double>(n) - mean * mean);
    return {static_cast<f32>(std::min(0.0, mean - 3 * deviation)),
            static_cast<f32>(std::max(0.0, mean + 3 * deviation))};
  }
};
static_assert(ia_nn::calibrator<three_sigma>);

template <ia_nn::calibrator C> quantization calibrate(C seen, std::vector<f32> const& x) {
  seen.observe(std::span<f32 const>(x).first(x.size() / 2));
  seen.observe(std::span<f32 const>(x).subspan(x.size() / 2));
  return ia_nn::quantization_of<s8>(seen.range());
}

std::vector<f32> uniform(index_t n, f32 lo, f32 hi, random& r) {
  std::vector<f32> v(static_cast<std::size_t>(n));
  for (f32& x : v) x = r.uniform(lo, hi);
  return v;
}

// The divergence of a window, written down from its definition: distributions as vectors, every
// step a pass over them.
double divergence(std::vector<index_t> const& counts, index_t levels, index_t half) {
  auto const bins = static_cast<index_t>(counts.size());
  index_t const first = bins / 2 - half, last = bins / 2 + half;
  std::vector<double> p, slice;
  for (index_t b = first; b <= last; ++b) {
    p.push_back(static_cast<double>(counts[static_cast<std::size_t>(b)]));
    slice.push_back(b == first ? 0 : p.back());
  }
  for (index_t b = 0; b < bins; ++b) {
    if (b < first) p.front() += static_cast<double>(counts[static_cast<std::size_t>(b)]);
    if (b > last) p.back() += static_cast<double>(counts[static_cast<std::size_t>(b)]);
  }
  std::vector<double> q(p.size(), 0);
  std::size_t const merged = p.size() / static_cast<std::size_t>(levels);
  for (std::size_t g = 0; g < static_cast<std::size_t>(levels); ++g) {
    std::size_t const begin = g * merged,
                      end = g + 1 == static_cast<std::size_t>(levels) ? p.size() : begin + merged;
    double sum = 0, filled = 0;
    for (std::size_t i = begin; i < end; ++i) sum += slice[i], filled += p[i] != 0;
    for (std::size_t i = begin; i < end; ++i)
      if (p[i] != 0) q[i] = sum / filled;
  }
  constexpr double inf = std::numeric_limits<double>::infinity();
  for (std::vector<double>* v : {&p, &q}) {
    auto const zeros = static_cast<double>(std::count(v->begin(), v->end(), 0.0));
    double const filled = static_cast<double>(v->size()) - zeros;
    if (filled == 0 || 1e-4 * zeros / filled >= 1) return inf;
    for (double& x : *v) x = x == 0 ? 1e-4 : x - 1e-4 * zeros / filled;
  }
  double sum_p = 0, sum_q = 0, result = 0;
  for (double x : p) sum_p += x;
  for (double x : q) sum_q += x;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (!(q[i] > 0)) return inf;
    result += p[i] / sum_p * std::log(p[i] / sum_p / (q[i] / sum_q));
  }
  return result;
}

} // namespace

TEST_CASE("entropy: one full bin at the end keeps the whole range", "[int8][calibration]") {
  std::vector<index_t> counts(999);
  counts[998] = 1000;
  REQUIRE(entropy_threshold(counts, 2, 5) == approx(2).margin(1e-5));
}

TEST_CASE("entropy: uniform values keep almost all of their range", "[int8][calibration]") {
  random r(50);
  std::vector<f32> const x = uniform(8 * 3 * 23 * 23, -10.532F, 11.3432F, r);
  f32 largest = 0;
  for (f32 v : x) largest = std::max(largest, std::fabs(v));
  for (byte_type t : {byte_type::automatic, byte_type::signed_only, byte_type::unsigned_only}) {
    ia_nn::entropy_calibrator seen(t, t == byte_type::automatic ? 8001 : 2001);
    seen.observe(x);
    value_range const range = seen.range();
    REQUIRE(range.high == approx(largest).epsilon(1e-2).margin(1e-4));
    REQUIRE(range.low == -range.high);
  }
}

TEST_CASE("entropy: the threshold is the best of all windows", "[int8][calibration]") {
  random r(51);
  for (int round = 0; round < 12; ++round) {
    index_t const bins = 2 * r.between(20, 150) + 1, levels = 2 * r.between(1, 9) + 1;
    std::vector<index_t> counts(static_cast<std::size_t>(bins));
    for (index_t b = 0; b < bins; ++b) { // a bell with gaps and outliers
      double const x = static_cast<double>(b - bins / 2) / static_cast<double>(bins) * 8;
      if (r.between(0, 3) != 0)
        counts[static_cast<std::size_t>(b)] =
            static_cast<index_t>(1000 * std::exp(-x * x)) + r.between(0, 2);
    }
    counts.front() += r.between(0, 30);
    ia_nn::detail::window_divergence fast(counts, levels);
    double best = std::numeric_limits<double>::infinity(), threshold = 3;
    for (index_t half = levels / 2; half <= bins / 2; ++half) {
      double const expected = divergence(counts, levels, half), got = fast(half);
      if (std::isinf(expected)) REQUIRE(std::isinf(got));
      else REQUIRE(got == approx(expected).epsilon(1e-9).margin(1e-12));
      if (expected < best * (1 - 1e-12))
        best = expected,
        threshold = 3.0 * static_cast<double>(2 * half + 1) / static_cast<double>(bins);
    }
    REQUIRE(entropy_threshold(counts, 3, levels) == approx(threshold));
  }
}

TEST_CASE("entropy: long tails are cut, values without sign have twice the levels",
          "[int8][calibration]") {
  random r(52);
  std::vector<f32> x(20000);
  for (f32& v : x) v = r.normal();
  x[7] = 60;
  ia_nn::entropy_calibrator seen(byte_type::automatic, 2001);
  seen.observe(x);
  REQUIRE(seen.range().high < 20); // no window is narrower than 255 bins, which is 7.6
  for (f32& v : x) v = std::fabs(v);
  ia_nn::entropy_calibrator positive(byte_type::automatic, 2001),
      same(byte_type::signed_only, 2001);
  positive.observe(x);
  same.observe(x);
  REQUIRE(positive.range().low == 0);
  REQUIRE(positive.range().high ==
          approx(entropy_threshold(positive.histogram().counts(), 60, 511)));
  REQUIRE(same.range().high == approx(entropy_threshold(same.histogram().counts(), 60, 255)));
}

TEST_CASE("a histogram widens by whole bins on both sides", "[int8][calibration]") {
  ia_nn::value_histogram h(11);
  h.observe(std::vector<f32>{0, 0});
  REQUIRE(h.limit() == 0);
  REQUIRE(h.counts()[5] == 2); // zeros wait in the middle
  h.observe(std::vector<f32>{-1.1F, 1.1F, 0.05F, -0.11F});
  REQUIRE(h.limit() == approx(1.1));
  REQUIRE(std::vector<index_t>(h.counts().begin(), h.counts().end()) ==
          std::vector<index_t>{1, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1});
  h.observe(
      std::vector<f32>{1.45F, 0.2F, std::numeric_limits<f32>::quiet_NaN(), -1.0F}); // bins of 0.2
  REQUIRE(h.bins() == 15);
  REQUIRE(h.limit() == approx(1.5));
  REQUIRE(std::vector<index_t>(h.counts().begin(), h.counts().end()) ==
          std::vector<index_t>{0, 0, 2, 0, 0, 0, 1, 3, 1, 0, 0, 0, 1, 0, 1});
  REQUIRE(h.seen() == 9);
  REQUIRE(h.ignored() == 1);
  REQUIRE(h.range() == value_range{-1.1F, 1.45F});
}

// Counts of bins of the width that the histogram ended with, from the values themselves.
void check_counts(ia_nn::value_histogram const& h, std::vector<f32> const& x) {
  double const limit = h.limit(), bins = static_cast<double>(h.bins());
  std::vector<index_t> expected(h.counts().size());
  for (f32 v : x) {
    auto const bin = static_cast<index_t>((static_cast<double>(v) + limit) * bins / (2 * limit));
    ++expected[static_cast<std::size_t>(std::min(bin, h.bins() - 1))];
  }
  index_t moved = 0, sum = 0; // values on an edge, where the last bit of limit decides
  for (std::size_t b = 0; b < expected.size(); ++b) {
    sum += h.counts()[b];
    moved += std::abs(h.counts()[b] - expected[b]);
  }
  REQUIRE(sum == static_cast<index_t>(x.size()));
  REQUIRE(moved <= 4);
}

TEST_CASE("a histogram that began with small values merges its bins", "[int8][calibration]") {
  random r(56);
  for (index_t first : {index_t{3}, index_t{5}, index_t{7}, index_t{101}, index_t{8001}})
    for (double factor : {3.0, 10.0, 40.0, 1e4, 1e30, 1e80}) {
      INFO(first << " bins, the second batch is wider by " << factor);
      ia_nn::value_histogram h(first);
      std::vector<f32> all;
      f32 const small = factor > 1e40 ? 1e-44F : 1e-7F;
      for (f32 const scale : {small, static_cast<f32>(std::min(3e38, static_cast<double>(small) * factor))}) {
        std::vector<f32> x(500);
        for (f32& v : x) v = scale * r.uniform(-1, 1);
        x[0] = scale;
        h.observe(x);
        all.insert(all.end(), x.begin(), x.end());
      }
      REQUIRE(h.bins() % 2 == 1);
      REQUIRE(h.bins() <= 4 * first);
      REQUIRE(h.bins() >= first);
      REQUIRE(h.limit() >= static_cast<double>(all[500]));
      REQUIRE(std::isfinite(h.limit()));
      check_counts(h, all);
    }
}

TEST_CASE("all calibrators take a first batch that is a poor sample", "[int8][calibration]") {
  random r(57);
  std::vector<f32> const few{1e-30F, -1e-31F, 0, 1e-42F}, x = uniform(5000, -2, 2, r);
  auto const check = [&](auto seen, double low, double high) {
    seen.observe(few);
    seen.observe(x);
    value_range const range = seen.range();
    REQUIRE(static_cast<double>(range.high) >= low);
    REQUIRE(static_cast<double>(range.high) <= high);
  };
  check(ia_nn::min_max_calibrator{}, 1.99, 2);
  check(ia_nn::entropy_calibrator(byte_type::automatic, 1001), 1.9, 2.01);
  check(ia_nn::percentile_calibrator{}, 1.99, 2);
  check(ia_nn::mse_calibrator{}, 1.9, 2);
  check(ia_nn::moving_average_calibrator{0.5}, 0.99, 1);
}

TEST_CASE("entropy: peaks are left out where rows are given", "[int8][calibration]") {
  // Channels of pixels behind relu: zeros, and a background that is one number for each channel.
  random r(58);
  index_t const channels = 16, pixels = 28 * 28;
  std::vector<f32> x, kept;
  for (index_t p = 0; p < pixels; ++p)
    for (index_t c = 0; c < channels; ++c) {
      bool const plain = p % 28 < 22;
      x.push_back(plain ? 0.01F * static_cast<f32>(c) : std::max(0.0F, 1.5F * r.normal()));
    }
  ia_nn::entropy_calibrator all, some;
  all.observe(x);
  some.observe(x, channels);
  f32 const largest = *std::max_element(x.begin(), x.end());
  CHECK(all.range().high < 0.3F * largest);
  CHECK(some.range().high > 0.6F * largest);
  CHECK(some.range().low == 0);

  ia_nn::without_peaks(std::vector<f32>{0, 1, -0.0F, 1, 2, 1, 2, 1}, 2, kept);
  CHECK(kept == std::vector<f32>{0, 1, 2}); // rows (0, 1), (0, 1), (2, 1), (2, 1)
  // Background of 7 goes on behind the 3, and is another one from then on.
  ia_nn::without_peaks(std::vector<f32>{7, 7, 3, 7, 7, 4, 5, 5, 7, 5}, 1, kept);
  CHECK(kept == std::vector<f32>{0, 7, 3, 4, 5, 7});
}

TEST_CASE("entropy: one number, with zeros and without, is kept", "[int8][calibration]") {
  for (f32 const v : {5.0F, -5.0F, 1e-42F, 3e38F, -0x1.fffffep127F})
    for (index_t zeros : {0, 1, 1000}) {
      ia_nn::entropy_calibrator plain, rows;
      std::vector<f32> x(1000, v);
      x.insert(x.end(), static_cast<std::size_t>(zeros), 0.0F);
      rows.observe(x, 10);
      CHECK(rows.range().largest() == std::fabs(v));
    }
}

TEST_CASE("moving averages follow the batches", "[int8][calibration]") {
  constexpr f32 none = std::numeric_limits<f32>::quiet_NaN();
  ia_nn::moving_average_calibrator seen(0.25);
  seen.observe(std::vector<f32>{-1, 2});
  REQUIRE(seen.range() == value_range{-1, 2});
  seen.observe(std::vector<f32>{3, 4}); // 0 .. 4
  REQUIRE(seen.range() == value_range{-0.75F, 2.5F});
  seen.observe(std::vector<f32>{none});
  seen.observe(std::vector<f32>{});
  REQUIRE(seen.range() == value_range{-0.75F, 2.5F});
  REQUIRE(seen.ignored() == 1);
  seen.observe(std::vector<f32>{none, -4.75F});
  REQUIRE(seen.range() == value_range{-1.75F, 1.875F});
}

TEST_CASE("min-max keeps everything finite", "[int8][calibration]") {
  random r(53);
  ia_nn::min_max_calibrator seen;
  value_range expected;
  for (int batch = 0; batch < 5; ++batch) {
    std::vector<f32> x(static_cast<std::size_t>(r.between(0, 100)));
    for (f32& v : x) {
      v = r.extreme<f32>();
      if (std::isfinite(v)) expected.add({v, v});
    }
    seen.observe(x);
  }
  seen.observe(std::vector<f32>{1.0F});
  expected.add({0, 1});
  REQUIRE(seen.range() == expected);
}

TEST_CASE("percentiles count whole bins from zero", "[int8][calibration]") {
  std::vector<f32> x;
  for (int i = 1; i <= 1000; ++i) x.push_back(static_cast<f32>(i % 2 ? i : -i));
  for (double percent : {50.0, 90.0, 99.0, 100.0}) {
    ia_nn::percentile_calibrator seen(percent, 2001);
    seen.observe(x);
    f32 const high = seen.range().high;
    index_t const inside =
        std::count_if(x.begin(), x.end(), [&](f32 v) { return std::fabs(v) <= high; });
    REQUIRE(static_cast<double>(inside) >= percent * 10);
    REQUIRE(static_cast<double>(inside) <= percent * 10 + 3);
    REQUIRE(seen.range().low == -high);
  }
}

TEST_CASE("mse: the range with the smallest error", "[int8][calibration]") {
  random r(54);
  std::vector<f32> x(4000);
  for (f32& v : x) v = r.normal();
  x[0] = 40;
  ia_nn::mse_calibrator seen;
  seen.observe(x);
  auto const error = [&](f32 threshold) {
    double sum = 0;
    for (f32 v : x) {
      f32 const step = threshold / 127;
      f32 const q =
          std::fabs(v) < threshold ? step * std::nearbyint(v / step) : std::copysign(threshold, v);
      sum += static_cast<double>((v - q) * (v - q));
    }
    return sum;
  };
  f32 const found = seen.range().high;
  REQUIRE(found < 40);
  double best = error(40);
  for (int i = 1; i < 256; ++i) best = std::min(best, error(40.0F * static_cast<f32>(i) / 256));
  REQUIRE(error(found) <= best * 1.02); // the calibrator sees centres of bins
}

TEST_CASE("calibrated ranges become scales, a user's own as well", "[int8][calibration]") {
  random r(55);
  std::vector<f32> const x = uniform(4000, -3, 3, r);
  for (f32 const high : {calibrate(ia_nn::min_max_calibrator{}, x).scale,
                         calibrate(ia_nn::percentile_calibrator{}, x).scale,
                         calibrate(ia_nn::mse_calibrator{}, x).scale,
                         calibrate(ia_nn::entropy_calibrator{byte_type::automatic, 1001}, x).scale})
    REQUIRE(high * 127 == approx(3).epsilon(0.02));
  REQUIRE(calibrate(three_sigma{}, x).scale * 127 == approx(3 * std::sqrt(3.0)).epsilon(0.05));
}

TEST_CASE("zeros are data", "[int8][calibration]") {
  std::vector<f32> const zeros(10);
  auto const check = [&](auto seen) {
    seen.observe(zeros);
    REQUIRE(seen.range() == value_range{0, 0});
  };
  check(ia_nn::min_max_calibrator{});
  check(ia_nn::entropy_calibrator{});
  check(ia_nn::percentile_calibrator{});
  check(ia_nn::mse_calibrator{});
  check(ia_nn::moving_average_calibrator{});
}

TEST_CASE("calibration without data, and options that make no sense, are refused",
          "[int8][calibration][error]") {
  auto const bad = errc::bad_parameter;
  constexpr f32 nan = std::numeric_limits<f32>::quiet_NaN(),
                inf = std::numeric_limits<f32>::infinity();
  auto const check = [&](auto seen, char const* name) {
    REQUIRE_ERROR([&] { static_cast<void>(seen.range()); }, bad,
                  std::string(name) + ": no finite value was observed");
    seen.observe(std::vector<f32>{nan, inf, -inf});
    REQUIRE(seen.ignored() == 3);
    REQUIRE_ERROR([&] { static_cast<void>(seen.range()); }, bad, "no finite value was observed");
  };
  check(ia_nn::min_max_calibrator{}, "min_max_calibrator");
  check(ia_nn::entropy_calibrator{}, "entropy_calibrator");
  check(ia_nn::percentile_calibrator{}, "percentile_calibrator");
  check(ia_nn::mse_calibrator{}, "mse_calibrator");
  check(ia_nn::moving_average_calibrator{}, "moving_average_calibrator");
  for (double share : {0.0, -0.5, 1.5, static_cast<double>(nan)})
    REQUIRE_ERROR([&] { ia_nn::moving_average_calibrator c(share); }, bad,
                  "must be above 0 and at most 1");
  for (index_t bins : {index_t{0}, index_t{1}, index_t{8000}, index_t{-3}})
    REQUIRE_ERROR([&] { ia_nn::value_histogram h(bins); }, bad, "must be odd and at least 3");
  for (double percent : {0.0, -1.0, 100.5, static_cast<double>(nan)})
    REQUIRE_ERROR([&] { ia_nn::percentile_calibrator c(percent); }, bad,
                  "must be above 0 and at most 100");
  std::vector<index_t> const even(4, 1), few(5, 1);
  REQUIRE_ERROR([&] { entropy_threshold(even, 1, 3); }, bad, "4 bins for 3 levels");
  REQUIRE_ERROR([&] { entropy_threshold(few, 1, 7); }, bad, "5 bins for 7 levels");
  REQUIRE_ERROR([&] { entropy_threshold(few, 1, 1); }, bad, "at least 3 levels");
}

} // namespace ia_nn_test
