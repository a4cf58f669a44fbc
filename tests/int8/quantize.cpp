// SPDX-License-Identifier: Apache-2.0
//
// Every conversion bit by bit, on every kind of register.
#include "support.hpp"

#include <ia_nn/int8/dynamic.hpp>

namespace ia_nn_test {

using ia_nn::channel_layout;
using ia_nn::channel_quantization;

namespace {

// Values around every tie of a quantization, limits, zeros, denormals, infinities, NaN.
std::vector<f32> hard_values(quantization const& q, random& r) {
  std::vector<f32> v;
  for (int k = -520; k <= 520; ++k) {
    f32 const tie = (static_cast<f32>(k) + 0.5F) * q.scale;
    v.push_back(std::nextafter(tie, -1e30F));
    v.push_back(tie);
    v.push_back(std::nextafter(tie, 1e30F));
  }
  for (int i = 0; i < 200; ++i) v.push_back(r.extreme<f32>());
  for (int i = 0; i < 500; ++i) v.push_back(r.uniform(-300, 300) * q.scale);
  return v;
}

template <class I, class Q> void check_hard_values(random& r) {
  for (f32 const scale :
       {0.1F, 1.0F / 127, 1.0F, 3.0F, 0x1.fffffep-5F, 0x1p-126F, 0x1p-130F, 0x1p120F})
    for (s32 const zero :
         {s32{0}, s32{3}, s32{std::numeric_limits<Q>::min()}, s32{std::numeric_limits<Q>::max()}}) {
      quantization const q{scale, zero};
      std::vector<f32> const v = hard_values(q, r);
      auto const n = static_cast<index_t>(v.size());
      exact_buffer<f32> x(n, 1), back(n), back_expected(n);
      exact_buffer<Q> y(n, 3), expected(n);
      for (index_t i = 0; i < n; ++i) {
        x[i] = v[static_cast<std::size_t>(i)];
        expected[i] = oracle::quantize<Q>(x[i], q);
        back_expected[i] = oracle::dequantize(expected[i], q);
      }
      INFO("scale " << scale << " zero point " << zero);
      ia_nn::quantize<I>(n, x.data(), y.data(), q);
      REQUIRE(differs(y.data(), expected.data(), n) == "");
      ia_nn::dequantize<I>(n, y.data(), back.data(), q);
      REQUIRE(differs(back.data(), back_expected.data(), n) == "");
    }
}

struct shape_case {
  channel_layout l;
  bool zeros;
  int workers;
};

template <class Q> struct channel_parameters {
  std::vector<f32> scales;
  std::vector<s32> zeros;
  channel_parameters(index_t n, random& r) {
    for (index_t c = 0; c < n; ++c) {
      quantization const q = any_quantization<Q>(r);
      scales.push_back(q.scale);
      zeros.push_back(q.zero_point);
    }
  }
};

// All conversions of one shape.
template <class I, class Q> void check_shape(shape_case const& s, random& r) {
  index_t const n = s.l.size();
  INFO(s.l.outer << " x " << s.l.channels << " x " << s.l.inner << ", " << s.workers << " workers");
  channel_parameters<Q> const p(s.l.channels, r);
  // Exact-size copies: a load of a channel that is none would be seen.
  exact_buffer<f32> scales(s.l.channels);
  exact_buffer<s32> zeros(s.l.channels);
  for (index_t c = 0; c < s.l.channels; ++c) {
    scales[c] = p.scales[static_cast<std::size_t>(c)];
    zeros[c] = s.zeros ? p.zeros[static_cast<std::size_t>(c)] : 0;
  }
  channel_quantization const q{scales.data(), s.zeros ? zeros.data() : nullptr};
  auto const of = [&](index_t i) {
    index_t const c = i / s.l.inner % s.l.channels;
    return quantization{scales[c], zeros[c]};
  };
  exact_buffer<f32> x(n), back(n), back_expected(n);
  exact_buffer<s32> sums(n);
  exact_buffer<Q> y(n), expected(n);
  for (index_t i = 0; i < n; ++i)
    x[i] = r.uniform(-20, 20), sums[i] = static_cast<s32>(r.between(-9000, 9000));
  backwards const e{s.workers};

  for (index_t i = 0; i < n; ++i) expected[i] = oracle::quantize<Q>(x[i], of(i));
  ia_nn::quantize<I>(s.l, x.data(), y.data(), q, e);
  REQUIRE(differs(y.data(), expected.data(), n) == "");
  for (index_t i = 0; i < n; ++i) back_expected[i] = oracle::dequantize(y[i], of(i));
  ia_nn::dequantize<I>(s.l, y.data(), back.data(), q, e);
  REQUIRE(differs(back.data(), back_expected.data(), n) == "");
  for (index_t i = 0; i < n; ++i)
    expected[i] = oracle::requantize<Q>(sums[i], of(i).scale, of(i).zero_point);
  ia_nn::requantize_sums<I>(s.l, sums.data(), y.data(), q, e);
  REQUIRE(differs(y.data(), expected.data(), n) == "");
}

} // namespace

TEST_CASE("ties, limits, NaN and infinities are quantized as stated", "[int8][quantize]") {
  random r(2);
  for_each_isa<vector_isas>([&](auto tag) {
    check_hard_values<decltype(tag), u8>(r);
    check_hard_values<decltype(tag), s8>(r);
  });
}

TEST_CASE("an infinity saturates on its side, NaN is the zero point", "[int8][quantize]") {
  constexpr f32 inf = std::numeric_limits<f32>::infinity();
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    f32 const x[6] = {inf, -inf, std::numeric_limits<f32>::quiet_NaN(), 3e38F, -3e38F, -0.0F};
    u8 y[6];
    s8 z[6];
    ia_nn::quantize<I>(6, x, y, {0.5F, 7});
    ia_nn::quantize<I>(6, x, z, {0.5F, -7});
    REQUIRE(std::vector<int>(y, y + 6) == std::vector<int>{255, 0, 7, 255, 0, 7});
    REQUIRE(std::vector<int>(z, z + 6) == std::vector<int>{127, -128, -7, 127, -128, -7});
  });
}

