// SPDX-License-Identifier: Apache-2.0
#include "expr_support.hpp"

#include <ia_nn/ops/expr.hpp>

#include <cmath>

namespace ia_nn_test {

TEST_CASE("activations are functions of expressions", "[expr]") {
  random r(31);
  constexpr index_t n = 83;
  tensor<f32, shape<n>> a, b, y;
  r.fill(a.data(), n);
  r.fill(b.data(), n);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const check = [&](auto const& e, double (*f)(double), double tolerance) {
      eval<I>(y, e);
      double worst = 0;
      for (index_t i = 0; i < n; ++i) {
        double const x = static_cast<double>(a(i) + b(i)), expected = f(x);
        worst = std::max(worst, std::fabs(static_cast<double>(y(i)) - expected) /
                                    (1 + std::fabs(expected)));
      }
      CHECK(worst <= tolerance);
    };
    double const near = 1e-6, fast_near = 1e-3;
    check(relu(a + b), [](double x) { return x > 0 ? x : 0; }, 0);
    check(abs(a + b), [](double x) { return std::fabs(x); }, 0);
    check(sqrt(square(a + b)), [](double x) { return std::fabs(x); }, near);
    check(round(a + b), [](double x) { return std::nearbyint(x); }, 0);
    check(clip(a + b, -0.5F, 1), [](double x) { return std::min(1.0, std::max(-0.5, x)); }, 0);
    check(leaky_relu(a + b, 0.25F), [](double x) { return x > 0 ? x : 0.25 * x; }, 0);
    check(exp(a + b), [](double x) { return std::exp(x); }, near);
    check(log(square(a + b) + 1), [](double x) { return std::log(x * x + 1); }, near);
    check(sigmoid(a + b), [](double x) { return 1 / (1 + std::exp(-x)); }, near);
    check(sigmoid<fast>(a + b), [](double x) { return 1 / (1 + std::exp(-x)); }, fast_near);
    check(tanh(a + b), [](double x) { return std::tanh(x); }, near);
    check(gelu(a + b), [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }, near);
    check(
        gelu_tanh<fast>(a + b), [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); },
        fast_near);
    check(silu(a + b), [](double x) { return x / (1 + std::exp(-x)); }, near);
    check(swish(a + b), [](double x) { return x / (1 + std::exp(-x)); }, near);
    check(
        selu(a + b),
        [](double x) {
          return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x));
        },
        near);
    check(softplus(a + b), [](double x) { return std::log1p(std::exp(x)); }, near);
    check(softsign(a + b), [](double x) { return x / (1 + std::fabs(x)); }, near);
    check(
        hard_swish(a + b), [](double x) { return x * std::min(1.0, std::max(0.0, x / 6 + 0.5)); },
        near);
    check(mish(a + b), [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }, near);
    check(
        map(activation::elu{0.5F}, a + b), [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); },
        near);
    // A function of two registers, written in place.
    check(
        map([](auto p, auto q) { return p + q * q; }, a + b, 2), [](double x) { return x + 4; },
        near);
  });
}

} // namespace ia_nn_test
