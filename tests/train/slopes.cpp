// SPDX-License-Identifier: Apache-2.0
//
// The slope of every activation against central differences of the activation in double; what it is
// at kinks, of a NaN and of numbers beyond the range of squares.
#include "support.hpp"

#include <ia_nn/train/activation.hpp>

namespace ia_nn_test {
namespace {

namespace act = ia_nn::activation;
namespace slope = ia_nn::slope;
using ia_nn::gradient;
using slope::reads;

double normal_distribution(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752440); }
double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double log1pexp(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

// f(slope, activation in double, its kinks). Positive: only positive x.
template <class F> void each_slope(F&& f) {
  auto const of = [](auto const& a) { return ia_nn::slope_of(a); };
  auto const bent = [](double x, double alpha) { return x < 0 ? alpha * std::expm1(x) : x; };
  f("identity", of(act::identity{}), [](double x) { return x; });
  f("relu", of(act::relu{}), [](double x) { return std::max(x, 0.0); });
  f("leaky_relu", of(act::leaky_relu{0.125F}), [](double x) { return x > 0 ? x : 0.125 * x; });
  f("thresholded_relu", of(act::thresholded_relu{0.5F}), [](double x) { return x > 0.5 ? x : 0; });
  f("clip", of(act::clip{-1, 2}), [](double x) { return std::clamp(x, -1.0, 2.0); });
  f("hard_tanh", slope::hard_tanh{-1, 2}, [](double x) { return std::clamp(x, -1.0, 2.0); });
  f("elu", of(act::elu{0.75F}), [=](double x) { return bent(x, 0.75); });
  f("selu", of(act::selu{1.5F, 1.125F}), [=](double x) { return 1.125 * bent(x, 1.5); });
  f("celu", of(act::celu{0.5F}), [=](double x) { return x < 0 ? 0.5 * std::expm1(x / 0.5) : x; });
  f("sigmoid", of(act::sigmoid<>{}), logistic);
  f("hard_sigmoid", of(act::hard_sigmoid{0.25F, 0.5F}),
    [](double x) { return std::clamp(0.25 * x + 0.5, 0.0, 1.0); });
  f("tanh", of(act::tanh<>{}), [](double x) { return std::tanh(x); });
  f("softplus", of(act::softplus{}), log1pexp);
  f("softsign", of(act::softsign{}), [](double x) { return x / (1 + std::fabs(x)); });
  f("gelu", of(act::gelu<>{}), [](double x) { return x * normal_distribution(x); });
  f("gelu_tanh", of(act::gelu_tanh<>{}),
    [](double x) { return x * logistic(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)); });
  f("swish", of(act::swish<>{1.5F}), [](double x) { return x * logistic(1.5 * x); });
  f("hard_swish", of(act::hard_swish{}),
    [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); });
  f("mish", of(act::mish{}), [](double x) { return x * std::tanh(log1pexp(x)); });
  f("square", of(act::square{}), [](double x) { return x * x; });
  f("sqrt", of(act::sqrt{}), [](double x) { return std::sqrt(x); });
  f("abs", of(act::abs{}), [](double x) { return std::fabs(x); });
  f("exp", of(act::exp<>{}), [](double x) { return std::exp(x); });
  f("log", of(act::log<>{}), [](double x) { return std::log(x); });
  f("linear", of(act::linear{-1.5F, 2}), [](double x) { return -1.5 * x + 2; });
}

// Where one of these has a kink: moved away from.
constexpr f32 kinks[] = {-3, -2, -1, 0, 0.5F, 2, 3};
bool only_positive(std::string const& name) { return name == "sqrt" || name == "log"; }

} // namespace

TEST_CASE("slopes of activations", "[train][activation]") {
  random r(920);
  for (index_t n : {1, 7, 8, 9, 15, 16, 17, 35, 2 * 8192 + 5}) {
    INFO(n << " elements");
    exact_buffer<f32> x(n), value(n), diff(n), got(n);
    r.fill(diff.data(), n);
    each_slope([&](std::string const& name, auto const& f, auto const& forward) {
      INFO(name);
      for (index_t i = 0; i < n; ++i) {
        x[i] = 2 * r.normal();
        for (f32 const k : kinks)
          if (std::fabs(x[i] - k) < 0.01F) x[i] += 0.125F;
        if (only_positive(name)) x[i] = 0.25F + std::fabs(x[i]);
      }
      doubles want;
      for (index_t i = 0; i < n; ++i) {
        auto const at_x = static_cast<double>(x[i]);
        double const d = (forward(at_x + 1e-5) - forward(at_x - 1e-5)) / 2e-5;
        want.push_back(d * static_cast<double>(diff[i]));
        value[i] = f.value_of == reads::dst ? static_cast<f32>(forward(at_x)) : x[i];
      }
      f32 const* const read = f.value_of == reads::nothing ? nullptr : value.data();
      for_each_isa<vector_isas>([&](auto tag) {
        check_requests(n, got, [&](gradient g, int workers) {
          ia_nn::activation_backward<decltype(tag)>(n, read, diff.data(), g, f, pool_of(workers));
        });
        REQUIRE(difference(got, want, 1e-6) == "");
        if (f.value_of != reads::either) return;
        for (index_t i = 0; i < n; ++i)
          value[i] = static_cast<f32>(forward(static_cast<double>(x[i])));
        ia_nn::activation_backward<decltype(tag)>(n, value.data(), diff.data(),
                                                  write_to(got.data()), f);
        REQUIRE(difference(got, want, 1e-6) == "");
        for (index_t i = 0; i < n; ++i) value[i] = x[i];
      });
    });
  }
}

