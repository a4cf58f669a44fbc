// SPDX-License-Identifier: Apache-2.0
//
// Every operation of vec on every ISA against plain C++, bit by bit; partial loads and stores on
// buffers without a spare byte; a few operations against xsimd on the same registers.
#include "isa.hpp"
#include "random.hpp"

#include <cfenv>
#include <cmath>
#include <cstring>
#include <vector>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized" // GCC 12's own AVX-512 header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <xsimd/xsimd.hpp>

using namespace ia_nn_test;
namespace isa = ia_nn::isa;
using ia_nn::vec;

namespace {

constexpr f32 inf = std::numeric_limits<f32>::infinity();
constexpr f32 not_a_number = std::numeric_limits<f32>::quiet_NaN();

std::uint32_t to_bits(f32 x) { return __builtin_bit_cast(std::uint32_t, x); }
f32 from_bits(std::uint32_t u) { return __builtin_bit_cast(f32, u); }

// Equal bits, or two NaN.
template <class T> bool same(T a, T b) {
  if constexpr (std::same_as<T, f32>)
    return to_bits(a) == to_bits(b) || (std::isnan(a) && std::isnan(b));
  else if constexpr (std::same_as<T, bf16>) return a.bits == b.bits;
  else return a == b;
}

// bf16 by its definition: of the two neighbours the nearer one, at a tie the one with an even last
// bit; above the largest by half a step, infinity.
std::uint16_t bf16_bits(f32 x) {
  std::uint32_t const u = to_bits(x);
  auto const down = static_cast<std::uint16_t>(u >> 16);
  if (std::isnan(x)) return static_cast<std::uint16_t>(down | 0x40U);
  if (std::isinf(x)) return down;
  auto const value = [](std::uint32_t head) {
    // The step beyond the largest finite number, where 2^128 stands for infinity.
    if ((head & 0x7fffU) == 0x7f80U) return 0x1p128;
    return std::fabs(static_cast<double>(from_bits(head << 16)));
  };
  double const magnitude = std::fabs(static_cast<double>(x));
  double const below = magnitude - value(down), above = value(down + 1U) - magnitude;
  bool const up = above < below || (above == below && (down & 1U) != 0);
  return static_cast<std::uint16_t>(down + (up ? 1 : 0));
}

// Nearest even, then saturation; a NaN becomes the lowest value.
template <class T> T saturated(f32 x) {
  constexpr double lo = std::numeric_limits<T>::min(), hi = std::numeric_limits<T>::max();
  if (std::isnan(x)) return std::numeric_limits<T>::min();
  double const y = std::nearbyint(static_cast<double>(x));
  return static_cast<T>(y < lo ? lo : y > hi ? hi : y);
}

// As cvtps2dq: nearest even; whatever does not fit gives the lowest value.
s32 to_integer(f32 x) {
  double const y = std::nearbyint(static_cast<double>(x));
  return y >= -0x1p31 && y < 0x1p31 ? static_cast<s32>(y) : INT32_MIN;
}

// f32 that rounding, saturation and selection care about, and random bit patterns.
std::vector<f32> interesting(index_t multiple) {
  std::vector<f32> x = {0.0F,
                        -0.0F,
                        0.5F,
                        -0.5F,
                        1.5F,
                        2.5F,
                        -1.5F,
                        -2.5F,
                        126.5F,
                        127.5F,
                        127.49F,
                        128.0F,
                        -128.5F,
                        -128.49F,
                        -129.0F,
                        254.5F,
                        255.5F,
                        255.49F,
                        256.0F,
                        -0.51F,
                        1e9F,
                        -1e9F,
                        2147483520.0F,
                        2147483648.0F,
                        -2147483648.0F,
                        -2147483904.0F,
                        1e20F,
                        -1e20F,
                        inf,
                        -inf,
                        not_a_number,
                        -not_a_number,
                        0x1.fffffep127F,
                        -0x1.fffffep127F,
                        0x1.fefffep127F,
                        0x1.ffp127F,
                        0x1.fep127F,
                        0x1p-126F,
                        0x1p-127F,
                        -0x1p-133F,
                        0x1p-134F,
                        0x1.8p-133F,
                        1e-45F,
                        -1e-45F,
                        0x1.01p0F,
                        0x1.03p0F,
                        0x1.010002p0F,
                        0x1.00fffep0F,
                        8388607.5F,
                        8388609.0F,
                        16777217.0F,
                        from_bits(0x7f800001U),
                        from_bits(0xff812345U)};
  ia_nn_test::random r(1);
  while (x.size() < 20000 || static_cast<index_t>(x.size()) % multiple != 0)
    x.push_back(x.size() % 2 ? from_bits(r.bits()) : r.uniform(-300, 300));
  return x;
}

// Loads and stores of T by registers of E, whole and partial, from exact buffers at two alignments.
template <class T, class V> void check_partial() {
  using E = typename V::value_type;
  ia_nn_test::random r(sizeof(T));
  for (index_t offset : {0, 1})
    for (index_t n = 0; n <= V::size + 1; ++n) {
      CAPTURE(offset, n);
      exact_buffer<T> src(n, offset);
      r.fill(src.data(), n);
      exact_buffer<E> out(V::size, offset);
      V::load(src.data(), n).store(out.data());
      for (index_t i = 0; i < V::size; ++i)
        CHECK(same(out[i], i < n ? static_cast<E>(src[i]) : E{}));
      if (n >= V::size) {
        V::load(src.data()).store(out.data());
        for (index_t i = 0; i < V::size; ++i) CHECK(same(out[i], static_cast<E>(src[i])));
      }
    }
}

template <class T, class V> void check_partial_store() {
  ia_nn_test::random r(77 + sizeof(T));
  for (index_t offset : {0, 1})
    for (index_t n = 0; n <= V::size + 1; ++n) {
      CAPTURE(offset, n);
      typename V::value_type lanes[16];
      for (auto& lane : lanes) lane = static_cast<typename V::value_type>(r.between(0, 120));
      // Room for n lanes and no more; when n is less than that, what follows stays as it was.
      exact_buffer<T> out(n, offset), longer(n + 3, offset);
      for (index_t i = 0; i < n + 3; ++i) longer[i] = static_cast<T>(11);
      V::load(lanes).store(out.data(), n);
      V::load(lanes).store(longer.data(), n);
      for (index_t i = 0; i < n + 3; ++i) {
        bool const written = i < n && i < V::size;
        T const expected = written ? static_cast<T>(lanes[i]) : static_cast<T>(11);
        CHECK(same(longer[i], expected));
        if (written) CHECK(same(out[i], expected));
      }
    }
}

// The halves of the register folded onto each other until one is left.
template <class T, class F> T folded(T const* p, int n, F f) {
  std::vector<T> v(p, p + n);
  for (int half = n / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i)
      v[static_cast<std::size_t>(i)] =
          f(v[static_cast<std::size_t>(i)], v[static_cast<std::size_t>(i + half)]);
  return v[0];
}

s32 wrapped(std::int64_t x) { return static_cast<s32>(static_cast<std::uint32_t>(x)); }

} // namespace

