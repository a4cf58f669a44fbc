// SPDX-License-Identifier: Apache-2.0
//
// AMX products against naive oracles, whoever executes them.
#include "../emulator/amx_asm.hpp"
#include "../emulator/needs_amx.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <random>
#include <thread>

namespace emulator = ia_nn_test::emulator;
using namespace ia_nn_test::amx_asm;

namespace {

// C (m x n s32) += A (m x 4k bytes) * B (k x 4n bytes), modulo 2^32.
bytes int8_oracle(bytes const& c, bytes const& a, bytes const& b, int m, int n, int k, bool sa,
                  bool sb) {
  bytes r = c;
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      std::int64_t sum = at<std::int32_t>(c, i * n + j);
      for (int p = 0; p < 4 * k; ++p) {
        std::uint8_t const x = a[static_cast<std::size_t>(i * 4 * k + p)];
        std::uint8_t const y = b[static_cast<std::size_t>((p / 4 * n + j) * 4 + p % 4)];
        sum += (sa ? static_cast<std::int8_t>(x) : static_cast<int>(x)) *
               (sb ? static_cast<std::int8_t>(y) : static_cast<int>(y));
      }
      auto const low = static_cast<std::uint32_t>(static_cast<std::uint64_t>(sum) & 0xffffffffU);
      std::memcpy(r.data() + 4 * (i * n + j), &low, 4);
    }
  return r;
}

float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }
float bf16_value(bytes const& b, int index) {
  std::uint32_t const bits = static_cast<std::uint32_t>(at<std::uint16_t>(b, index)) << 16;
  float r;
  std::memcpy(&r, &bits, 4);
  return flushed(r);
}

// Even and odd products in chains of their own, then their sum onto C; denormals are zero.
bytes bf16_oracle(bytes const& c, bytes const& a, bytes const& b, int m, int n, int k) {
  bytes r = c;
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      float chain[2] = {0, 0};
      for (int p = 0; p < 2 * k; ++p)
        chain[p % 2] = flushed(std::fma(bf16_value(a, i * 2 * k + p),
                                        bf16_value(b, (p / 2 * n + j) * 2 + p % 2), chain[p % 2]));
      float const sum = flushed(flushed(at<float>(c, i * n + j)) + flushed(chain[0] + chain[1]));
      std::memcpy(r.data() + 4 * (i * n + j), &sum, 4);
    }
  return r;
}

// Loads three operands with exact shapes, multiplies, stores C.
template <product P, int C, int A, int B>
bytes run_product(bytes c, bytes const& a, bytes const& b, int m, int n, int k) {
  load_config(tile_config{}.tile(C, m, 4 * n).tile(A, m, 4 * k).tile(B, k, 4 * n));
  load<C>(c.data(), 4 * n);
  load<A>(a.data(), 4 * k);
  load_t1<B>(b.data(), 4 * n);
  multiply<P, C, A, B>();
  store<C>(c.data(), 4 * n);
  release();
  return c;
}

struct shape {
  int m, n, k;
};
constexpr shape shapes[] = {{16, 16, 16}, {1, 1, 1},  {1, 16, 16}, {16, 1, 3},  {7, 5, 16},
                            {10, 16, 13}, {16, 9, 1}, {3, 3, 3},   {15, 15, 15}};

template <product P, int C, int A, int B> void check_int8(bool sa, bool sb) {
  std::mt19937 random(17U * C + 5U * A + B);
  for (shape s : shapes)
    for (bool extreme : {false, true}) {
      auto const size = [](int rows, int columns) {
        return static_cast<std::size_t>(4 * rows * columns);
      };
      bytes const a = random_bytes(size(s.m, s.k), random, extreme);
      bytes const b = random_bytes(size(s.k, s.n), random, extreme);
      bytes const c = random_bytes(size(s.m, s.n), random); // large enough to wrap now and then
      INFO("m " << s.m << " n " << s.n << " k " << s.k << " extreme " << extreme);
      REQUIRE(run_product<P, C, A, B>(c, a, b, s.m, s.n, s.k) ==
              int8_oracle(c, a, b, s.m, s.n, s.k, sa, sb));
    }
}

