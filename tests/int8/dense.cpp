// SPDX-License-Identifier: Apache-2.0
//
// Quantized dense layers bit by bit, on every instruction set.
#include "layer.hpp"

#include <ia_nn/int8/dense.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::quantized_dense;

struct sizes {
  index_t rows, n, k;
};

// One layer: the oracle once, then every instruction set, with and without a residual of type R.
template <class A, class C, class R> void check_dense(sizes s, int kind, random& r) {
  INFO(ia_nn::name_of<A>() << " -> " << ia_nn::name_of<C>() << ": " << s.rows << " x " << s.n
                           << " x " << s.k);
  quantized_options o = any_options<A, C>(s.k, r);
  o.residual = any_quantization<R>(r);
  o.max_rows = s.rows + r.between(0, 3);
  o.workers = static_cast<int>(r.between(1, 3));
  quantized_weights const q = any_weights(kind, s.n, s.k, o.src.scale, r);
  exact_buffer<A> src(s.rows * s.k);
  exact_buffer<R> residual(s.rows * s.n);
  exact_buffer<C> dst(s.rows * s.n), expected(s.rows * s.n), expected_add(s.rows * s.n);
  r.fill(src.data(), src.size());
  r.fill(residual.data(), residual.size());
  oracle::layer_end const end = end_of(o);
  for (index_t i = 0; i < s.rows; ++i)
    for (index_t j = 0; j < s.n; ++j) {
      std::int64_t sum = 0;
      for (index_t l = 0; l < s.k; ++l)
        sum += std::int64_t{src[i * s.k + l] - o.src.zero_point} *
               (q.values[j * s.k + l] - q.zero_point(j));
      int const added = residual[i * s.n + j];
      expected[i * s.n + j] = end.result<C>(sum, q.bias[j], q.scales[j]);
      expected_add[i * s.n + j] = end.result<C>(sum, q.bias[j], q.scales[j], &added);
    }
  for_each_isa<swept_isas>([&](auto tag) {
    using I = decltype(tag);
    if (!ia_nn::isa::available<I>() && s.rows * s.n * s.k > 20000) return; // emulated
    quantized_dense<I, A, C> const layer(q, o);
    exact_buffer<std::byte> memory(layer.workspace_bytes());
    ia_nn::workspace_view const scratch{memory.data(), memory.size()};
    layer.run(s.rows, src.data(), dst.data(), scratch, backwards{o.workers});
    REQUIRE(differs(dst.data(), expected.data(), dst.size()) == "");
    if constexpr (!std::same_as<C, s32>) {
      layer.run_add(s.rows, src.data(), residual.data(), dst.data(), scratch, backwards{o.workers});
      REQUIRE(differs(dst.data(), expected_add.data(), dst.size()) == "");
      if constexpr (std::same_as<C, R>) { // added to what dst holds
        std::copy(residual.begin(), residual.end(), dst.begin());
        layer.run_add(s.rows, src.data(), dst.data(), dst.data(), scratch, backwards{o.workers});
        REQUIRE(differs(dst.data(), expected_add.data(), dst.size()) == "");
      }
    }
  });
}

template <class A, class C, class R> void sweep_dense(std::uint64_t stream) {
  random r(stream);
  int kind = 0;
  for (index_t rows : {1, 3, 5, 15, 33})
    for (index_t n : {1, 15, 33, 67})
      for (index_t k : {1, 5, 64, 131}) check_dense<A, C, R>({rows, n, k}, kind++ % 3, r);
}

} // namespace

TEST_CASE("dense u8 -> u8", "[int8][dense]") { sweep_dense<u8, u8, s8>(20); }
TEST_CASE("dense s8 -> s8", "[int8][dense]") { sweep_dense<s8, s8, s8>(21); }
TEST_CASE("dense u8 -> s32", "[int8][dense]") { sweep_dense<u8, s32, u8>(22); }
TEST_CASE("dense s8 -> f32", "[int8][dense]") { sweep_dense<s8, f32, u8>(23); }