TEST_CASE("vec: every tag has registers, shared with the tag it extends", "[arch]") {
  ia_nn::for_each_type(isa::compiled{}, [](auto tag) {
    using I = decltype(tag);
    static_assert(ia_nn::vector_register<vec<f32, I>> && ia_nn::vector_register<vec<s32, I>>);
    constexpr int lanes = isa::has<I, isa::avx512> ? 16 : isa::has<I, isa::avx2> ? 8 : 1;
    STATIC_REQUIRE(vec<f32, I>::size == lanes);
    STATIC_REQUIRE(vec<s32, I>::size == lanes);
    STATIC_REQUIRE(sizeof(vec<f32, I>) == lanes * sizeof(f32));
    if constexpr (isa::has<I, isa::avx512>)
      STATIC_REQUIRE(std::same_as<vec<f32, I>, vec<f32, isa::avx512>>);
  });
}

TEST_CASE("vec: partial loads and stores", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using I = decltype(tag);
    check_partial<f32, vec<f32, I>>();
    check_partial<bf16, vec<f32, I>>();
    check_partial<s32, vec<f32, I>>();
    check_partial<s8, vec<f32, I>>();
    check_partial<u8, vec<f32, I>>();
    check_partial<s32, vec<s32, I>>();
    check_partial<s8, vec<s32, I>>();
    check_partial<u8, vec<s32, I>>();
    check_partial_store<f32, vec<f32, I>>();
    check_partial_store<bf16, vec<f32, I>>();
    check_partial_store<s32, vec<f32, I>>();
    check_partial_store<s8, vec<f32, I>>();
    check_partial_store<u8, vec<f32, I>>();
    check_partial_store<s32, vec<s32, I>>();
  });
}

