// SPDX-License-Identifier: Apache-2.0
//
// Weights and biases as integers.
#include "layer.hpp"

namespace ia_nn_test {

using ia_nn::errc;
using ia_nn::quantize_weights;
using ia_nn::take_weights;

TEST_CASE("every filter has the scale of its largest weight", "[int8][weights]") {
  random r(30);
  for (index_t filters : {1, 3, 8})
    for (index_t each : {1, 9, 100}) {
      std::vector<f32> const w = normal_values(filters * each, r.uniform(0.001F, 100), r);
      std::vector<f32> const b = normal_values(filters, 2, r);
      f32 const data = r.uniform(0.01F, 0.1F);
      quantized_weights const q = quantize_weights(w, filters, b, data);
      REQUIRE(q.filters == filters);
      REQUIRE(q.each == each);
      REQUIRE(q.data_scale == data);
      for (index_t c = 0; c < filters; ++c) {
        f32 largest = 0;
        for (index_t i = 0; i < each; ++i)
          largest = std::max(largest, std::fabs(w[static_cast<std::size_t>(c * each + i)]));
        // Not widened, as the biases are small beside 2^30 steps.
        REQUIRE(q.scales[c] == largest / 127.0F);
        for (index_t i = 0; i < each; ++i) {
          f32 const x = w[static_cast<std::size_t>(c * each + i)];
          REQUIRE(q.values[c * each + i] == oracle::quantize<s8>(x, {q.scales[c], 0}));
          REQUIRE(q.values[c * each + i] >= -127);
        }
        double const unit = static_cast<double>(data) * static_cast<double>(q.scales[c]);
        double const exact = static_cast<double>(b[static_cast<std::size_t>(c)]) / unit;
        REQUIRE(std::fabs(static_cast<double>(q.bias[c]) - exact) <= 0.5);
      }
      quantized_weights const shared = quantize_weights(w, filters, {}, 1, true);
      f32 widest = 0;
      for (index_t c = 0; c < filters; ++c) widest = std::max(widest, q.scales[c]);
      for (index_t c = 0; c < filters; ++c) {
        REQUIRE(shared.scales[c] == widest);
        REQUIRE(shared.bias[c] == 0);
      }
      REQUIRE(shared.data_scale == 0);
    }
}

TEST_CASE("weights of the reduced range fit products in 16 bits", "[int8][weights]") {
  random r(31);
  for (bool shared : {false, true}) {
    std::vector<f32> const w = normal_values(5 * 30, 2, r), b = normal_values(5, 3, r);
    quantized_weights const q = quantize_weights(w, 5, b, 0.1F, shared, ia_nn::weight_range::reduced);
    f32 widest = 0;
    for (index_t c = 0; c < 5; ++c) {
      f32 largest = 0;
      for (index_t i = 0; i < 30; ++i)
        largest = std::max(largest, std::fabs(w[static_cast<std::size_t>(c * 30 + i)]));
      widest = std::max(widest, largest);
      if (!shared) REQUIRE(q.scales[c] == largest / 64.0F);
    }
    if (shared) REQUIRE(q.scales[0] == widest / 64.0F);
    int most = 0;
    for (index_t i = 0; i < 150; ++i) {
      REQUIRE(q.values[i] ==
              oracle::quantize<s8>(w[static_cast<std::size_t>(i)], {q.scales[i / 30], 0}));
      most = std::max(most, std::abs(q.values[i]));
    }
    REQUIRE(most == 64);
  }
}

TEST_CASE("weights of other tools keep their differences to zero points", "[int8][weights]") {
  random r(32);
  f32 const scales[1] = {0.5F};
  auto const check = [&]<class Q>(Q, bool each_filter) {
    std::vector<Q> w(3 * 40);
    r.fill(w.data(), 120);
    for (std::size_t i = 40; i < 80; ++i) w[i] = static_cast<Q>(w[i] / 3); // fits s8 with most zero points
    std::vector<s32> zeros(each_filter ? 3 : 1);
    for (s32& z : zeros) z = static_cast<s32>(r.between(std::numeric_limits<Q>::min(), std::numeric_limits<Q>::max()));
    quantized_weights const q = take_weights(std::span<Q const>(w), 3, scales, {}, 0, zeros);
    for (index_t i = 0; i < 120; ++i)
      REQUIRE(q.values[i] - q.zero_point(i / 40) ==
              w[static_cast<std::size_t>(i)] - zeros[each_filter ? static_cast<std::size_t>(i / 40) : 0]);
  };
  for (int round = 0; round < 10; ++round)
    for (bool each_filter : {false, true}) {
      check(s8{}, each_filter);
      check(u8{}, each_filter);
    }
  std::vector<u8> const w = {0, 128, 255, 7};
  s32 const middle[1] = {128};
  REQUIRE(take_weights(w, 2, scales, {}, 0, middle).zero_points.size() == 0); // as s8
  REQUIRE(take_weights(w, 2, scales).zero_points.size() == 2);
}

TEST_CASE("filters of zeros, and of tiny weights, have usable scales", "[int8][weights]") {
  // max |w| / 127 is below 2^-126 in the second filter and 0 in the last one.
  std::vector<f32> const w = {0, 0, 0x1p-140F, -0x1p-140F, 1, -2, 0x1p-149F, 0};
  quantized_weights const q = quantize_weights(w, 4);
  REQUIRE(q.scales[0] == 1);
  REQUIRE(q.scales[1] == 0x1p-126F);
  REQUIRE(q.scales[2] == 2.0F / 127);
  REQUIRE(q.scales[3] == 0x1p-126F);
  REQUIRE(std::vector<int>(q.values.begin(), q.values.end()) ==
          std::vector<int>{0, 0, 0, 0, 64, -127, 0, 0}); // 63.5 is a tie
}

TEST_CASE("filters without weights keep their biases", "[int8][weights]") {
  // The zeros of pruning, weights that vanish beside the bias, and biases from tiny to huge.
  std::vector<f32> const b = {0.2F, 0.3F, -0.2F, 1e-6F, -3e4F, 0.7F, 1e-30F, 0.0F};
  std::vector<f32> w(b.size() * 3);
  w[0] = 0x1p-149F, w[4] = -1e-20F;
  for (bool reduced : {false, true})
    for (bool per_tensor : {false, true}) {
      INFO("reduced " << reduced << " per tensor " << per_tensor);
      quantized_weights const q = quantize_weights(
          w, static_cast<index_t>(b.size()), b, 0.5F, per_tensor,
          reduced ? ia_nn::weight_range::reduced : ia_nn::weight_range::full);
      for (index_t c = 0; c < q.filters; ++c) {
        double const bias = static_cast<double>(b[static_cast<std::size_t>(c)]);
        double const step = 0.5 * static_cast<double>(q.scales[c]);
        CHECK(std::fabs(q.bias[c] * step - bias) <= 0.5 * step * (1 + 1e-9));
        // 2^30 steps, or 2^29 where the scale was rounded up to twice; per tensor of the largest.
        double const whole = per_tensor ? 3e4 : std::fabs(bias);
        if (bias != 0) CHECK(step <= std::max(whole * 0x1p-29, 0x1p-65));
        for (index_t i = 0; i < 3; ++i) CHECK(q.values[c * 3 + i] == 0);
      }
    }
  // The reported case.
  quantized_weights const q =
      quantize_weights(std::vector<f32>(3), 3, std::vector<f32>{0.2F, 0.3F, -0.2F}, 0.5F);
  for (index_t c = 0; c < 3; ++c)
    CHECK(static_cast<f32>(q.bias[c] * 0.5 * static_cast<double>(q.scales[c])) ==
          (c == 0 ? 0.2F : c == 1 ? 0.3F : -0.2F));
}

TEST_CASE("a large bias widens the scale of its filter", "[int8][weights]") {
  std::vector<f32> const w = {1e-6F, -1e-6F, 1e-6F, 1e-6F, 0, 0, 0, 0};
  std::vector<f32> const b = {1000.0F, 0.0F, 5.0F, 1e30F};
  quantized_weights const q = quantize_weights(w, 4, b, 1e-3F);
  for (index_t c = 0; c < 4; ++c) {
    REQUIRE(std::abs(q.bias[c]) <= s32{1} << 30);
    double const back = q.bias[c] * static_cast<double>(q.scales[c]) * 1e-3;
    REQUIRE(back == approx(static_cast<double>(b[static_cast<std::size_t>(c)])).epsilon(1e-6));
  }
  REQUIRE(q.scales[0] > 1e-6F / 127); // widened
  REQUIRE(q.bias[0] > (s32{1} << 29));
  REQUIRE(q.scales[1] == 1e-6F / 127); // not
}

TEST_CASE("weights that cannot be quantized are refused", "[int8][weights][error]") {
  constexpr f32 inf = std::numeric_limits<f32>::infinity(),
                nan = std::numeric_limits<f32>::quiet_NaN();
  std::vector<f32> const w(6, 1.0F), three(3, 1.0F);
  std::vector<s8> const w8(6, 1);
  REQUIRE_ERROR([&] { quantize_weights(w, 4); }, errc::bad_shape,
                "6 weights cannot be divided among 4 filters");
  REQUIRE_ERROR([&] { quantize_weights(w, 0); }, errc::bad_shape, "among 0 filters");
  REQUIRE_ERROR([&] { quantize_weights({}, 1); }, errc::bad_shape, "0 weights");
  REQUIRE_ERROR([&] { quantize_weights(w, 2, three); }, errc::bad_shape, "3 biases for 2 filters");
  REQUIRE_ERROR([&] { quantize_weights(w, 3, three, 0); }, errc::bad_parameter, "a scale is 0");
  for (f32 bad : {inf, -inf, nan}) {
    std::vector<f32> x = w, b = three;
    x[4] = bad;
    b[1] = bad;
    REQUIRE_ERROR([&] { quantize_weights(x, 3); }, errc::bad_parameter,
                  "a weight of filter 2 is NaN or infinite");
    REQUIRE_ERROR([&] { quantize_weights(w, 3, b); }, errc::bad_parameter,
                  "the bias of filter 1 is NaN or infinite");
  }
  std::vector<f32> const huge(3, 1e38F);
  REQUIRE_ERROR([&] { quantize_weights(w, 3, huge, 1e-30F); }, errc::bad_parameter,
                "the bias of filter 0 is too large");
  REQUIRE_ERROR([&] { take_weights(w8, 3, std::vector<f32>(2, 1.0F)); }, errc::bad_shape,
                "2 scales for 3 filters");
  std::vector<f32> const ones(3, 1.0F);
  REQUIRE_ERROR([&] { take_weights(w8, 3, ones, {}, 0, std::vector<s32>(2)); }, errc::bad_shape,
                "2 zero points for 3 filters");
  REQUIRE_ERROR([&] { take_weights(w8, 3, ones, {}, 0, std::vector<s32>{0, 128, 0}); },
                errc::bad_parameter, "the zero point 128 is no value of s8");
  REQUIRE_ERROR([&] { take_weights(w8, 3, std::vector<f32>{1, nan, 1}); }, errc::bad_parameter,
                "a scale is nan");
}

} // namespace ia_nn_test
