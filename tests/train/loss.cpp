// SPDX-License-Identifier: Apache-2.0
//
// Cross-entropy and negative log-likelihood with their gradients.
#include "oracle/train_layers.hpp"
#include "support.hpp"

#include <ia_nn/train/loss.hpp>

namespace ia_nn_test {

using ia_nn::cross_entropy;
using ia_nn::cross_entropy_call;
using ia_nn::gradient;
using ia_nn::reduction;

TEST_CASE("cross-entropy and its gradient", "[train][loss]") {
  random r(22);
  for (index_t classes : {1, 2, 7, 8, 10, 15, 16, 17, 35})
    for (int variant = 0; variant < 12; ++variant) {
      bool const weighted = variant % 2 != 0, nll = variant / 2 % 2 != 0;
      reduction const reduce = variant < 4   ? reduction::mean
                               : variant < 8 ? reduction::sum
                                             : reduction::none;
      constexpr index_t rows = 9;
      INFO(classes << " classes, variant " << variant);
      exact_buffer<f32> x(rows * classes), class_weights(classes), dx(x.size());
      for (f32& v : x) v = nll ? -std::fabs(r.normal()) : 4 * r.normal();
      r.fill_between(class_weights.data(), classes, 0.5F, 2.0F);
      std::vector<s32> labels(rows);
      for (s32& l : labels) l = static_cast<s32>(r.between(0, classes - 1));
      if (classes > 2) labels[3] = -100;
      doubles const W = weighted ? to_doubles(class_weights) : doubles{};
      row_losses const want(classes, to_doubles(x), labels, W, nll);
      double const divisor = reduce == reduction::mean ? want.weights : 1;
      doubles const slopes = central_differences(to_doubles(x), [&](doubles const& v) {
        return row_losses(classes, v, labels, W, nll).total() / divisor;
      });
      for_each_isa<vector_isas>([&](auto tag) {
        exact_buffer<f32> loss(reduce == reduction::none ? rows : 1), log_p(x.size());
        check_requests(x.size(), dx, [&](gradient g, int workers) {
          cross_entropy<decltype(tag)> const plan( // three workers come to a plan for two
              {classes, rows + 2, reduce, nll, -100, std::min(workers, 2)});
          plan.check_labels(rows, labels.data());
          plan.run(cross_entropy_call<s32>{rows, x.data(), labels.data(),
                                           weighted ? class_weights.data() : nullptr, loss.data(),
                                           g, nll ? nullptr : log_p.data()},
                   scratch(plan.workspace_bytes()), pool_of(workers));
        });
        REQUIRE(difference(dx, slopes) == "");
        REQUIRE(difference(loss,
                           reduce == reduction::none ? want.loss : doubles{want.total() / divisor},
                           1e-6) == "");
        if (!nll) REQUIRE(difference(log_p, want.log_p, 1e-6) == "");
      });
    }
}

TEST_CASE("cross-entropy over many classes", "[train][loss]") {
  // Equal logits but one: a running sum of equal numbers drifts, with it each probability.
  constexpr index_t classes = 200'001;
  exact_buffer<f32> x(classes), dx(classes), loss(1);
  std::fill(x.begin(), x.end(), -2.3F);
  x[7] = 0;
  double const each = std::exp(static_cast<double>(-2.3F)), sum = 1 + (classes - 1) * each;
  exact_buffer<ia_nn::u8> labels(1); // class 0
  for_each_isa<vector_isas>([&](auto tag) {
    cross_entropy<decltype(tag)> const plan({classes, 1});
    plan.run(cross_entropy_call<ia_nn::u8>{1, x.data(), labels.data(), nullptr, loss.data(),
                                           write_to(dx.data())},
             scratch(plan.workspace_bytes()), pool_of(1));
    // Sums of 64, their long_sum, the lanes; exp, 2 for the difference, 1 / sum and two products.
    constexpr double bound = (63 + 2 + 4 + 2 + 2 * 2.3 + 3) * 0x1p-24;
    REQUIRE(std::fabs(static_cast<double>(loss[0]) - std::log(sum / each)) <=
            bound + 4 * 0x1p-24 * std::log(sum));
    for (index_t const i : {1, 8, 1000, 200'000})
      REQUIRE(std::fabs(static_cast<double>(dx[i]) - each / sum) <= bound * each / sum);
  });
}

TEST_CASE("cross-entropy of extreme logits and u8 labels", "[train][loss]") {
  for_each_isa<vector_isas>([&](auto tag) {
    cross_entropy<decltype(tag)> const plan({3, 4});
    exact_buffer<f32> x(12), dx(12), loss(1);
    f32 const inf = std::numeric_limits<f32>::infinity();
    f32 const values[] = {3e38F, -3e38F, 0,    -1e30F, -1e30F, -1e30F,
                          -inf,  0,      -inf, 1000,   999,    -1000};
    std::copy(values, values + 12, x.data());
    exact_buffer<ia_nn::u8> labels(4);
    labels[1] = 2, labels[2] = 1;
    plan.run(cross_entropy_call<ia_nn::u8>{4, x.data(), labels.data(), nullptr, loss.data(),
                                           write_to(dx.data())},
             scratch(plan.workspace_bytes()), pool_of(1));
    double const e = std::exp(-1.0);
    REQUIRE(difference(loss, {(std::log(3.0) + std::log(1 + e)) / 4}, 1e-6) == "");
    double const third = 1.0 / 12, p = 1 / (1 + e) / 4;
    REQUIRE(difference(dx, {0, 0, 0, third, third, third - 0.25, 0, 0, 0, p - 0.25, 0.25 - p, 0},
                       1e-6) == "");
  });
}

TEST_CASE("errors of cross-entropy", "[train][loss][errors]") {
  using I = ia_nn::isa::scalar;
  using entropy = cross_entropy<I>;
  REQUIRE_ERROR([&] { entropy const c({0}); }, errc::bad_shape, "cross_entropy: classes is 0");
  REQUIRE_ERROR([&] { entropy const c({1, 0}); }, errc::bad_shape, "max_rows is 0");
  entropy const plan({10, 4});
  s32 const labels[] = {0, 9, 10, -1};
  plan.check_labels(2, labels);
  REQUIRE_ERROR([&] { plan.check_labels(4, labels); }, errc::bad_parameter,
                "label 10 of row 2 is not one of 10 classes");
}

} // namespace ia_nn_test