TEST_CASE("vec: conversions", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using v = vec<f32, decltype(tag)>;
    using w = vec<s32, decltype(tag)>;
    std::vector<f32> const x = interesting(16);
    for (std::size_t i = 0; i < x.size(); i += v::size) {
      bf16 h[16];
      s8 s[16];
      u8 u[16];
      s32 q[16], t[16], b[16];
      f32 back[16], f[16];
      v const r = v::load(&x[i]);
      r.store(h);
      alignas(64) f32 past_f32[16];
      alignas(64) bf16 past_bf16[16];
      r.stream(past_f32);
      r.stream(past_bf16);
      ia_nn::detail::fence_streams();
      CHECK(std::memcmp(past_f32, &x[i], v::size * sizeof(f32)) == 0);
      CHECK(std::memcmp(past_bf16, h, v::size * sizeof(bf16)) == 0);
      r.store(s);
      r.store(u);
      r.store(q);
      to_s32(r).store(t);
      bits(r).store(b);
      bits(bits(r)).store(back);
      to_f32(bits(r)).store(f);
      for (std::size_t k = 0; k < v::size; ++k) {
        f32 const value = x[i + k];
        auto const raw = static_cast<s32>(to_bits(value));
        bool const good = h[k].bits == bf16_bits(value) && bf16(value).bits == h[k].bits &&
                          s[k] == saturated<s8>(value) && u[k] == saturated<u8>(value) &&
                          q[k] == to_integer(value) && t[k] == q[k] && b[k] == raw &&
                          to_bits(back[k]) == to_bits(value) && f[k] == static_cast<f32>(raw);
        if (good) continue;
        CAPTURE(value, to_bits(value), h[k].bits, +s[k], +u[k], q[k], t[k], b[k], back[k], f[k]);
        CHECK(h[k].bits == bf16_bits(value));
        CHECK(bf16(value).bits == bf16_bits(value));
        CHECK(s[k] == saturated<s8>(value));
        CHECK(u[k] == saturated<u8>(value));
        CHECK(q[k] == to_integer(value));
        CHECK(t[k] == to_integer(value));
        CHECK(b[k] == raw);
        CHECK(to_bits(back[k]) == to_bits(value));
        CHECK(f[k] == static_cast<f32>(raw));
      }
    }
    // Every bf16 is an f32, and back, except that NaN become quiet.
    for (std::uint32_t u = 0; u < 0x10000; u += static_cast<std::uint32_t>(v::size)) {
      bf16 in[16], out[16];
      f32 wide[16];
      for (std::uint32_t k = 0; k < v::size; ++k)
        in[k] = bf16::from_bits(static_cast<std::uint16_t>(u + k));
      v::load(in).store(wide);
      v::load(in).store(out);
      for (std::uint32_t k = 0; k < v::size; ++k) {
        bool const is_nan = std::isnan(wide[k]);
        if (to_bits(wide[k]) != (u + k) << 16) CHECK(to_bits(wide[k]) == (u + k) << 16);
        std::uint32_t const expected = is_nan ? (u + k) | 0x40U : u + k;
        if (out[k].bits != expected) CHECK(out[k].bits == expected);
      }
    }
    CHECK(w::size == v::size);
  });
}

