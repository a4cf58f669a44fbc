// SPDX-License-Identifier: Apache-2.0
//
// Batch normalisation in training: results, running statistics, gradients.
#include "oracle/train_layers.hpp"
#include "support.hpp"

#include <ia_nn/train/batch_norm.hpp>

namespace ia_nn_test {

using ia_nn::gradient;

TEST_CASE("batch normalisation in training", "[train][batch_norm]") {
  random r(14);
  struct extents {
    index_t rows, channels;
    bool slopes; ///< small enough for central differences
  };
  constexpr f32 epsilon = 1e-3F, momentum = 0.75F;
  for (extents const e : {extents{1, 3, true},
                          {2, 1, true},
                          {5, 7, true},
                          {9, 17, true},
                          {64, 8, false},
                          {65, 16, false},
                          {1500, 33, false},
                          {9000, 5, false}}) {
    INFO(e.rows << " x " << e.channels);
    index_t const n = e.rows * e.channels;
    exact_buffer<f32> x(n), dy(n), y(n), gamma(e.channels), beta(e.channels);
    for (f32& v : x) v = 2 * r.normal() + 5;
    r.fill(dy.data(), n), r.fill(gamma.data(), e.channels), r.fill(beta.data(), e.channels);
    doubles const X = to_doubles(x), G = to_doubles(gamma), B = to_doubles(beta),
                  D = to_doubles(dy);
    auto const forward = [&](doubles const& a, doubles const& g, doubles const& b) {
      return normalised(e.rows, e.channels, static_cast<double>(epsilon), a, g, b);
    };
    normalised const want = forward(X, G, B);
    for_each_isa<vector_isas>([&](auto tag) {
      using I = decltype(tag);
      ia_nn::batch_norm_training<I> const plan({e.channels, epsilon, momentum});
      exact_buffer<f32> first(n), mean(e.channels), inv_std(e.channels);
      ia_nn::batch_norm_state s{gamma.data(), beta.data(), nullptr,
                                nullptr,      mean.data(), inv_std.data()};
      for (int workers : {1, 2, 3}) {
        exact_buffer<f32> running_mean(e.channels), running_variance(e.channels);
        std::fill(running_mean.begin(), running_mean.end(), 2.0F);
        std::fill(running_variance.begin(), running_variance.end(), 3.0F);
        s.running_mean = running_mean.data(), s.running_variance = running_variance.data();
        plan.forward(e.rows, x.data(), y.data(), s, scratch(plan.workspace_bytes()),
                     pool_of(workers));
        if (workers == 1) std::memcpy(first.data(), y.data(), at(n) * sizeof(f32));
        REQUIRE(same_bits(y, first));
        REQUIRE(difference(y, want.y, 2e-5) == "");
        doubles new_mean, new_variance;
        for (index_t c = 0; c < e.channels; ++c) {
          new_mean.push_back(0.75 * 2 + 0.25 * want.mean[at(c)]);
          new_variance.push_back(0.75 * 3 + 0.25 * want.variance[at(c)]);
        }
        REQUIRE(difference(running_mean, new_mean, 1e-6) == "");
        REQUIRE(difference(running_variance, new_variance, 2e-6) == "");
      }
      s.running_mean = s.running_variance = nullptr;
      exact_buffer<f32> dx(n), dg(e.channels), db(e.channels);
      auto const backward = [&](gradient a, gradient g, gradient b, int workers) {
        plan.backward(e.rows, x.data(), dy.data(), s, a, g, b, scratch(plan.workspace_bytes()),
                      pool_of(workers));
      };
      check_requests(n, dx, [&](gradient g, int w) { backward(g, not_wanted, not_wanted, w); });
      check_requests(e.channels, dg,
                     [&](gradient g, int w) { backward(not_wanted, g, not_wanted, w); });
      check_requests(e.channels, db,
                     [&](gradient g, int w) { backward(not_wanted, not_wanted, g, w); });
      if (e.slopes) {
        REQUIRE(difference(dx,
                           central_differences(
                               X, [&](doubles const& v) { return dot(forward(v, G, B).y, D); }),
                           1e-4) == "");
        REQUIRE(difference(dg,
                           central_differences(
                               G, [&](doubles const& v) { return dot(forward(X, v, B).y, D); }),
                           1e-4) == "");
        REQUIRE(difference(db,
                           central_differences(
                               B, [&](doubles const& v) { return dot(forward(X, G, v).y, D); }),
                           1e-4) == "");
      }
      // By the formula, in double.
      doubles sum(at(e.channels)), sum_h(at(e.channels)), want_dx(at(n));
      auto const h = [&](index_t i) {
        std::size_t const c = at(i % e.channels);
        return (X[at(i)] - want.mean[c]) /
               std::sqrt(want.variance[c] + static_cast<double>(epsilon));
      };
      for (index_t i = 0; i < n; ++i) {
        sum[at(i % e.channels)] += D[at(i)];
        sum_h[at(i % e.channels)] += D[at(i)] * h(i);
      }
      for (index_t i = 0; i < n; ++i) {
        std::size_t const c = at(i % e.channels);
        auto const rows = static_cast<double>(e.rows);
        want_dx[at(i)] = G[c] / std::sqrt(want.variance[c] + static_cast<double>(epsilon)) *
                         (D[at(i)] - sum[c] / rows - h(i) * sum_h[c] / rows);
      }
      REQUIRE(difference(dx, want_dx, 1e-4) == "");
      REQUIRE(difference(dg, sum_h, 1e-5 * std::sqrt(static_cast<double>(e.rows))) == "");
      REQUIRE(difference(db, sum, 1e-5) == "");
    });
  }
}

TEST_CASE("errors of batch normalisation in training", "[train][batch_norm][errors]") {
  using I = ia_nn::isa::scalar;
  using norm = ia_nn::batch_norm_training<I>;
  REQUIRE_ERROR([&] { norm const p({0}); }, errc::bad_shape, "channels is 0");
  REQUIRE_ERROR([&] { norm const p({1, -1.0F}); }, errc::bad_parameter, "epsilon is -1, must be");
  REQUIRE_ERROR([&] { norm const p({1, std::nanf("")}); }, errc::bad_parameter, "epsilon is");
  REQUIRE_ERROR([&] { norm const p({1, 0.1F, 1.5F}); }, errc::bad_parameter,
                "momentum is 1.5, must be within [0, 1]");
}

} // namespace ia_nn_test
