// SPDX-License-Identifier: Apache-2.0
//
// Packers, byte for byte against the definition, element by element: panels of B, the sums beside
// them, rows of A split into terms and in words.
#include "support.hpp"

#include <ia_nn/gemm/pack_panel.hpp>
#include <ia_nn/gemm/pack_rows.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::index_t;
using ia_nn::packing;
using ia_nn::panel;

// Term `term` of x, by bf16's constructor.
template <class T, class U> T term_of(U x, int term) {
  if constexpr (std::same_as<T, U>) return x;
  else {
    f32 rest = x;
    for (int t = 0; t < term; ++t) rest -= static_cast<f32>(T(rest));
    return T(rest);
  }
}

// Any bits half of the time: NaN of every payload, infinities, denormals, ties of rounding. Bytes
// whose pairs are at the bound of 16 bits a third of the time.
template <class T> void fill_bits(exact_buffer<T>& b, random& r) {
  if constexpr (std::same_as<T, s8>)
    if (r.between(0, 2) == 0) {
      int const most = r.coin() ? 64 : 65, sign = r.coin() ? 1 : -1;
      for (s8& x : b) x = static_cast<s8>(sign * (r.between(0, 40) == 0 ? most : 64));
      return;
    }
  bool const any = r.coin();
  for (T& x : b) {
    std::uint32_t bits = r.bits();
    if (sizeof(T) == 4 && r.between(0, 3) == 0) bits = (bits & 0xffff0000U) | 0x8000U;
    if (any) std::memcpy(static_cast<void*>(&x), &bits, sizeof(T));
    else x = r.coin() ? r.extreme<T>() : r.value<T>();
  }
}

/// A k x n matrix in a buffer that ends with its last element, either way round.
template <class U> struct source {
  index_t k, n, k_stride, n_stride;
  exact_buffer<U> data;
  source(index_t rows, index_t columns, bool by_columns, index_t gap, random& r)
      : k(rows), n(columns), k_stride(by_columns ? 1 : columns + gap),
        n_stride(by_columns ? rows + gap : 1),
        data((rows - 1) * k_stride + (columns - 1) * n_stride + 1, r.between(0, 3)) {
    fill_bits(data, r);
  }
  U operator()(index_t row, index_t column) const {
    return data[row * k_stride + column * n_stride];
  }
};

template <class I, class T, int Nr, int Kr, int Terms, class U>
void check_panels(source<U> const& b) {
  using P = panel<Nr, Kr>;
  index_t const stride = P::template stride<T>(b.k), plane = P::template size<T>(b.k, b.n);
  ia_nn::aligned_array<std::byte> bytes(Terms * plane * static_cast<index_t>(sizeof(T)));
  std::memset(bytes.data(), 0x5a, at(bytes.size()));
  T* const to = reinterpret_cast<T*>(bytes.data());
  exact_buffer<s32> sums(std::same_as<T, s8> ? P::panels(b.n) * (Nr + 1) : 0);
  ia_nn::detail::pack_panels<P, I, packing{.terms = Terms}>(
      to, sums.data(), b.data.data(), b.k_stride, b.n_stride, b.k, b.n, {0, P::panels(b.n)});
  index_t wrong = 0;
  for (int t = 0; t < Terms; ++t)
    for (index_t p = 0; p < P::panels(b.n); ++p)
      for (index_t i = 0; i < stride; ++i) {
        index_t const k = i / (Nr * Kr) * Kr + i % Kr, n = p * Nr + i / Kr % Nr;
        T const want = k < b.k && n < b.n ? term_of<T>(b(k, n), t) : T{};
        wrong += std::memcmp(to + t * plane + p * stride + i, &want, sizeof(T)) != 0;
      }
  REQUIRE(wrong == 0);
  if constexpr (std::same_as<T, s8>)
    for (index_t p = 0; p < P::panels(b.n); ++p) {
      bool fits = Kr > 1;
      for (index_t n = p * Nr; n < (p + 1) * Nr; ++n) {
        s32 sum = 0;
        for (index_t k = 0; n < b.n && k < b.k; ++k) sum += b(k, n);
        REQUIRE(sums[n] == sum);
        for (index_t k = 0; n < b.n && k < b.k; k += 2) {
          s32 const x = b(k, n), y = k + 1 < b.k ? b(k + 1, n) : 0;
          fits = fits && std::max(x, 0) + std::max(y, 0) <= 128 && std::min(x, 0) + std::min(y, 0) >= -128;
        }
      }
      REQUIRE((sums[P::panels(b.n) * Nr + p] != 0) == fits);
    }
}

// Sizes around a panel and a group, a line of 64 bytes, four panels.
template <class T, int Nr, int Kr, int Terms, class U> void check_packer(char const* name, std::uint64_t stream) {
  random r(stream);
  constexpr index_t line = 64 / static_cast<index_t>(sizeof(T));
  for (index_t k : {index_t{1}, index_t{Kr - 1}, index_t{Kr}, index_t{Kr + 1}, index_t{2 * Kr + 3}, line - 1, line,
                    line + 1, 2 * line + 3})
    for (index_t n : {1, Nr - 1, Nr, Nr + 1, 2 * Nr + 3, 4 * Nr + 1}) {
      if (k < 1) continue;
      for (bool by_columns : {false, true}) {
        source<U> const b(k, n, by_columns, r.coin() ? 0 : r.between(1, 9), r);
        INFO(name << " panel<" << Nr << ", " << Kr << "> k " << k << " n " << n << " strides "
                  << b.k_stride << ", " << b.n_stride);
        for_each_isa<vector_isas>([&](auto tag) {
          check_panels<decltype(tag), T, Nr, Kr, Terms>(b);
        });
      }
    }
}