bytes random_bf16(std::size_t count, std::mt19937& random) {
  bytes r(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    // Sign and mantissa at random, exponents near 1, now and then a zero or a denormal.
    auto bits = static_cast<std::uint16_t>((random() & 0x807fU) | (118U + random() % 16U) << 7);
    if (random() % 16 == 0) bits = static_cast<std::uint16_t>(bits & 0x807fU);
    if (random() % 16 == 0) bits = static_cast<std::uint16_t>(bits & 0x8000U);
    std::memcpy(r.data() + 2 * i, &bits, 2);
  }
  return r;
}

template <int C, int A, int B> void check_bf16() {
  std::mt19937 random(99U + C);
  for (shape s : shapes) {
    auto const size = [](int rows, int columns) {
      return static_cast<std::size_t>(rows * columns);
    };
    bytes const a = random_bf16(2 * size(s.m, s.k), random);
    bytes const b = random_bf16(2 * size(s.k, s.n), random);
    bytes c(4 * size(s.m, s.n));
    for (std::size_t i = 0; i < size(s.m, s.n); ++i) {
      float const value = static_cast<float>(static_cast<int>(random() % 4001) - 2000) / 1024;
      std::memcpy(c.data() + 4 * i, &value, 4);
    }
    INFO("m " << s.m << " n " << s.n << " k " << s.k);
    REQUIRE(run_product<product::bf16, C, A, B>(c, a, b, s.m, s.n, s.k) ==
            bf16_oracle(c, a, b, s.m, s.n, s.k));
  }
}

bytes bf16_bytes(std::initializer_list<float> values) {
  bytes r;
  for (float v : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, 4);
    REQUIRE((bits & 0xffffU) == 0); // the test means what it writes
    r.push_back(static_cast<std::uint8_t>(bits >> 16));
    r.push_back(static_cast<std::uint8_t>(bits >> 24));
  }
  return r;
}

// One element of C from one row of A and one column of B.
float bf16_dot(float c, std::initializer_list<float> a, std::initializer_list<float> b) {
  bytes old(4);
  std::memcpy(old.data(), &c, 4);
  int const k = static_cast<int>(a.size()) / 2;
  return at<float>(run_product<product::bf16, 0, 1, 2>(old, bf16_bytes(a), bf16_bytes(b), 1, 1, k),
                   0);
}

} // namespace

TEST_CASE("amx: the int8 products agree with an int64 oracle") {
  IA_NN_TEST_NEEDS_AMX();
  SECTION("signed by signed") {
    check_int8<product::ssd, 0, 1, 2>(true, true);
    check_int8<product::ssd, 7, 6, 5>(true, true);
  }
  SECTION("signed by unsigned") {
    check_int8<product::sud, 1, 0, 7>(true, false);
    check_int8<product::sud, 4, 3, 2>(true, false);
  }
  SECTION("unsigned by signed") {
    check_int8<product::usd, 2, 7, 0>(false, true);
    check_int8<product::usd, 5, 4, 6>(false, true);
  }
  SECTION("unsigned by unsigned") {
    check_int8<product::uud, 3, 5, 1>(false, false);
    check_int8<product::uud, 6, 2, 4>(false, false);
  }
}

TEST_CASE("amx: the bf16 product agrees with an oracle of fused multiply-adds") {
  IA_NN_TEST_NEEDS_AMX();
  check_bf16<0, 1, 2>();
  check_bf16<7, 3, 5>();
}

TEST_CASE("amx: bf16 sums even and odd products apart and C last") {
  IA_NN_TEST_NEEDS_AMX();
  constexpr float big = 16777216; // 2^24: adding 1 changes nothing
  // even: 2^24 + 1 = 2^24; odd: -2^24 + 1 exactly; their sum is 1. One chain would give 2.
  CHECK(bf16_dot(0, {4096, -4096, 1, 1}, {4096, 4096, 1, 1}) == 1.0f);
  // C joins after the products: (2^24 - 2^24) + 1, not (2^24 + 1) - 2^24.
  CHECK(bf16_dot(1, {4096, -4096}, {4096, 4096}) == 1.0f);
  CHECK(bf16_dot(big, {1, 1}, {1, 1}) == big + 2); // (1 + 1) first, then 2^24
  // A fused multiply-add keeps the product's low bits: 1.0078125^2 - 1 = 0.01568603515625.
  CHECK(bf16_dot(0, {-1, 0, 1.0078125f, 0}, {1, 0, 1.0078125f, 0}) == 0.01568603515625f);
}

