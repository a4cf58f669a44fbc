// SPDX-License-Identifier: Apache-2.0
//
// Chains of stages on int8 and bf16 tiles, of vectors and of AMX: integer bias and requantization
// bit for bit.
#include "epilogue.hpp"

namespace ia_nn_test {
namespace {

template <byte_element T> T requantized(s32 acc, f32 factor, s32 zero) {
  f32 const rounded = std::nearbyintf(static_cast<f32>(acc) * factor);
  return saturated<T>(static_cast<double>(rounded + static_cast<f32>(zero)));
}

} // namespace

TEST_CASE("integer bias and requantization are exact", "[gemm][epilogue][int8]") {
  operands<s32> bias(80, -20000, 20000);
  operands<f32> factor(81, 0.0001F, 0.01F), real_bias(82);
  check_chain<u8, s8, s32, int_isas>(
      "add_bias<s32>",
      [&](product_case const& p) { return chain{add_bias{bias.of(p.n).data()}}; },
      [&](product_case const& p, s32 v, index_t, index_t j) { return v + bias.of(p.n)[j]; });
  check_chain<u8, s8, u8, int_isas>(
      "add_bias<s32>, requantize -> u8",
      [&](product_case const& p) {
        return chain{add_bias{bias.of(p.n).data()}, requantize{factor.of(p.n).data(), 100}};
      },
      [&](product_case const& p, s32 v, index_t, index_t j) {
        return requantized<u8>(v + bias.of(p.n)[j], factor.of(p.n)[j], 100);
      });
  check_chain<s8, s8, s8, int_isas>(
      "requantize_tensor -> s8",
      [](product_case const&) { return chain{requantize_tensor{0.0078125F, -7}}; }, // many ties
      [](product_case const&, s32 v, index_t, index_t) { return requantized<s8>(v, 0.0078125F, -7); });
  check_chain<s8, s8, f32, int_isas>(
      "scale_columns, relu -> f32",
      [&](product_case const& p) { return chain{scale_columns{factor.of(p.n).data()}, activation::relu{}}; },
      [&](product_case const& p, s32 v, index_t, index_t j) {
        f32 const x = static_cast<f32>(v) * factor.of(p.n)[j];
        return x > 0 ? x : 0.0F;
      });
  check_chain<u8, s8, bf16, int_isas>(
      "add_bias<f32> -> bf16",
      [&](product_case const& p) { return chain{add_bias{real_bias.of(p.n).data()}}; },
      [&](product_case const& p, s32 v, index_t, index_t j) {
        return bf16(static_cast<f32>(v) + real_bias.of(p.n)[j]);
      });
}

TEST_CASE("stages on bf16 tiles", "[gemm][epilogue][bf16]") {
  operands<f32> bias(83);
  operands<bf16> residual(84);
  check_chain<bf16, bf16, bf16, int_isas>(
      "add_bias, add_residual<bf16>, relu -> bf16",
      [&](product_case const& p) {
        return chain{add_bias{bias.of(p.n).data()}, add_residual{residual.of(p.m * p.n).data(), p.n},
                     activation::relu{}};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        f32 const x = v + bias.of(p.n)[j] + static_cast<f32>(residual.of(p.m * p.n)[i * p.n + j]);
        return bf16(x > 0 ? x : 0.0F);
      });
}

} // namespace ia_nn_test