TEST_CASE("vec: f32 arithmetic", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using v = vec<f32, decltype(tag)>;
    std::vector<f32> x = interesting(16), y = x, z = x;
    ia_nn_test::random r(5);
    for (std::size_t i = y.size() - 1; i > 0; --i) {
      std::swap(y[i], y[static_cast<std::size_t>(r.between(0, static_cast<index_t>(i)))]);
      std::swap(z[i], z[static_cast<std::size_t>(r.between(0, static_cast<index_t>(i)))]);
    }
    for (std::size_t i = 0; i + 1 < x.size(); i += 7) y[i] = x[i]; // equal operands as well
    long wrong = 0;
    for (std::size_t i = 0; i < x.size(); i += v::size) {
      v const a = v::load(&x[i]), b = v::load(&y[i]), c = v::load(&z[i]);
      auto const expect = [&](char const* what, v result, auto f) {
        f32 lanes[16];
        result.store(lanes);
        for (std::size_t k = 0; k < v::size; ++k) {
          f32 const p = x[i + k], q = y[i + k], s = z[i + k], real = f(p, q, s);
          if (same(lanes[k], real)) continue;
          CAPTURE(what, p, q, s);
          if (++wrong < 20) CHECK(lanes[k] == real);
        }
      };
      expect("+", a + b, [](f32 p, f32 q, f32) { return p + q; });
      expect("-", a - b, [](f32 p, f32 q, f32) { return p - q; });
      expect("*", a * b, [](f32 p, f32 q, f32) { return p * q; });
      expect("/", a / b, [](f32 p, f32 q, f32) { return p / q; });
      expect("fma", fma(a, b, c), [](f32 p, f32 q, f32 s) { return std::fma(p, q, s); });
      expect("negate", -a, [](f32 p, f32, f32) { return from_bits(to_bits(p) ^ 0x80000000U); });
      expect("abs", abs(a), [](f32 p, f32, f32) { return from_bits(to_bits(p) & 0x7fffffffU); });
      expect("sqrt", sqrt(a), [](f32 p, f32, f32) { return std::sqrt(p); });
      expect("round", round(a), [](f32 p, f32, f32) { return std::nearbyint(p); });
      // The second operand if either is a NaN or both are zero.
      expect("min", min(a, b), [](f32 p, f32 q, f32) { return p < q ? p : q; });
      expect("max", max(a, b), [](f32 p, f32 q, f32) { return p > q ? p : q; });
      expect("minimum", minimum(a, b),
             [](f32 p, f32 q, f32) { return std::isnan(p) || p < q ? p : q; });
      expect("maximum", maximum(a, b),
             [](f32 p, f32 q, f32) { return std::isnan(p) || p > q ? p : q; });
      expect("<", select(a < b, b, c), [](f32 p, f32 q, f32 s) { return p < q ? q : s; });
      expect("<=", select(a <= b, b, c), [](f32 p, f32 q, f32 s) { return p <= q ? q : s; });
      expect("==", select(a == b, b, c), [](f32 p, f32 q, f32 s) { return p == q ? q : s; });
      expect("broadcast", v::broadcast(2.5F), [](f32, f32, f32) { return 2.5F; });
      expect("zero", v::zero(), [](f32, f32, f32) { return 0.0F; });
    }
    CHECK(wrong == 0);
    // The use that the NaN rule of max is for.
    f32 relu[16];
    max(v::zero(), v::broadcast(not_a_number)).store(relu);
    CHECK(std::isnan(relu[0]));
    // A NaN in any lane, beside infinities that would beat it.
    for (int lane = 0; lane < v::size; ++lane) {
      f32 one[16];
      for (int i = 0; i < v::size; ++i) one[i] = i == lane ? not_a_number : i % 2 ? inf : -inf;
      CHECK(std::isnan(highest(v::load(one))));
      CHECK(std::isnan(lowest(v::load(one))));
      CHECK(any_nan(v::load(one)));
      one[lane] = inf;
      CHECK_FALSE(any_nan(v::load(one)));
    }
  });
}

TEST_CASE("vec: reductions fold halves", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using v = vec<f32, decltype(tag)>;
    using w = vec<s32, decltype(tag)>;
    ia_nn_test::random r(9);
    for (int repeat = 0; repeat < 500; ++repeat) {
      f32 x[16];
      s32 n[16];
      for (f32& value : x)
        value = r.normal() * std::ldexp(1.0F, static_cast<int>(r.between(-20, 20)));
      r.fill(n, 16);
      v const a = v::load(x);
      CHECK(to_bits(sum(a)) == to_bits(folded(x, v::size, [](f32 p, f32 q) { return p + q; })));
      CHECK(highest(a) == folded(x, v::size, [](f32 p, f32 q) { return p > q ? p : q; }));
      CHECK(lowest(a) == folded(x, v::size, [](f32 p, f32 q) { return p < q ? p : q; }));
      CHECK(sum(w::load(n)) ==
            folded(n, w::size, [](s32 p, s32 q) { return wrapped(std::int64_t{p} + q); }));
    }
  });
}