template <class F> void each_height(F f) {
  for (index_t height : {1, 2, 3, 4, 6, 8, 10, 14, 16})
    for (index_t rows : {height, height - 1, (height + 1) / 2})
      if (rows > 0) f(height, rows);
}

template <int Kr> void check_split(std::uint64_t stream) {
  random r(stream);
  each_height([&](index_t height, index_t rows) {
    for (index_t k : {1, 2, 31, 32, 33, 67})
      for (int terms : {2, 3}) {
        source<f32> const a(rows, k, r.between(0, 3) == 0, r.coin() ? 0 : 5, r);
        INFO("height " << height << " rows " << rows << " k " << k << " terms " << terms);
        index_t const groups = ia_nn::ceil_div(k, Kr), plane = groups * height * Kr;
        for_each_isa<vector_isas>([&](auto tag) {
          exact_buffer<bf16> to(plane * terms);
          std::memset(static_cast<void*>(to.data()), 0x5a, at(to.size()) * sizeof(bf16));
          ia_nn::detail::pack_rows_split<Kr, decltype(tag)>(
              to.data(), plane, terms, {a.data.data(), a.k_stride, a.n_stride}, height, rows, k, groups);
          index_t wrong = 0;
          for (index_t i = 0; i < to.size(); ++i) {
            index_t const q = i % plane / (height * Kr) * Kr + i % Kr, row = i / Kr % height;
            bf16 const want = row < rows && q < k ? term_of<bf16>(a(row, q), static_cast<int>(i / plane)) : bf16{};
            wrong += to[i].bits != want.bits;
          }
          REQUIRE(wrong == 0);
        });
      }
  });
}

template <class To, int Kr, class From> void check_rows(std::uint64_t stream) {
  random r(stream);
  each_height([&](index_t height, index_t rows) {
    for (index_t k : {1, Kr, Kr + 1, 8 * Kr, 16 * Kr, 27 * Kr + 1}) {
      source<From> const a(rows, k, r.between(0, 3) == 0, r.coin() ? 0 : 5, r);
      INFO("height " << height << " rows " << rows << " k " << k);
      index_t const groups = ia_nn::ceil_div(k, Kr) + r.between(0, 1);
      for_each_isa<vector_isas>([&](auto tag) {
        exact_buffer<To> to(groups * height * Kr);
        std::memset(static_cast<void*>(to.data()), 0x5a, at(to.size()) * sizeof(To));
        ia_nn::detail::pack_rows<decltype(tag), Kr>(
            to.data(), ia_nn::detail::a_source<From>{a.data.data(), a.k_stride, a.n_stride}, height,
            rows, k, groups);
        index_t wrong = 0;
        for (index_t i = 0; i < to.size(); ++i) {
          index_t const q = i / (height * Kr) * Kr + i % Kr, row = i / Kr % height;
          To const want =
              row < rows && q < k ? ia_nn::detail::convert_a<To>(a(row, q)) : To{};
          wrong += std::memcmp(&to[i], &want, sizeof(To)) != 0;
        }
        REQUIRE(wrong == 0);
      });
    }
  });
}

} // namespace

TEST_CASE("panels hold what the definition says, byte for byte", "[gemm][packed]") {
  check_packer<s8, 32, 4, 1, s8>("s8", 101);
  check_packer<s8, 16, 4, 1, s8>("s8", 102);
  check_packer<s8, 32, 1, 1, s8>("s8", 103);
  check_packer<bf16, 32, 2, 1, bf16>("bf16", 104);
  check_packer<bf16, 16, 2, 1, bf16>("bf16", 105);
  check_packer<f32, 32, 1, 1, f32>("f32", 106);
  check_packer<f32, 16, 1, 1, f32>("f32", 107);
  check_packer<s8, 4, 4, 1, s8>("s8", 108);
}

TEST_CASE("terms of B are rounded as bf16 rounds, whatever the bits", "[gemm][packed]") {
  check_packer<bf16, 32, 2, 1, f32>("f32 to bf16", 111);
  check_packer<bf16, 16, 2, 1, f32>("f32 to bf16", 112);
  check_packer<bf16, 4, 2, 1, f32>("f32 to bf16", 113);
  check_packer<bf16, 32, 1, 1, f32>("f32 to bf16", 114);
  check_packer<bf16, 32, 2, 2, f32>("f32 to two terms", 115);
  check_packer<bf16, 32, 2, 3, f32>("f32 to three terms", 116);
  check_packer<bf16, 16, 2, 3, f32>("f32 to three terms", 117);
}

TEST_CASE("rows of A are split into terms as bf16 rounds, whatever the bits", "[gemm][packed]") {
  check_split<32>(121);
  check_split<2>(122);
}

TEST_CASE("packed rows hold what the definition says", "[gemm][packed]") {
  check_rows<u8, 4, u8>(131);
  check_rows<u8, 4, s8>(132);
  check_rows<bf16, 2, bf16>(133);
  check_rows<f32, 1, f32>(134);
  check_rows<u8, 64, u8>(135);
  check_rows<bf16, 32, bf16>(136);
}

TEST_CASE("a matrix larger than the caches is packed as a small one", "[gemm][packed]") {
  random r(141);
  source<s8> const b(70, ia_nn::cpu::cache_sizes().l2 / 16 + 37, false, 0, r);
  for_each_isa<vector_isas>([&](auto tag) { check_panels<decltype(tag), s8, 32, 4, 1>(b); });
}

} // namespace ia_nn_test
