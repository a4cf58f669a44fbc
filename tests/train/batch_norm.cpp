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
        plan.backward({e.rows, x.data(), dy.data(), a, g, b}, s, scratch(plan.workspace_bytes()),
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

// Statistics and gradients of columns far from 0, close together, and with squares beyond f32.
// Bounds in 2^-24, where sums are c additions deep and T = variance + epsilon:
//   h        (1.5 c + 10) |h| + 1.75 c + 4               as for other norms (tests/ops/norm.cpp)
//   sums of (dy - mean) h / N    (5 c + 10) (S + d)      S: deviation of dy; d: error of its mean,
//                                                        c 2^-24 of the mean |dy|
//   diff_src / gain              that times |h|, and what h, dy - mean and the gain are off by
TEST_CASE("batch normalisation in training: last bits, and squares beyond f32", "[train]") {
  random r(15);
  constexpr double c = 19, u = 0x1p-24;
  struct numbers {
    f32 offset, deviation, epsilon;
  };
  for (numbers const& s : {numbers{1e4F, 1e-3F, 1e-5F}, {12345.678F, 2e-3F, 0}, {0, 1e30F, 1e-5F},
                           {12345.678F, 0, 1e-5F},      {0, 1e-30F, 0},         {0, 1e-30F, 1e-38F},
                           {3e38F, 1e37F, 0},           {-1e30F, 1e24F, 1e-5F},
                           {1e-30F, 1e-35F, 1e-30F}})
    for (index_t const rows : {2, 9, 64, 65, 300, 3000}) {
      constexpr index_t channels = 19;
      f32 const dy_offset = r.coin() ? 0.0F : 1000.0F, dy_deviation = r.coin() ? 1.0F : 1e-3F;
      INFO(rows << " rows around " << s.offset << " by " << s.deviation << ", epsilon "
                << s.epsilon << "; gradients around " << dy_offset << " by " << dy_deviation);
      index_t const n = rows * channels;
      exact_buffer<f32> x(n), dy(n), y(n), dx(n), gamma(channels), beta(channels), mean(channels),
          inv_std(channels), dg(channels), db(channels), running_mean(channels),
          running_variance(channels);
      for (f32& v : x) v = s.offset + s.deviation * r.normal();
      for (f32& v : dy) v = dy_offset + dy_deviation * r.normal();
      r.fill(gamma.data(), channels), r.fill(beta.data(), channels);
      auto const N = static_cast<double>(rows);
      for_each_isa<vector_isas>([&](auto tag) {
        ia_nn::batch_norm_training<decltype(tag)> const plan({channels, s.epsilon, 0.0F});
        ia_nn::batch_norm_state const state{gamma.data(),        beta.data(),
                                            running_mean.data(), running_variance.data(),
                                            mean.data(),         inv_std.data()};
        scratch memory(plan.workspace_bytes());
        plan.forward(rows, x.data(), y.data(), state, memory, pool_of(2));
        plan.backward({rows, x.data(), dy.data(), write_to(dx.data()), write_to(dg.data()),
                       write_to(db.data())},
                      state, memory, pool_of(2));
        std::string worst;
        auto const check = [&](char const* what, index_t i, f32 got, double want, double bound) {
          if (std::fabs(static_cast<double>(got) - want) <= bound + 0x1p-149) return;
          worst = std::string(what) + " " + std::to_string(i) + " is " + std::to_string(got) +
                  ", expected " + std::to_string(want) + " within " + std::to_string(bound);
        };
        for (index_t k = 0; k < channels; ++k) {
          auto const at_row = [&](exact_buffer<f32> const& b, index_t row) {
            return static_cast<double>(b[row * channels + k]);
          };
          // Differences to the first row are exact in double, or nearly.
          double m = 0, variance = 0, M = 0, D = 0, S = 0, along = 0;
          for (index_t i = 0; i < rows; ++i) {
            m += (at_row(x, i) - at_row(x, 0)) / N;
            M += at_row(dy, i) / N, D += std::fabs(at_row(dy, i)) / N;
          }
          auto const deviation = [&](index_t i) { return at_row(x, i) - at_row(x, 0) - m; };
          for (index_t i = 0; i < rows; ++i) {
            variance += deviation(i) * deviation(i) / N;
            S += (at_row(dy, i) - M) * (at_row(dy, i) - M) / N;
          }
          S = std::sqrt(S) + c * u * D;
          double const T = variance + static_cast<double>(s.epsilon), root = std::sqrt(T);
          if (root < 1e-33) continue; // of two rows: equal, and 0 / 0, or 1 / root is too large
          double const g = static_cast<double>(gamma[k]), b = static_cast<double>(beta[k]);
          for (index_t i = 0; i < rows; ++i)
            along += (at_row(dy, i) - M) * deviation(i) / root / N;
          check("mean", k, mean[k], at_row(x, 0) + m,
                u * (std::fabs(at_row(x, 0) + m) + (1.75 * c + 3) * root));
          check("running mean", k, running_mean[k], at_row(x, 0) + m,
                u * (std::fabs(at_row(x, 0) + m) + (1.75 * c + 3) * root));
          check("inverse deviation", k, inv_std[k], 1 / root, u * (1.5 * c + 8) / root);
          if (variance < 3e38)
            check("running variance", k, running_variance[k], variance, u * (3 * c + 12) * T);
          check("diff_gamma", k, dg[k], N * along, u * N * (5 * c + 10) * S);
          check("diff_beta", k, db[k], N * M, u * N * c * D);
          for (index_t i = 0; i < rows; ++i) {
            double const h = deviation(i) / root, e = at_row(dy, i) - M, H = std::fabs(h);
            check("y of channel", k, y[i * channels + k], h * g + b,
                  u * (std::fabs(g) * ((1.5 * c + 10) * H + 1.75 * c + 4) + 2 * std::fabs(b)));
            double const own = (1.5 * c + 2) * S + std::fabs(e) + (5 * c + 10) * S * H +
                               S * ((1.5 * c + 10) * H + 1.75 * c + 4);
            double const gain = std::fabs(g) / root;
            check("diff_src of channel", k, dx[i * channels + k], g / root * (e - h * along),
                  u * gain * (own + (1.5 * c + 15) * (std::fabs(e) + S * H)));
          }
        }
        CHECK(worst == "");
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