TEST_CASE("vec: s32 arithmetic wraps", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using w = vec<s32, decltype(tag)>;
    ia_nn_test::random r(13);
    long wrong = 0;
    for (int repeat = 0; repeat < 2000; ++repeat) {
      s32 x[16], y[16], z[16], lanes[16];
      r.fill(z, 16);
      if (repeat % 2) r.fill(x, 16), r.fill(y, 16);
      else r.fill_extremes(x, 16), r.fill_extremes(y, 16);
      w const a = w::load(x), b = w::load(y), c = w::load(z);
      auto const expect = [&](char const* what, w result, auto f) {
        result.store(lanes);
        for (int k = 0; k < w::size; ++k) {
          s32 const real = f(x[k], y[k], z[k]);
          if (lanes[k] == real) continue;
          CAPTURE(what, x[k], y[k], z[k]);
          if (++wrong < 20) CHECK(lanes[k] == real);
        }
      };
      expect("+", a + b, [](s32 p, s32 q, s32) { return wrapped(std::int64_t{p} + q); });
      expect("-", a - b, [](s32 p, s32 q, s32) { return wrapped(std::int64_t{p} - q); });
      expect("*", a * b, [](s32 p, s32 q, s32) { return wrapped(std::int64_t{p} * q); });
      expect("&", a & b, [](s32 p, s32 q, s32) { return p & q; });
      expect("|", a | b, [](s32 p, s32 q, s32) { return p | q; });
      expect("^", a ^ b, [](s32 p, s32 q, s32) { return p ^ q; });
      expect("min", min(a, b), [](s32 p, s32 q, s32) { return p < q ? p : q; });
      expect("max", max(a, b), [](s32 p, s32 q, s32) { return p > q ? p : q; });
      expect("<", select(a < b, b, c), [](s32 p, s32 q, s32 s) { return p < q ? q : s; });
      expect("==", select(a == b, b, c), [](s32 p, s32 q, s32 s) { return p == q ? q : s; });
      expect("broadcast", w::broadcast(-3), [](s32, s32, s32) { return -3; });
      expect("zero", w::zero(), [](s32, s32, s32) { return 0; });
      int const n = static_cast<int>(r.between(0, 31));
      expect("<<", a << n, [n](s32 p, s32, s32) {
        return wrapped(static_cast<std::int64_t>(p) * (std::int64_t{1} << n));
      });
      expect(">>", a >> n, [n](s32 p, s32, s32) {
        std::int64_t const step = std::int64_t{1} << n, value = p;
        return static_cast<s32>(value >= 0 ? value / step : -((-value + step - 1) / step));
      });
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("vec: the same registers through xsimd", "[arch]") {
  for_each_isa<vector_isas>([](auto tag) {
    using v = vec<f32, decltype(tag)>;
    if constexpr (v::size > 1) {
      using batch = xsimd::batch<f32, typename v::xsimd_arch>;
      STATIC_REQUIRE(batch::size == v::size);
      ia_nn_test::random r(21);
      for (int repeat = 0; repeat < 200; ++repeat) {
        f32 x[16], y[16], ours[16], theirs[16];
        r.fill(x, 16);
        r.fill(y, 16);
        v const a = v::load(x), b = v::load(y);
        batch const p(a.native()), q(b.native());
        auto const agree = [&](v left, batch right) {
          left.store(ours);
          right.store_unaligned(theirs);
          for (int k = 0; k < v::size; ++k) CHECK(to_bits(ours[k]) == to_bits(theirs[k]));
        };
        agree(a + b, p + q);
        agree(a * b, p * q);
        agree(a / b, p / q);
        agree(min(a, b), xsimd::min(p, q));
        agree(max(a, b), xsimd::max(p, q));
        agree(abs(a), xsimd::abs(p));
        agree(sqrt(abs(a)), xsimd::sqrt(xsimd::abs(p)));
        agree(select(a < b, a, b), xsimd::select(p < q, p, q));
      }
    } else {
      SUCCEED("a scalar is not a register of xsimd");
    }
  });
}
