// SPDX-License-Identifier: Apache-2.0
//
// Scales and zero points of ranges.
#include "support.hpp"
#include "support/locale.hpp"

namespace ia_nn_test {

using ia_nn::automatic;
using ia_nn::errc;
using ia_nn::quantization_of;
using ia_nn::scheme;
using ia_nn::value_range;

// Parameters may be constants of the program.
constexpr quantization fixed = quantization_of<u8>({-1, 3}, scheme::asymmetric);
static_assert(fixed.scale == 4.0F / 255 && fixed.zero_point == 64);
static_assert(automatic({0, 2}).is_unsigned && !automatic({-0.5F, 2}).is_unsigned);
static_assert(ia_nn::detail::nearest_even(0.5F) == 0 && ia_nn::detail::nearest_even(1.5F) == 2);

TEST_CASE("symmetric schemes are centred on zero", "[int8][scheme]") {
  REQUIRE(quantization_of<s8>({-2, 1}) == quantization{2.0F / 127, 0});
  REQUIRE(quantization_of<s8>({-1, 2}) == quantization{2.0F / 127, 0});
  REQUIRE(quantization_of<u8>({0, 2}) == quantization{2.0F / 255, 0});
  REQUIRE(automatic({0, 2}).q == quantization{2.0F / 255, 0});
  REQUIRE(automatic({-4, 2}).q == quantization{4.0F / 127, 0});
}

TEST_CASE("asymmetric schemes cover the range and hold zero exactly", "[int8][scheme]") {
  random r(1);
  for (int i = 0; i < 2000; ++i) {
    value_range const x{-r.uniform(0, 10) * (r.coin() ? 1.0F : 0.01F), r.uniform(0, 10)};
    auto const check = [&]<class Q>(Q) {
      quantization const q = quantization_of<Q>(x, scheme::asymmetric);
      constexpr s32 lo = std::numeric_limits<Q>::min(), hi = std::numeric_limits<Q>::max();
      REQUIRE(q.zero_point >= lo);
      REQUIRE(q.zero_point <= hi);
      REQUIRE(q.scale == (x.high - x.low) / 255.0F);
      // Both ends are within half a step of what the extreme values stand for.
      REQUIRE(static_cast<f32>(lo - q.zero_point) * q.scale <= x.low + 0.501F * q.scale);
      REQUIRE(static_cast<f32>(hi - q.zero_point) * q.scale >= x.high - 0.501F * q.scale);
    };
    check(u8{});
    check(s8{});
    REQUIRE(quantization_of<u8>(x, scheme::asymmetric).zero_point - 128 ==
            quantization_of<s8>(x, scheme::asymmetric).zero_point);
  }
}

TEST_CASE("ranges of zeros and tiny ranges have usable scales", "[int8][scheme]") {
  for (scheme s : {scheme::symmetric, scheme::asymmetric}) {
    REQUIRE(quantization_of<u8>({0, 0}, s) == quantization{1, 0});
    REQUIRE(quantization_of<s8>({0, 0}, s).scale == 1);
    for (f32 tiny : {0x1p-149F, 0x1p-130F, 0x1p-126F, 0x1p-120F}) {
      quantization const q = quantization_of<s8>({-tiny, tiny}, s);
      REQUIRE(q.scale >= 0x1p-126F);
      REQUIRE(std::isfinite(1 / q.scale));
    }
  }
  REQUIRE(quantization_of<s8>({0, 0}, scheme::asymmetric).zero_point == -128);
  constexpr f32 most = std::numeric_limits<f32>::max();
  REQUIRE(quantization_of<u8>({-most, most}, scheme::asymmetric).scale ==
          approx(static_cast<double>(most) / 127.5));
}

TEST_CASE("ranges and parameters that make no sense are refused", "[int8][scheme][error]") {
  constexpr f32 inf = std::numeric_limits<f32>::infinity(),
                nan = std::numeric_limits<f32>::quiet_NaN();
  for (value_range const bad : {value_range{-1, inf}, value_range{-inf, 1}, value_range{nan, 1},
                                value_range{0, nan}, value_range{1, 2}, value_range{-2, -1}})
    REQUIRE_ERROR([&] { quantization_of<s8>(bad); }, errc::bad_parameter,
                  "must be finite and contain 0");
  REQUIRE_ERROR([] { quantization_of<u8>({-1, 1}); }, errc::bad_parameter,
                "a symmetric u8 holds no negative values");
  in_other_locales([] {
    REQUIRE_ERROR([] { quantization_of<s8>({0.5F, 1234.5F}); }, errc::bad_parameter,
                  "the range 0.5 to 1234.5 must");
    REQUIRE_ERROR([] { (quantization{-1e-9F, 0}.check<u8>("layer")); }, errc::bad_parameter,
                  "layer: a scale is -1e-09,");
  });
  for (f32 bad : {0.0F, -1.0F, inf, nan})
    REQUIRE_ERROR([&] { (quantization{bad, 0}.check<u8>("layer")); }, errc::bad_parameter,
                  "layer: a scale is");
  REQUIRE_ERROR([] { (quantization{1, 256}.check<u8>("layer")); }, errc::bad_parameter,
                "the zero point 256 is no value of u8");
  REQUIRE_ERROR([] { (quantization{1, -129}.check<s8>("layer")); }, errc::bad_parameter,
                "the zero point -129 is no value of s8");
  (quantization{0x1p-149F, -128}.check<s8>("layer"));
}

} // namespace ia_nn_test
