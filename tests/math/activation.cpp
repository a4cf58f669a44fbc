// SPDX-License-Identifier: Apache-2.0
//
// Activations against their formulas in double, on every ISA, on registers and on one f32.
#include "isa.hpp"
#include "math/accuracy.hpp"
#include "random.hpp"

using namespace ia_nn_test;
namespace act = ia_nn::activation;

namespace {

constexpr f32 inf = std::numeric_limits<f32>::infinity();
constexpr index_t count = 4096;

// Random numbers of all sizes, a dense middle, and the limits.
std::vector<f32> arguments() {
  ia_nn_test::random r(17);
  std::vector<f32> x = {0.0F,
                        -0.0F,
                        inf,
                        -inf,
                        1.0F,
                        -1.0F,
                        0.5F,
                        3.0F,
                        -3.0F,
                        6.0F,
                        0x1.fffffep127F,
                        -0x1.fffffep127F,
                        0x1p-126F,
                        -0x1p-126F,
                        1e-45F,
                        -1e-45F};
  while (x.size() < count / 2) x.push_back(r.uniform(-12, 12));
  while (x.size() < count) {
    f32 const any = from_bits(r.bits());
    if (!std::isnan(any)) x.push_back(any);
  }
  return x;
}

// f within the bound of `formula` everywhere, the same on one f32, and NaN to NaN.
template <class F, class Formula> void check(F const& f, bound promised, Formula formula) {
  INFO("activation " << F::name);
  std::vector<f32> const x = arguments();
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    using v = ia_nn::vec<f32, I>;
    static_assert(ia_nn::activation_for<F, v>);
    std::vector<f32> y(count);
    ia_nn_test::map<I>(f, x.data(), y.data(), count);
    for (std::size_t i = 0; i < count; ++i) {
      double const real = formula(static_cast<double>(x[i]));
      difference const d = compare(y[i], real);
      CAPTURE(x[i], y[i], real, d.ulp, d.absolute);
      if (!promised.holds(d)) REQUIRE(promised.holds(d));
      if (to_bits(f(x[i])) != to_bits(y[i]) && !std::isnan(y[i])) REQUIRE(f(x[i]) == y[i]);
    }
    f32 nan[16] = {};
    f(v::broadcast(std::numeric_limits<f32>::quiet_NaN())).store(nan);
    for (int i = 0; i < v::size; ++i) CHECK(std::isnan(nan[i]));
    CHECK(std::isnan(f(std::numeric_limits<f32>::quiet_NaN())));
  });
}

double clamp(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }

} // namespace

TEST_CASE("piecewise linear activations", "[math]") {
  check(act::identity{}, {}, [](double x) { return x; });
  check(act::relu{}, {}, [](double x) { return x > 0 ? x : 0; });
  check(act::leaky_relu{}, {0.5},
        [](double x) { return x < 0 ? x * static_cast<double>(0.01F) : x; });
  check(act::leaky_relu{0.3F}, {0.5},
        [](double x) { return x < 0 ? x * static_cast<double>(0.3F) : x; });
  check(act::thresholded_relu{}, {}, [](double x) { return x > 1 ? x : 0; });
  check(act::thresholded_relu{-2.0F}, {}, [](double x) { return x > -2 ? x : 0; });
  check(act::clip{-1.5F, 2.5F}, {}, [](double x) { return clamp(x, -1.5, 2.5); });
  check(act::clip{.lo = 0}, {}, [](double x) { return x > 0 ? x : 0; });
  check(act::clip{.lo = -1.5F}, {}, [](double x) { return x > -1.5 ? x : -1.5; });
  check(act::clip{.hi = 2.5F}, {}, [](double x) { return x < 2.5 ? x : 2.5; });
  check(act::clip{}, {}, [](double x) { return x; });
  check(act::relu6, {}, [](double x) { return clamp(x, 0, 6); });
  check(act::hard_sigmoid{0.2F}, {0.5},
        [](double x) { return clamp(static_cast<double>(0.2F) * x + 0.5, 0, 1); });
  check(act::hard_sigmoid{}, {0.5},
        [](double x) { return clamp(static_cast<double>(1.0F / 6.0F) * x + 0.5, 0, 1); });
  // x times a gate that is rounded: near x = -3 the gate has cancelled, so only the sum is
  // accurate.
  check(act::hard_swish{}, {2, 0, 0x1p-21}, [](double x) {
    return x <= -3 ? 0 : x >= 3 ? x : x * (x / 6 + 0.5);
  });
  check(act::linear{2.5F, -0.75F}, {0.5}, [](double x) { return 2.5 * x - 0.75; });
}

TEST_CASE("algebraic activations", "[math]") {
  check(act::softsign{}, {2}, &reference::softsign);
  check(act::square{}, {0.5}, [](double x) { return x * x; });
  check(act::sqrt{}, {0.5}, [](double x) { return std::sqrt(x); });
  check(act::abs{}, {}, [](double x) { return std::fabs(x); });
}

TEST_CASE("activations with parameters that change the exponential", "[math]") {
  check(act::elu{0.5F}, {2}, [](double x) { return x < 0 ? 0.5 * std::expm1(x) : x; });
  check(act::elu{1.7F}, {2.5},
        [](double x) { return x < 0 ? static_cast<double>(1.7F) * std::expm1(x) : x; });
  check(act::selu{}, {2.5}, &reference::selu);
  // x / alpha is rounded before the exponential, which moves the argument by half a unit.
  check(act::celu{2.0F}, {2}, [](double x) { return x < 0 ? 2 * std::expm1(x / 2) : x; });
  check(act::celu{0.3F}, {4}, [](double x) {
    double const a = static_cast<double>(0.3F);
    return x < 0 ? a * std::expm1(x / a) : x;
  });
  // swish(x, beta) = swish(beta x) / beta
  check(act::swish<ia_nn::precise>{2.0F}, {3.5, 0, 0x1p-141},
        [](double x) { return reference::swish(2 * x) / 2; });
}

TEST_CASE("signs of zero and names of activations", "[math]") {
  CHECK(std::signbit(act::relu{}(-0.0F)));
  CHECK(std::signbit(act::leaky_relu{}(-0.0F)));
  CHECK(std::signbit(act::elu{}(-0.0F)));
  CHECK(std::signbit(act::softsign{}(-0.0F)));
  CHECK(std::signbit(act::swish<ia_nn::precise>{}(-0.0F)));
  CHECK(std::signbit(act::mish{}(-0.0F)));
  CHECK(std::signbit(act::gelu_tanh<ia_nn::fast>{}(-0.0F)));
  CHECK(act::selu{}(-inf) == Approx(-1.0507009873554805 * 1.6732632423543772));
  CHECK(act::elu{}(-inf) == -1.0F);
  CHECK(act::mish{}(-inf) == 0.0F);
  CHECK(act::hard_swish{}(-inf) == 0.0F);
  CHECK(act::softplus{}(-inf) == 0.0F);
  CHECK(act::softplus{}(inf) == inf);
  CHECK(std::string(act::relu::name) == "relu");
  CHECK(std::string(act::gelu<ia_nn::fast>::name) == "gelu");
  CHECK(std::string(ia_nn::name_of<ia_nn::fast>()) == "fast");
}