TEST_CASE("amx: bf16 flushes denormals, and infinity and NaN pass through") {
  IA_NN_TEST_NEEDS_AMX();
  constexpr float smallest = std::numeric_limits<float>::min(); // 2^-126
  constexpr float denormal = smallest / 2;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(bf16_dot(0, {denormal, 0}, {1024, 0}) == 0.0f);       // a denormal input is zero
  CHECK(bf16_dot(denormal, {0, 0}, {0, 0}) == 0.0f);          // in C as well
  CHECK(bf16_dot(0, {smallest, 0}, {0.5f, 0}) == 0.0f);       // a denormal result is flushed
  CHECK(bf16_dot(0, {smallest, 0}, {1, 0}) == smallest);      // the smallest normal is kept
  CHECK(std::signbit(bf16_dot(-1, {1, 0}, {1, 0})) == false); // -1 + 1 is +0 when rounding to even
  CHECK(bf16_dot(0, {infinity, 0}, {2, 0}) == infinity);
  CHECK(bf16_dot(0, {0x1p100f, 0}, {-0x1p100f, 0}) == -infinity);
  CHECK(std::isnan(bf16_dot(0, {infinity, 0}, {0, 0})));
  CHECK(std::isnan(bf16_dot(0, {infinity, infinity}, {1, -1})));
  CHECK(std::isnan(bf16_dot(std::numeric_limits<float>::quiet_NaN(), {1, 1}, {1, 1})));
}

TEST_CASE("amx: bf16 neither obeys nor changes the rounding mode of the program") {
  IA_NN_TEST_NEEDS_AMX();
  std::mt19937 random(4);
  bytes const a = random_bf16(512, random), b = random_bf16(512, random), c(1024);
  bytes const expected = bf16_oracle(c, a, b, 16, 16, 16);
  unsigned saved, now;
  unsigned const upward = 0x5f80; // exceptions masked, round up
  asm volatile("stmxcsr %0" : "=m"(saved));
  asm volatile("ldmxcsr %0" : : "m"(upward));
  bytes const result = run_product<product::bf16, 0, 1, 2>(c, a, b, 16, 16, 16);
  asm volatile("stmxcsr %0" : "=m"(now));
  asm volatile("ldmxcsr %0" : : "m"(saved));
  CHECK((now & ~0x3fU) == upward); // the low bits are exception flags, which a library call may set
  CHECK(result == expected);
}

TEST_CASE("amx: each thread has its own configuration and tiles") {
  IA_NN_TEST_NEEDS_AMX();
  std::array<bool, 3> good{};
  auto const work = [&](int who, int m, int n, int k) {
    std::mt19937 random(static_cast<unsigned>(who));
    bool ok = true;
    auto const size = [](int rows, int columns) {
      return static_cast<std::size_t>(4 * rows * columns);
    };
    for (int repeat = 0; repeat < 300; ++repeat) {
      bytes const a = random_bytes(size(m, k), random), b = random_bytes(size(k, n), random);
      bytes const c = random_bytes(size(m, n), random);
      ok = ok && run_product<product::usd, 0, 1, 2>(c, a, b, m, n, k) ==
                     int8_oracle(c, a, b, m, n, k, false, true);
    }
    good[static_cast<std::size_t>(who)] = ok;
  };
  load_config(tile_config::full()); // of this thread; the others must not see it
  std::thread first(work, 0, 16, 16, 16), second(work, 1, 3, 7, 5), third(work, 2, 9, 16, 2);
  first.join();
  second.join();
  third.join();
  CHECK(good[0]);
  CHECK(good[1]);
  CHECK(good[2]);
  tile_config const mine = stored_config(), full = tile_config::full();
  CHECK(std::memcmp(&mine, &full, 64) == 0);
  release();
}
