// SPDX-License-Identifier: Apache-2.0
//
// Element types: bf16 bit by bit against its definition, accumulators, type lists.
#include "catch.hpp"
#include "random.hpp"

#include <ia_nn/core/meta.hpp>

#include <cmath>

using namespace ia_nn_test;

namespace {

f32 from_bits(std::uint32_t u) { return __builtin_bit_cast(f32, u); }

// Distance of |x| to a finite or overflowing bf16 magnitude, in double; 2^128 stands for infinity.
double distance(f32 x, std::uint32_t head) {
  double const y = head == 0x7f80U ? 0x1p128 : static_cast<double>(from_bits(head << 16));
  return std::fabs(std::fabs(static_cast<double>(x)) - y);
}

} // namespace

TEST_CASE("bf16 rounds to the nearest, ties to even", "[core]") {
  CHECK(bf16(1.0F).bits == 0x3f80);
  CHECK(bf16(0x1.01p0F).bits == 0x3f80);     // tie, down to even
  CHECK(bf16(0x1.03p0F).bits == 0x3f82);     // tie, up to even
  CHECK(bf16(0x1.010002p0F).bits == 0x3f81); // just above a tie
  CHECK(bf16(0x1.00fffep0F).bits == 0x3f80); // just below a tie
  CHECK(bf16(-0x1.03p0F).bits == 0xbf82);
  CHECK(bf16(-0.0F).bits == 0x8000);
  CHECK(bf16(0x1.fep127F).bits == 0x7f7f); // the largest
  CHECK(bf16(0x1.fefffep127F).bits == 0x7f7f);
  CHECK(bf16(0x1.ffp127F).bits == 0x7f80); // half a step above it
  CHECK(bf16(-0x1.fffffep127F).bits == 0xff80);
  CHECK(bf16(0x1p-133F).bits == 0x0001); // the smallest denormal
  CHECK(bf16(0x1p-134F).bits == 0x0000); // half of it: tie to even
  CHECK(bf16(0x1.8p-133F).bits == 0x0002);
  CHECK(bf16(from_bits(1)).bits == 0x0000);
}

TEST_CASE("bf16 keeps NaN and infinity", "[core]") {
  constexpr f32 inf = std::numeric_limits<f32>::infinity();
  CHECK(bf16(inf).bits == 0x7f80);
  CHECK(bf16(-inf).bits == 0xff80);
  // A payload in the lower half only would become an infinity by cutting it off.
  for (std::uint32_t u : {0x7f800001U, 0xff800001U, 0x7fc00000U, 0x7fffffffU, 0xffabcdefU}) {
    bf16 const h(from_bits(u));
    CHECK(std::isnan(static_cast<f32>(h)));
    CHECK(h.bits >> 15 == u >> 31);
    CHECK((h.bits & 0x40) != 0);
    CHECK_FALSE(h == h);
  }
}

TEST_CASE("bf16 and random f32", "[core]") {
  ia_nn_test::random r(31);
  for (int i = 0; i < 200000; ++i) {
    std::uint32_t const u = r.bits();
    f32 const x = from_bits(u);
    if (std::isnan(x) || std::isinf(x)) continue;
    std::uint32_t const head = bf16(x).bits & 0x7fffU;
    double const here = distance(x, head), below = head > 0 ? distance(x, head - 1) : 1e300,
                 above = head < 0x7f80U ? distance(x, head + 1) : 1e300;
    bool const nearest = here < below && here < above;
    bool const even_tie = (head & 1U) == 0 && here <= below && here <= above;
    CAPTURE(u, head);
    if (!(nearest || even_tie)) CHECK((nearest || even_tie));
    if (bf16(x).bits >> 15 != u >> 31) CHECK(bf16(x).bits >> 15 == u >> 31);
  }
}

TEST_CASE("every bf16 survives the way to f32 and back", "[core]") {
  int wrong = 0;
  for (std::uint32_t b = 0; b < 0x10000; ++b) {
    bf16 const h = bf16::from_bits(static_cast<std::uint16_t>(b));
    std::uint16_t const back = bf16(static_cast<f32>(h)).bits;
    bool const is_nan = (b & 0x7fffU) > 0x7f80U;
    if (back != (is_nan ? b | 0x40U : b)) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(bf16(0.0F) == bf16(-0.0F));
  CHECK(bf16() == bf16(0.0F));
  STATIC_REQUIRE(bf16(1.5F).bits == 0x3fc0);
  STATIC_REQUIRE(sizeof(bf16) == 2);
}

TEST_CASE("accumulators and names of elements", "[core]") {
  STATIC_REQUIRE(std::same_as<ia_nn::accumulator_t<f32>, f32>);
  STATIC_REQUIRE(std::same_as<ia_nn::accumulator_t<bf16>, f32>);
  STATIC_REQUIRE(std::same_as<ia_nn::accumulator_t<s8>, s32>);
  STATIC_REQUIRE(std::same_as<ia_nn::accumulator_t<u8>, s32>);
  STATIC_REQUIRE(std::same_as<ia_nn::accumulator_t<s32>, s32>);
  STATIC_REQUIRE_FALSE(ia_nn::element<double>);
  STATIC_REQUIRE_FALSE(ia_nn::element<f32 const>);
  STATIC_REQUIRE(ia_nn::byte_element<u8>);
  STATIC_REQUIRE_FALSE(ia_nn::byte_element<bf16>);
  CHECK(std::string(ia_nn::name_of<bf16>()) == "bf16");
  CHECK(std::string(ia_nn::name_of<u8>()) == "u8");
}

TEST_CASE("type lists and small arithmetic", "[core]") {
  using list = ia_nn::type_list<f32, s8>;
  STATIC_REQUIRE(list::size == 2);
  STATIC_REQUIRE(std::same_as<ia_nn::front_t<list>, f32>);
  STATIC_REQUIRE(std::same_as<ia_nn::prepend_if_t<true, u8, list>, ia_nn::type_list<u8, f32, s8>>);
  STATIC_REQUIRE(std::same_as<ia_nn::prepend_if_t<false, u8, list>, list>);
  std::string order;
  ia_nn::for_each_type(ia_nn::type_list<f32, bf16, s8>{},
                       [&](auto t) { order += ia_nn::name_of<decltype(t)>(); });
  CHECK(order == "f32bf16s8");
  STATIC_REQUIRE(ia_nn::ceil_div(0, 4) == 0);
  STATIC_REQUIRE(ia_nn::ceil_div(8, 4) == 2);
  STATIC_REQUIRE(ia_nn::ceil_div(9, 4) == 3);
  STATIC_REQUIRE(ia_nn::round_up(9, 4) == 12);
  STATIC_REQUIRE(ia_nn::min_of(3, -2) == -2);
  STATIC_REQUIRE(ia_nn::max_of(3, -2) == 3);
}
