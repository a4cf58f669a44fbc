// SPDX-License-Identifier: Apache-2.0
//
// Sums, products, concatenation and relu of quantized tensors, bit by bit.
#include "support.hpp"

#include <ia_nn/int8/elementwise.hpp>

namespace ia_nn_test {
namespace {

template <class T> exact_buffer<T>& filled(exact_buffer<T>& x, random& r) {
  r.fill(x.data(), x.size());
  return x;
}

template <class I, class A, class B, class C> void check_pairs(random& r) {
  constexpr index_t v = ia_nn::vec<f32, I>::size;
  for (index_t n : {index_t{1}, v - 1, v, v + 1, 2 * v + 3, index_t{500}})
    for (int workers : {1, 2, 3}) {
      quantization const qa = any_quantization<A>(r), qb = any_quantization<B>(r);
      quantization qy = any_quantization<C>(r);
      exact_buffer<A> a(n);
      exact_buffer<B> b(n);
      exact_buffer<C> y(n), expected(n);
      filled(a, r), filled(b, r);
      for (index_t i = 0; i < n; ++i) expected[i] = oracle::add<C>(a[i], qa, b[i], qb, qy);
      ia_nn::quantized_add<I>(n, a.data(), qa, b.data(), qb, y.data(), qy, backwards{workers});
      REQUIRE(differs(y.data(), expected.data(), n) == "");
      for (index_t i = 0; i < n; ++i) expected[i] = oracle::multiply<C>(a[i], qa, b[i], qb, qy);
      ia_nn::quantized_multiply<I>(n, a.data(), qa, b.data(), qb, y.data(), qy, backwards{workers});
      REQUIRE(differs(y.data(), expected.data(), n) == "");
      if constexpr (std::same_as<A, C>) { // in place
        for (index_t i = 0; i < n; ++i) expected[i] = oracle::add<C>(a[i], qa, b[i], qb, qy);
        ia_nn::quantized_add<I>(n, a.data(), qa, b.data(), qb, a.data(), qy, backwards{workers});
        REQUIRE(differs(a.data(), expected.data(), n) == "");
      }
    }
}

template <class I, class Q> void check_relu(random& r) {
  for (f32 const highest : {std::numeric_limits<f32>::infinity(), 6.0F, 0.0F, 1e-3F}) {
    quantization const q = any_quantization<Q>(r);
    exact_buffer<Q> x(256), y(256);
    for (index_t i = 0; i < 256; ++i) x[i] = static_cast<Q>(i);
    ia_nn::quantized_relu<I>(256, x.data(), y.data(), q, highest, backwards{2});
    double const most = std::nearbyint(static_cast<double>(highest / q.scale)) + q.zero_point;
    for (index_t i = 0; i < 256; ++i) {
      double const expected = std::min(std::max<double>(x[i], q.zero_point), most);
      REQUIRE(static_cast<double>(y[i]) == expected);
    }
  }
}

} // namespace

TEST_CASE("sums and products of quantized tensors", "[int8][elementwise]") {
  random r(60);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    check_pairs<I, u8, u8, u8>(r);
    check_pairs<I, s8, s8, s8>(r);
    check_pairs<I, u8, s8, u8>(r);
    check_relu<I, u8>(r);
    check_relu<I, s8>(r);
  });
}

TEST_CASE("concat copies what fits and rescales the rest", "[int8][elementwise]") {
  random r(61);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (int workers : {1, 2, 3})
      for (index_t rows : {1, 2, 7}) {
        quantization const q = any_quantization<s8>(r);
        index_t const widths[4] = {1, 20, r.between(1, 40), 16};
        std::vector<std::vector<s8>> data;
        std::vector<ia_nn::concat_source<s8>> sources;
        index_t width = 0;
        for (index_t w : widths) {
          auto& d = data.emplace_back(static_cast<std::size_t>(rows * w));
          r.fill(d.data(), rows * w);
          sources.push_back({d.data(), w, r.coin() ? q : any_quantization<s8>(r)});
          width += w;
        }
        exact_buffer<s8> dst(rows * width), expected(rows * width);
        index_t column = 0;
        for (auto const& s : sources) {
          for (index_t i = 0; i < rows; ++i)
            for (index_t j = 0; j < s.columns; ++j) {
              s8 const x = s.data[i * s.columns + j];
              expected[i * width + column + j] = s.q == q ? x : oracle::rescale<s8>(x, s.q, q);
            }
          column += s.columns;
        }
        ia_nn::quantized_concat<I, s8>(rows, sources, dst.data(), q, backwards{workers});
        REQUIRE(differs(dst.data(), expected.data(), dst.size()) == "");
      }
  });
}

TEST_CASE("one range for all sources makes concat a copy", "[int8][elementwise]") {
  std::vector<ia_nn::value_range> const ranges = {{-1, 2}, {0, 5}, {-3, 0.5F}};
  REQUIRE(ia_nn::common_range(ranges) == ia_nn::value_range{-3, 5});
  REQUIRE(ia_nn::common_range({}) == ia_nn::value_range{0, 0});
}

} // namespace ia_nn_test
