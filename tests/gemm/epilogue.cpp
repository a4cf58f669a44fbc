// SPDX-License-Identifier: Apache-2.0
//
// Chains of stages on f32 tiles of every kind, edges included.
#include "epilogue.hpp"

namespace ia_nn_test {
namespace {

// A stage of a user: a struct with state, and its own type of result.
struct halve_to_integer {
  s32 add;
  template <vector_register V> auto operator()(V v) const noexcept {
    auto const whole = to_s32(v * V::broadcast(0.5F));
    return whole + whole.broadcast(add);
  }
};

} // namespace

TEST_CASE("bias and activation on f32 tiles", "[gemm][epilogue]") {
  operands<f32> bias(71);
  check_chain<f32, f32, f32, f32_isas>(
      "add_bias, relu",
      [&](product_case const& p) { return chain{add_bias{bias.of(p.n).data()}, activation::relu{}}; },
      [&](product_case const& p, f32 v, index_t, index_t j) {
        f32 const x = v + bias.of(p.n)[j];
        return x > 0 ? x : 0.0F;
      });
  operands<bf16> narrow(72);
  check_chain<f32, f32, bf16, f32_isas>(
      "add_bias<bf16>, clip -> bf16",
      [&](product_case const& p) { return chain{add_bias{narrow.of(p.n).data()}, activation::clip{-1, 2}}; },
      [&](product_case const& p, f32 v, index_t, index_t j) {
        f32 const x = v + static_cast<f32>(narrow.of(p.n)[j]);
        return bf16(x < -1 ? -1 : x > 2 ? 2 : x);
      });
}

TEST_CASE("scales, factors and residuals on f32 tiles", "[gemm][epilogue]") {
  operands<f32> factor(73), bias(74), residual(75);
  operands<bf16> other(76);
  check_chain<f32, f32, f32, f32_isas>(
      "scale, scale_columns, add_residual",
      [&](product_case const& p) {
        return chain{scale{0.3F}, scale_columns{factor.of(p.n).data()},
                     add_residual{residual.of(p.m * p.n).data(), p.n}};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        f32 const scaled = v * 0.3F * factor.of(p.n)[j];
        f32 volatile const rounded = scaled; // or the compiler contracts to an fma
        return rounded + residual.of(p.m * p.n)[i * p.n + j];
      },
      1e-6); // the compiler may contract the kernel's as well
  check_chain<f32, f32, f32, f32_isas>(
      "scale_bias, multiply<bf16>",
      [&](product_case const& p) {
        return chain{scale_bias{factor.of(p.n).data(), bias.of(p.n).data()},
                     multiply{other.of(p.m * p.n).data(), p.n}};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        return std::fma(v, factor.of(p.n)[j], bias.of(p.n)[j]) *
               static_cast<f32>(other.of(p.m * p.n)[i * p.n + j]);
      });
}

TEST_CASE("tanh and gelu as stages", "[gemm][epilogue]") {
  check_chain<f32, f32, f32, f32_isas>(
      "tanh, then gelu",
      [](product_case const&) { return chain{activation::tanh<>{}, activation::gelu<>{}}; },
      [](product_case const&, f32 v, index_t, index_t) {
        double const t = std::tanh(static_cast<double>(v));
        return static_cast<f32>(t / 2 * std::erfc(-t / std::sqrt(2.0)));
      },
      4e-7);
}

TEST_CASE("stages of the user: lambdas with and without a position, structs", "[gemm][epilogue]") {
  operands<f32> table(77);
  check_chain<f32, f32, f32, f32_isas>(
      "lambda (v), lambda (v, at)",
      [&](product_case const& p) {
        f32 const* const t = table.of(p.m * p.n).data();
        index_t const ld = p.n;
        return chain{[](auto v) { return max(v, v.broadcast(0.5F)); },
                     [t, ld](auto v, auto at) { return min(v, at.template matrix<decltype(v)>(t, ld)); }};
      },
      [&](product_case const& p, f32 v, index_t i, index_t j) {
        f32 const t = table.of(p.m * p.n)[i * p.n + j], x = v > 0.5F ? v : 0.5F;
        return x < t ? x : t;
      });
  check_chain<f32, f32, f32, f32_isas>(
      "the row and the columns of a position",
      [](product_case const&) {
        return chain{[](auto v, auto at) {
          alignas(64) f32 lanes[16];
          for (int i = 0; i < v.size; ++i) // lanes beyond at.lanes.count must not be stored
            lanes[i] = i < at.lanes.count ? static_cast<f32>(1000 * at.row + at.column + i) : -1.0F;
          return v.load(lanes);
        }};
      },
      [](product_case const&, f32, index_t i, index_t j) { return static_cast<f32>(1000 * i + j); });
  check_chain<f32, f32, s8, f32_isas>(
      "a struct that turns to s32",
      [](product_case const&) { return chain{halve_to_integer{3}}; },
      [](product_case const&, f32 v, index_t, index_t) {
        return saturated<s8>(std::nearbyint(static_cast<double>(v) * 0.5) + 3);
      });
}

TEST_CASE("a residual may be the old destination", "[gemm][epilogue]") {
  random r(78);
  for (index_t m : {1, 5, 18})
    for_each_isa<f32_isas>([&](auto tag) {
      using I = decltype(tag);
      product_case p;
      p.m = m, p.n = 37, p.k = 11, p.c_gap = 2;
      product<f32, f32, f32> const x(p, r);
      exact_buffer<f32> sums((m - 1) * x.ldc() + p.n), out((m - 1) * x.ldc() + p.n);
      x.template run<I>(sums);
      x.template run<I>(out, chain{add_residual{out.data(), x.ldc()}});
      for (index_t i = 0; i < m; ++i)
        for (index_t j = 0; j < p.n; ++j)
          REQUIRE(out[i * x.ldc() + j] == sums[i * x.ldc() + j] + x.c_before()[i * x.ldc() + j]);
    });
}

} // namespace ia_nn_test
