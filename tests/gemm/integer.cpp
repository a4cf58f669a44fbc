// SPDX-License-Identifier: Apache-2.0
//
// 8-bit integers: every bit, on every instruction set, with the extremes at which 16-bit sums would
// saturate and 32-bit sums wrap.
#include "support.hpp"

namespace ia_nn_test {

TEST_CASE("u8 * s8 -> s32 on all tile edges", "[gemm][int8]") {
  sweep<u8, s8, s32>(30);
  sweep_blocks<u8, s8, s32>(31);
}

TEST_CASE("s8 * s8 -> s32 on all tile edges", "[gemm][int8]") {
  sweep<s8, s8, s32>(32);
  sweep_blocks<s8, s8, s32>(33);
}

namespace {

template <class A, class C> void store_as(std::uint64_t stream) {
  random r(stream);
  long index = 0;
  for (index_t m : {1, 3, 6, 15, 33})
    for (index_t n : {1, 16, 37, 70})
      for (index_t k : {1, 3, 17, 64})
        check_everywhere<A, s8, C, standard, kinds_of_kernels>(draw<A, s8, C, standard>(m, n, k, r), r, index++);
}

// One value for all of A, one for all of B.
template <class A> void constant_operands(int a, int b) {
  random r(40);
  long index = 0;
  for (index_t k : {4, 64, 1000})
    for (index_t m : {1, 4, 17}) {
      product_case p;
      p.m = m, p.n = 35, p.k = k;
      INFO(a << " * " << b << ", " << p.text());
      product<A, s8, s32> x(p, r);
      for (A& v : x.a()) v = static_cast<A>(a);
      for (s8& v : x.b()) v = static_cast<s8>(b);
      exact_buffer<s32> out(m * p.n);
      bool const emulate = index++ % 4 == 0;
      for_each_isa<swept_isas>([&](auto tag) {
        using I = decltype(tag);
        if (traps<I, A, standard>() && !emulate) return;
        x.template run<I>(out);
        s32 const want = static_cast<s32>(k) * a * b;
        REQUIRE(std::count(out.begin(), out.end(), want) == out.size());
      });
    }
}

} // namespace

TEST_CASE("8-bit products stored as other types", "[gemm][int8]") {
  store_as<u8, f32>(34);
  store_as<u8, bf16>(35);
  store_as<u8, u8>(36);
  store_as<s8, s8>(37);
  store_as<s8, f32>(38);
}

TEST_CASE("8-bit extremes are exact", "[gemm][int8]") {
  constant_operands<u8>(255, 127);
  constant_operands<u8>(255, -128);
  constant_operands<s8>(-128, -128);
  constant_operands<s8>(-128, 127);
  constant_operands<s8>(127, 127);
}

TEST_CASE("pairs of products beyond 16 bits are exact", "[gemm][int8]") {
  // 211 * 71 + 171 * 107 = 33278: saturates in vpmaddubsw at 32767.
  random r(41);
  product_case p;
  p.m = 5, p.n = 33, p.k = 66;
  product<u8, s8, s32> x(p, r);
  for (index_t i = 0; i < p.m; ++i)
    for (index_t q = 0; q < p.k; ++q) x.a()[i * p.k + q] = q % 2 ? 171 : 211;
  for (index_t q = 0; q < p.k; ++q)
    for (index_t j = 0; j < p.n; ++j) x.b()[q * p.n + j] = q % 2 ? 107 : 71;
  exact_buffer<s32> out(p.m * p.n);
  for_each_isa<swept_isas>([&](auto tag) {
    x.template run<decltype(tag)>(out);
    REQUIRE(std::count(out.begin(), out.end(), 33 * 33278) == out.size());
  });
}

TEST_CASE("pairs of weights that fit 16 bits are told from those that do not", "[gemm][int8]") {
  // The first columns at the bound and beyond it; 255 everywhere, and everywhere but in one of a pair.
  struct pair {
    int b0, b1;
    bool fits;
  };
  for (pair const w : {pair{64, 64, true}, {127, 1, true}, {1, 127, true}, {127, 2, false},
                       {64, 65, false}, {-64, -64, true}, {-128, 0, true}, {0, -128, true},
                       {-128, -1, false}, {-1, -128, false}, {127, -128, true}, {127, 127, false},
                       {71, 107, false}})
    for (index_t k : {2, 9, 64})
      for (index_t first : {index_t{0}, (k - 2) / 2 * 2}) {
        std::vector<s8> b(at(k * 40), 64);
        INFO(w.b0 << ", " << w.b1 << " at " << first << " of " << k);
        b[at(first * 40 + 37)] = static_cast<s8>(w.b0);
        b[at((first + 1) * 40 + 37)] = static_cast<s8>(w.b1);
        for_each_isa<swept_isas>([&](auto tag) {
          using G = gemm<decltype(tag), u8, s8, s32>;
          typename G::weights const packed(ia_nn::matrix(static_cast<s8 const*>(b.data()), k, 40));
          auto const view = packed.view();
          index_t const last = 37 / decltype(view)::panel_type::nr;
          for (index_t p = 0; p < decltype(view)::panel_type::panels(40); ++p)
            REQUIRE(view.pairs_fit(p) == (p != last || w.fits));
          REQUIRE(view.pairs_fit(0, static_cast<int>(last + 1)) == w.fits);
          std::vector<std::byte> bytes(at(packed.stored_bytes()) + 64);
          auto* const file = bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(bytes.data()) % 64) % 64;
          packed.store(file, packed.stored_bytes());
          REQUIRE(G::weights::view_stored(file, packed.stored_bytes()).pairs_fit(last) == w.fits);
        });
      }
}