TEST_CASE("four values whose results are published", "[int8][quantize]") {
  f32 const x[4] = {0.1392F, 0.5928F, 0.6027F, 0.8579F};
  quantization const q = ia_nn::quantization_of<s8>({0, 1});
  for_each_isa<vector_isas>([&](auto tag) {
    s8 y[4];
    f32 back[4];
    ia_nn::quantize<decltype(tag)>(4, x, y, q);
    REQUIRE(std::vector<int>(y, y + 4) == std::vector<int>{18, 75, 77, 109});
    ia_nn::dequantize<decltype(tag)>(4, y, back, q);
    f32 const expected[4] = {0.14173228F, 0.5905512F, 0.6062992F, 0.8582677F};
    for (int i = 0; i < 4; ++i) REQUIRE(back[i] == approx(expected[i]).epsilon(1e-7));
  });
}

TEST_CASE("parameters per channel, along any axis, for any team", "[int8][quantize][threads]") {
  random r(3);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    constexpr index_t v = ia_nn::vec<f32, I>::size;
    for (int workers : {1, 2, 3})
      for (index_t c : {index_t{1}, index_t{2}, v - 1, v, v + 1, 2 * v + 3, index_t{130}})
        for (index_t inner : {index_t{1}, index_t{2}, v, 4 * v + 3}) {
          if (c < 1) continue;
          shape_case const s{{r.between(1, 4), c, inner}, r.coin(), workers};
          check_shape<I, u8>(s, r);
          check_shape<I, s8>(s, r);
        }
    check_shape<I, u8>({{1, 1, 1000}, true, 3}, r);
    check_shape<I, s8>({{0, 3, 5}, true, 2}, r);
  });
}

TEST_CASE("sums at the ends of s32 are requantized", "[int8][quantize]") {
  for_each_isa<vector_isas>([&](auto tag) {
    s32 const x[5] = {INT32_MAX, INT32_MIN, 0, 1, -1};
    s8 y[5];
    for (f32 factor : {1.0F, 0x1p-25F, 0x1p100F, 0.5F}) {
      ia_nn::requantize_sums<decltype(tag)>(5, x, y, factor, 5);
      for (int i = 0; i < 5; ++i) REQUIRE(y[i] == oracle::requantize<s8>(x[i], factor, 5));
    }
    f32 back[5];
    ia_nn::dequantize<decltype(tag)>(5, x, back, {0.5F, 0});
    for (int i = 0; i < 5; ++i) REQUIRE(back[i] == oracle::dequantize(x[i], {0.5F, 0}));
  });
}