TEST_CASE("pairs of products larger than 16 bits are exact", "[int8][dense]") {
  // Instructions that add two products in 16 bits with saturation fail here.
  std::vector<s8> w = {71, 107, 71, 107, -128, -128, -128, -128};
  f32 const one[1] = {1.0F};
  quantized_weights const q = ia_nn::take_weights(w, 2, one);
  u8 const src[4] = {211, 171, 255, 255};
  for_each_isa<swept_isas>([&](auto tag) {
    using I = decltype(tag);
    quantized_dense<I, u8, s32> const layer(q);
    ia_nn::workspace scratch(layer.workspace_bytes());
    s32 dst[2];
    layer.run(1, src, dst, scratch);
    REQUIRE(dst[0] == 211 * 71 + 171 * 107 + 255 * 71 + 255 * 107);
    REQUIRE(dst[1] == -128 * (211 + 171 + 255 + 255));
  });
}

TEST_CASE("filters of zeros give their biases", "[int8][dense]") {
  std::vector<f32> const b = {0.2F, 0.3F, -0.2F, 1e-6F, -3e4F, 1e-30F};
  auto const n = static_cast<index_t>(b.size());
  quantized_weights const q = quantize_weights(std::vector<f32>(b.size() * 3), n, b, 0.5F);
  s8 const src[3] = {127, -128, 3};
  for_each_isa<swept_isas>([&](auto tag) {
    quantized_dense<decltype(tag), s8, f32> const layer(q, {.src = {0.5F, 7}});
    ia_nn::workspace scratch(layer.workspace_bytes());
    exact_buffer<f32> dst(n);
    layer.run(1, src, dst.data(), scratch);
    for (index_t c = 0; c < n; ++c) { // rounded: the bias, the sum, its factor, the product
      f32 const bias = b[static_cast<std::size_t>(c)];
      CHECK(std::fabs(dst[c] - bias) <= 4 * 0x1p-24F * std::fabs(bias) + 0x1p-65F);
    }
  });
}

TEST_CASE("layers that cannot be right are refused", "[int8][dense][error]") {
  using ia_nn::errc;
  std::vector<f32> const w(6, 1.0F), b(2, 1.0F);
  quantized_weights const q = quantize_weights(w, 2, b, 0.5F);
  auto const make = [&](quantized_options const& o) {
    quantized_dense<ia_nn::isa::scalar, u8, u8> const layer(q, o);
  };
  auto const bad = errc::bad_parameter;
  REQUIRE_ERROR([&] { make({.src = {0.25F, 0}}); }, bad,
                "the biases were quantized for data of scale 0.5");
  REQUIRE_ERROR([&] { make({.src = {0.0F, 0}}); }, bad, "quantized_dense: a scale is 0");
  REQUIRE_ERROR([&] { make({.src = {0.5F, -1}}); }, bad, "the zero point -1 is no value of u8");
  REQUIRE_ERROR([&] { make({.src = {0.5F, 0}, .dst = {1, 256}}); }, bad, "zero point 256");
  REQUIRE_ERROR([&] { make({.src = {0.5F, 0}, .dst = {-1, 0}}); }, bad, "a scale is -1");
  REQUIRE_ERROR([&] { make({.src = {0.5F, 0}, .lowest = 1, .highest = 0}); }, bad,
                "cannot be clamped to [1");
  REQUIRE_ERROR([&] { make({.src = {0.5F, 0}, .dst = {0x1p-149F, 0}}); }, bad,
                "of filter 0 is inf");
  REQUIRE_ERROR([&] { make({.src = {0.5F, 0}, .max_rows = -1}); }, errc::bad_shape, "negative");
  using to_sums = quantized_dense<ia_nn::isa::scalar, u8, s32>;
  REQUIRE_ERROR([&] { to_sums(q, quantized_options{.src = {0.5F, 0}}.with_relu()); }, bad,
                "sums (s32) are not clamped");
  std::vector<s8> const long_rows(70000, -128);
  f32 const one[1] = {1.0F};
  REQUIRE_ERROR([&] { to_sums(ia_nn::take_weights(long_rows, 1, one)); }, bad,
                "may reach 2284800000, more than s32 holds");
}

} // namespace ia_nn_test