namespace {

// Weights that fit, in all panels or in all but some, on sizes around every bound of a tile.
template <class A> void small_weights(std::uint64_t stream) {
  random r(stream);
  edge_sizes const s = edges<A, s8>();
  long index = 0;
  for (index_t m : s.m)
    for (int round = 0; round < 4; ++round) {
      auto const any = [&](std::vector<index_t> const& v) {
        return v[at(r.between(0, static_cast<index_t>(v.size()) - 1))];
      };
      auto const p = draw<A, s8, s32, standard>(m, any(s.n), any(s.k), r);
      INFO(p.text());
      product<A, s8, s32> x(p, r);
      r.fill_extremes(x.a().data(), x.a().size());
      for (s8& b : x.b()) b = static_cast<s8>(r.coin() ? r.between(-64, 64) : r.coin() ? 64 : -64);
      if (round == 3) // one weight too large, somewhere
        x.b()[r.between(0, x.b().size() - 1)] = 127;
      matmul_reference const ref = x.reference();
      exact_buffer<s32> out((m - 1) * x.ldc() + p.n);
      for_each_isa<swept_isas>([&](auto tag) {
        using I = decltype(tag);
        if (traps<I, A, standard>() && index % (std::same_as<I, ia_nn::isa::amx> ? 2 : 24) != 0) return;
        x.template run<I>(out);
        REQUIRE(x.template verdict<I>(ref, out) == "");
      });
      ++index;
    }
}

} // namespace

TEST_CASE("8-bit products with small weights", "[gemm][int8]") {
  small_weights<u8>(44);
  small_weights<s8>(45);
}