TEST_CASE("u8 and s8 are rescaled into each other", "[int8][quantize]") {
  random r(4);
  auto const check = [&]<class I, class From, class To>(I, From, To) {
    for (int workers : {1, 3}) {
      quantization const from = any_quantization<From>(r), to = any_quantization<To>(r);
      exact_buffer<From> x(259);
      exact_buffer<To> y(259), expected(259);
      for (index_t i = 0; i < 259; ++i) {
        x[i] = static_cast<From>(i); // every value
        expected[i] = oracle::rescale<To>(x[i], from, to);
      }
      ia_nn::rescale<I>(259, x.data(), y.data(), from, to, backwards{workers});
      REQUIRE(differs(y.data(), expected.data(), 259) == "");
    }
  };
  for_each_isa<vector_isas>([&](auto tag) {
    check(tag, u8{}, u8{});
    check(tag, u8{}, s8{});
    check(tag, s8{}, u8{});
    check(tag, s8{}, s8{});
  });
}

TEST_CASE("dynamic quantization finds the finite range", "[int8][dynamic]") {
  random r(5);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t n : {0, 1, 15, 16, 17, 67, 1000, 40000})
      for (int workers : {1, 2, 3}) {
        exact_buffer<f32> x(n);
        ia_nn::value_range expected;
        for (index_t i = 0; i < n; ++i) {
          x[i] = r.uniform(-3, 5) + (n % 2 ? 6.0F : 0.0F);
          if (r.between(0, 9) == 0) x[i] = r.extreme<f32>();
          if (std::isfinite(x[i])) expected.add({x[i], x[i]});
        }
        REQUIRE(ia_nn::finite_range<I>(n, x.data(), backwards{workers}) == expected);
        exact_buffer<u8> y(n);
        exact_buffer<s8> z(n);
        quantization const q = ia_nn::quantize_dynamic<I>(
            n, x.data(), y.data(), ia_nn::scheme::asymmetric, backwards{workers});
        REQUIRE(q == ia_nn::quantization_of<u8>(expected, ia_nn::scheme::asymmetric));
        for (index_t i = 0; i < n; ++i) REQUIRE(y[i] == oracle::quantize<u8>(x[i], q));
        quantization const t =
            ia_nn::quantize_dynamic<I>(n, x.data(), z.data(), ia_nn::scheme::symmetric);
        REQUIRE(t == ia_nn::quantization_of<s8>(expected));
        for (index_t i = 0; i < n; ++i) REQUIRE(z[i] == oracle::quantize<s8>(x[i], t));
        quantization const u =
            ia_nn::quantize_dynamic<I>(n, x.data(), y.data(), ia_nn::scheme::symmetric);
        REQUIRE(u == quantization{t.scale, 128});
      }
  });
}

TEST_CASE("the published cases of dynamic quantization", "[int8][dynamic]") {
  // ONNX DynamicQuantizeLinear: its own three examples.
  f32 const a[6] = {0, 2, -3, -2.5F, 1.34F, 0.5F};
  f32 const b[6] = {-1.0F, -2.1F, -1.3F, -2.5F, -3.34F, -4.0F};
  f32 const c[12] = {1, 2.1F, 1.3F, 2.5F, 3.34F, 4.0F, 1.5F, 2.6F, 3.9F, 4.0F, 3.0F, 2.345F};
  u8 y[12];
  quantization const qa = ia_nn::quantize_dynamic<ia_nn::isa::native>(6, a, y);
  REQUIRE(qa.zero_point == 153);
  REQUIRE(qa.scale == approx(0.0196078438));
  REQUIRE(std::vector<int>(y, y + 6) == std::vector<int>{153, 255, 0, 26, 221, 179});
  quantization const qb = ia_nn::quantize_dynamic<ia_nn::isa::native>(6, b, y);
  REQUIRE(qb.zero_point == 255);
  REQUIRE(std::vector<int>(y, y + 6) == std::vector<int>{191, 121, 172, 96, 42, 0});
  quantization const qc = ia_nn::quantize_dynamic<ia_nn::isa::native>(12, c, y);
  REQUIRE(qc.zero_point == 0);
  REQUIRE(std::vector<int>(y, y + 12) ==
          std::vector<int>{64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149});
}

TEST_CASE("parameters of channels are checked", "[int8][error]") {
  using ia_nn::errc;
  f32 const scales[2] = {1, 0};
  s32 const zeros[2] = {0, 300};
  channel_quantization const none, zero_scale{scales, nullptr};
  REQUIRE_ERROR([&] { none.check<u8>("op", 1); }, errc::bad_pointer, "op: the scales are null");
  REQUIRE_ERROR([&] { zero_scale.check<u8>("op", 2); }, errc::bad_parameter, "a scale is 0");
  zero_scale.check<u8>("op", 1);
  f32 const fine[2] = {1, 1};
  channel_quantization const far{fine, zeros};
  REQUIRE_ERROR([&] { far.check<u8>("op", 2); }, errc::bad_parameter, "zero point 300");
}

} // namespace ia_nn_test
