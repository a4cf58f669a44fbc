// SPDX-License-Identifier: Apache-2.0
//
// Losses that compare element by element, and their gradients: against their formulas in double and
// central differences of these.
#include "support.hpp"

#include <ia_nn/train/element_loss.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::gradient;
using ia_nn::reduction;
namespace form = ia_nn::loss_form;

// f(form, its formula)
template <class F> void each_form(F&& f) {
  auto const bent = [](double d, double limit) {
    return std::fabs(d) <= limit ? d * d / 2 : limit * (std::fabs(d) - limit / 2);
  };
  f(form::squared{}, [](double x, double t) { return (x - t) * (x - t); });
  f(form::absolute{}, [](double x, double t) { return std::fabs(x - t); });
  f(form::huber{0.5F}, [=](double x, double t) { return bent(x - t, 0.5); });
  f(form::smooth_l1{0.25F}, [=](double x, double t) { return bent(x - t, 0.25) / 0.25; });
  f(form::smooth_l1{0}, [](double x, double t) { return std::fabs(x - t); });
  f(form::logistic{1.5F}, [](double x, double t) {
    auto const log1pexp = [](double v) {
      return std::max(v, 0.0) + std::log1p(std::exp(-std::fabs(v)));
    };
    return (1 - t) * log1pexp(x) + 1.5 * t * log1pexp(-x);
  });
}

} // namespace

TEST_CASE("losses of elements and their gradients", "[train][loss]") {
  random r(980);
  for (index_t n : {1, 7, 8, 9, 15, 16, 17, 35, 2 * 8192 + 5})
    for (reduction reduce : {reduction::none, reduction::sum, reduction::mean})
      for (bool weighted : {false, true})
        each_form([&](auto const& f, auto const& formula) {
          INFO(f.name << " of " << n << ", reduction " << static_cast<int>(reduce));
          exact_buffer<f32> x(n), t(n), w(n), dx(n);
          r.fill(x.data(), n), r.fill_between(t.data(), n, 0, 1),
              r.fill_between(w.data(), n, 0.5F, 2);
          for (index_t i = 0; i < n; ++i) // kinks have no slope
            for (f32 const k : {-0.5F, -0.25F, 0.0F, 0.25F, 0.5F})
              if (std::fabs(x[i] - t[i] - k) < 1e-3F) x[i] += 0.01F;
          double const divisor = reduce == reduction::mean ? static_cast<double>(n) : 1;
          doubles losses, slopes;
          double total = 0;
          for (index_t i = 0; i < n; ++i) {
            auto const at_x = static_cast<double>(x[i]), at_t = static_cast<double>(t[i]);
            double const factor = weighted ? static_cast<double>(w[i]) : 1;
            losses.push_back(factor * formula(at_x, at_t));
            total += losses.back();
            slopes.push_back(factor * (formula(at_x + 1e-5, at_t) - formula(at_x - 1e-5, at_t)) /
                             2e-5 / divisor);
          }
          for_each_isa<vector_isas>([&](auto tag) {
            ia_nn::element_loss<decltype(tag), std::remove_cvref_t<decltype(f)>> const plan(
                {n + 1, reduce}, f);
            exact_buffer<f32> loss(reduce == reduction::none ? n : 1), first(loss.size());
            check_requests(n, dx, [&](gradient g, int workers) {
              fill_nan(loss);
              plan.run({n, x.data(), t.data(), weighted ? w.data() : nullptr, loss.data(), g},
                       scratch(plan.workspace_bytes()), pool_of(workers));
              if (workers == 1) std::copy(loss.begin(), loss.end(), first.begin());
              REQUIRE(same_bits(loss, first));
            });
            REQUIRE(difference(dx, slopes, 1e-6) == "");
            REQUIRE(difference(loss, reduce == reduction::none ? losses : doubles{total / divisor},
                               1e-6) == "");
          });
        });
}

TEST_CASE("losses at their kinks and far away", "[train][loss]") {
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const both = [](auto const& f, f32 x, f32 t) {
      ia_nn::element_loss<I, std::remove_cvref_t<decltype(f)>> const plan({1}, f);
      f32 loss = 0, slope = 0;
      plan.run({1, &x, &t, nullptr, &loss, write_to(&slope)}, scratch(plan.workspace_bytes()));
      return std::pair(loss, slope);
    };
    CHECK(both(form::absolute{}, 2, 2) == std::pair(0.0F, 0.0F));
    CHECK(both(form::smooth_l1{0}, 2, 2) == std::pair(0.0F, 0.0F));
    CHECK(both(form::huber{2}, 3, 1) == std::pair(2.0F, 2.0F));
    CHECK(both(form::smooth_l1{2}, -1, 1) == std::pair(1.0F, -1.0F));
    CHECK(both(form::huber{1}, 1e30F, 0) == std::pair(1e30F, 1.0F));
    CHECK(both(form::logistic{}, 1e30F, 1) == std::pair(0.0F, 0.0F));
    CHECK(both(form::logistic{}, -1e30F, 0) == std::pair(0.0F, 0.0F));
    CHECK(both(form::logistic{}, 100, 0) == std::pair(100.0F, 1.0F));
    CHECK(both(form::logistic{}, -100, 1) == std::pair(100.0F, -1.0F));
    // A small loss keeps its digits.
    CHECK(std::fabs(static_cast<double>(both(form::logistic{}, 20, 1).first) /
                        std::log1p(std::exp(-20.0)) -
                    1) < 1e-6);
    CHECK(
        std::fabs(static_cast<double>(both(form::logistic{}, 20, 1).second) * (1 + std::exp(20.0)) +
                  1) < 1e-6);
    CHECK(std::isnan(both(form::squared{}, std::nanf(""), 1).first));
  });
}

TEST_CASE("the mean of many losses loses nothing", "[train][loss]") {
  constexpr index_t n = 3'000'001;
  exact_buffer<f32> x(n), t(n), loss(1);
  for (f32& v : x) v = 0.1F;
  for_each_isa<vector_isas>([&](auto tag) {
    ia_nn::l1_loss<decltype(tag)> const plan({n});
    plan.run({n, x.data(), t.data(), nullptr, loss.data()}, scratch(plan.workspace_bytes()),
             pool_of(2));
    REQUIRE(std::fabs(static_cast<double>(loss[0]) / static_cast<double>(0.1F) - 1) < 40 * 0x1p-24);
  });
}

TEST_CASE("errors of losses of elements", "[train][loss][errors]") {
  using I = ia_nn::isa::scalar;
  REQUIRE_ERROR([&] { ia_nn::mean_squared_error<I> const l({0}); }, errc::bad_shape,
                "mean_squared_error: max_elements is 0");
  REQUIRE_ERROR([&] { ia_nn::huber_loss<I> const l({1}, {0}); }, errc::bad_parameter,
                "huber_loss: its parameter is out of range");
  REQUIRE_ERROR([&] { ia_nn::smooth_l1_loss<I> const l({1}, {-1}); }, errc::bad_parameter,
                "smooth_l1_loss: its parameter");
  REQUIRE_ERROR([&] { ia_nn::binary_cross_entropy<I> const l({1}, {std::nanf("")}); },
                errc::bad_parameter, "binary_cross_entropy: its parameter");
}

} // namespace ia_nn_test