TEST_CASE("random extremes with zero points", "[gemm][int8]") {
  random r(42);
  for (int round = 0; round < 60; ++round) {
    index_t const m = r.between(1, 20), n = r.between(1, 70), k = r.between(1, 150);
    auto p = draw<u8, s8, s32, standard>(m, n, k, r);
    s32 const zero[] = {0, 1, 127, 128, 255, -128};
    p.options.a_zero_point = zero[round % 6];
    p.options.b_zero_point = zero[round / 6 % 6];
    INFO(p.text());
    auto const check = [&]<class A>(A) {
      product<A, s8, s32> x(p, r);
      r.fill_extremes(x.a().data(), x.a().size());
      r.fill_extremes(x.b().data(), x.b().size());
      matmul_reference const ref = x.reference();
      exact_buffer<s32> out((m - 1) * x.ldc() + n);
      for_each_isa<swept_isas>([&](auto tag) {
        using I = decltype(tag);
        if (traps<I, A, standard>() && round % (std::same_as<I, ia_nn::isa::amx> ? 2 : 12) != 0) return;
        x.template run<I>(out);
        REQUIRE(x.template verdict<I>(ref, out) == "");
      });
    };
    check(u8{});
    check(s8{});
  }
}

TEST_CASE("a zero point for each column", "[gemm][int8]") {
  random r(46);
  for (index_t m : {1, 3, 20})
    for (index_t n : {1, 37})
      for (index_t k : {3, 70}) {
        product_case p;
        p.m = m, p.n = n, p.k = k;
        p.workers = 2;
        p.options.a_zero_point = static_cast<s32>(r.between(-128, 127));
        exact_buffer<s32> zeros(n), out(m * n);
        for (s32& z : zeros) z = static_cast<s32>(r.between(-128, 127));
        p.options.b_zero_points = zeros.data();
        product<s8, s8, s32> x(p, r);
        INFO(p.text());
        for_each_isa<swept_isas>([&](auto tag) {
          x.template run<decltype(tag)>(out);
          for (index_t i = 0; i < m; ++i)
            for (index_t j = 0; j < n; ++j) {
              s32 sum = 0;
              for (index_t q = 0; q < k; ++q)
                sum += (x.a()[i * k + q] - p.options.a_zero_point) * (x.b()[q * n + j] - zeros[j]);
              REQUIRE(out[i * n + j] == sum);
            }
        });
      }
}

TEST_CASE("sums wrap modulo 2^32", "[gemm][int8]") {
  // Without and with a former C that is at the end of the range; zero points of any size.
  random r(43);
  for (index_t m : {2, 9}) {
    product_case p;
    p.m = m, p.n = 20, p.k = 70;
    p.options = {true, 2000000000, -1999999999};
    product<u8, s8, s32> x(p, r);
    for (s32& v : x.c()) v = r.coin() ? INT32_MAX : INT32_MIN;
    exact_buffer<s32> out(m * p.n);
    for_each_isa<swept_isas>([&](auto tag) {
      using I = decltype(tag);
      x.template run<I>(out);
      std::uint32_t wrong = 0;
      for (index_t i = 0; i < m; ++i)
        for (index_t j = 0; j < p.n; ++j) {
          // In modular arithmetic: doubles do not hold products of zero points of this size.
          std::uint32_t s = static_cast<std::uint32_t>(x.c()[i * p.n + j]);
          for (index_t q = 0; q < p.k; ++q)
            s += (x.a()[i * p.k + q] - static_cast<std::uint32_t>(p.options.a_zero_point)) *
                 (static_cast<std::uint32_t>(x.b()[q * p.n + j]) -
                  static_cast<std::uint32_t>(p.options.b_zero_point));
          wrong += s != static_cast<std::uint32_t>(out[i * p.n + j]);
        }
      REQUIRE(wrong == 0);
    });
  }
  product_case p;
  p.m = 2, p.n = 3, p.k = 70000; // 70000 * 255 * 127 > 2^31
  product<u8, s8, s32> x(p, r);
  for (u8& v : x.a()) v = 255;
  for (s8& v : x.b()) v = 127;
  exact_buffer<s32> out(6);
  for_each_isa<swept_isas>([&](auto tag) {
    using I = decltype(tag);
    if (traps<I, u8, standard>() && !std::same_as<I, ia_nn::isa::amx>) return;
    x.template run<I>(out);
    REQUIRE(std::count(out.begin(), out.end(), static_cast<s32>(70000U * 255 * 127)) == 6);
  });
}

} // namespace ia_nn_test