TEST_CASE("slopes in the tails", "[train][activation]") {
  // Numbers of any size have a slope between those of the limits, and keep their digits where it is
  // small: relative to itself, of the functions that say so.
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const at = [](auto const& f, f32 x) {
      f32 const one = 1;
      f32 y = 0;
      ia_nn::activation_backward<I>(1, &x, &one, write_to(&y), f);
      return static_cast<double>(y);
    };
    f32 const far[] = {17, 40, 90, 1e3F, 1e19F, 3e38F, std::numeric_limits<f32>::infinity()};
    for (f32 const x : far) {
      INFO("x " << x);
      auto const ends = [&](auto const& f, double low, double high) {
        CHECK(std::fabs(at(f, x) - high) < 1e-6);
        CHECK(std::fabs(at(f, -x) - low) < 1e-6);
      };
      ends(slope::gelu{}, 0, 1);
      ends(slope::gelu_tanh{}, 0, 1);
      ends(slope::swish{}, 0, 1);
      ends(slope::mish{}, 0, 1);
      ends(slope::softplus{}, 0, 1);
      ends(slope::selu{2, 1.5F}, 0, 1.5);
      ends(slope::celu{0.5F}, 0, 1);
      ends(slope::elu{}, 0, 1);
      ends(slope::hard_swish{}, 0, 1);
      ends(slope::softsign{}, x < 1e9F ? std::pow(1 + static_cast<double>(x), -2.0) : 0,
           x < 1e9F ? std::pow(1 + static_cast<double>(x), -2.0) : 0);
    }
    for (f32 x = -9; x < -3; x += 0.37F) {
      INFO("x " << x);
      auto const d = static_cast<double>(x);
      double const gelu =
          normal_distribution(d) + d * std::exp(-d * d / 2) * 0.39894228040143267794;
      CHECK(std::fabs(at(slope::gelu{}, x) / gelu - 1) < 1e-5);
      double const s = logistic(d), swish = s + d * s * (1 - s);
      CHECK(std::fabs(at(slope::swish{}, x) / swish - 1) < 1e-5);
      CHECK(std::fabs(at(slope::softplus{}, x) / s - 1) < 1e-6);
      double const t = std::tanh(log1pexp(d)), mish = t + d * (1 - t * t) * s;
      CHECK(std::fabs(at(slope::mish{}, x) / mish - 1) < 1e-5);
    }
  });
}

TEST_CASE("slopes at kinks and of a NaN are PyTorch's", "[train][activation]") {
  f32 const nan = std::nanf(""), inf = std::numeric_limits<f32>::infinity();
  for_each_isa<vector_isas>([&](auto tag) {
    constexpr index_t n = ia_nn::vec<f32, decltype(tag)>::size + 1; // a register and a tail
    exact_buffer<f32> value(n), diff(n), got(n);
    auto const is = [&](auto const& f, f32 x, f32 want) {
      for (index_t i = 0; i < n; ++i) value[i] = x, diff[i] = 2;
      ia_nn::activation_backward<decltype(tag)>(n, value.data(), diff.data(), write_to(got.data()),
                                                f);
      bool same = true;
      for (f32 const g : got) same = same && (std::isnan(want) ? std::isnan(g) : g == 2 * want);
      return same;
    };
    CHECK((is(slope::relu{}, 0, 0) && is(slope::relu{}, nan, 1)));
    CHECK((is(slope::clip{0, 6}, 0, 1) && is(slope::clip{0, 6}, 6, 1) &&
           is(slope::clip{0, 6}, nan, 0) && is(slope::clip{}, inf, 1)));
    CHECK((is(slope::hard_tanh{0, 6}, 0, 0) && is(slope::hard_tanh{0, 6}, 6, 0) &&
           is(slope::hard_tanh{0, 6}, nan, 1)));
    CHECK((is(slope::leaky_relu{0.5F}, 0, 0.5F) && is(slope::leaky_relu{0.5F}, nan, 0.5F)));
    CHECK((is(slope::elu{0.5F}, 0, 0.5F) && is(slope::elu{0.5F}, nan, 1)));
    CHECK((is(slope::celu{0.5F}, 0, 1) && is(slope::celu{0.5F}, nan, 1)));
    CHECK((is(slope::selu{2, 1.5F}, 0, 3) && is(slope::selu{2, 1.5F}, nan, 1.5F)));
    CHECK((is(slope::hard_swish{}, -3, 0) && is(slope::hard_swish{}, 3, 1) &&
           is(slope::hard_swish{}, nan, 1)));
    CHECK((is(slope::hard_sigmoid{}, 0, 0) && is(slope::hard_sigmoid{}, 1, 0) &&
           is(slope::hard_sigmoid{}, nan, 0)));
    CHECK((is(slope::abs{}, 0, 0) && is(slope::abs{}, -0.0F, 0) && is(slope::abs{}, nan, 0)));
    CHECK((is(slope::sqrt{}, 0, inf) && is(slope::log{}, 0, inf)));
    CHECK((is(slope::gelu{}, nan, nan) && is(slope::gelu_tanh{}, nan, nan) &&
           is(slope::swish{}, nan, nan) && is(slope::mish{}, nan, nan) &&
           is(slope::softplus{}, nan, nan) && is(slope::softsign{}, nan, nan)));
    CHECK((is(slope::gelu{}, 0, 0.5F) && is(slope::mish{}, 0, 0.6F)));
  });
}

} // namespace ia_nn_test
