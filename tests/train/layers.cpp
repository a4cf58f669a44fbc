// SPDX-License-Identifier: Apache-2.0
//
// Gradients of pooling and activations.
#include "oracle/train_layers.hpp"
#include "support.hpp"

#include <ia_nn/train/activation.hpp>
#include <ia_nn/train/pool.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::gradient;
using ia_nn::pool_backward_shape;

pool_backward_shape const pools[] = {
    {1, {}, {}},
    {3, {1, 6, 6}, {{1, 2, 2}, {1, 2, 2}}},
    {16, {1, 7, 5}, {{1, 3, 2}, {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 0}}},
    {17, {1, 7, 8}, {{1, 3, 3}, {1, 2, 2}}, true},
    {5, {1, 5, 5}, {{1, 2, 2}, {1, 2, 2}, {1, 2, 1}, {0, 1, 0}, {0, 0, 1}}, true, false},
    {67, {1, 4, 4}, {{1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}}},
    {2, {1, 6, 7}, {{1, 2, 3}, {1, 1, 2}, {}, {0, 0, 1}, {0, -1, -2}}, false, false},
    {6, {1, 3, 2}, {{1, 5, 4}, {1, 3, 3}, {}, {0, 0, 1}, {0, 0, 0}}, true}, // one window
    {4, {3, 4, 5}, {{2, 2, 3}, {1, 2, 2}, {}, {1, 0, 1}, {0, 1, 0}}},
};

} // namespace

TEST_CASE("gradients of average pooling", "[train][pool]") {
  random r(10);
  constexpr index_t batch = 2;
  for (pool_backward_shape const& p : pools) {
    INFO(p.channels << " channels, " << p.in.to_string());
    spatial const out = p.out();
    exact_buffer<f32> diff(batch * out.size() * p.channels), got(batch * p.in.size() * p.channels);
    r.fill(diff.data(), diff.size());
    doubles const dy = to_doubles(diff);
    // The operator is linear: its slope is the same everywhere.
    doubles const want = central_differences(doubles(at(got.size())), [&](doubles const& x) {
      return dot(average_pool(p.in, p.win, out, batch, p.channels, p.count_padding, x), dy);
    });
    for_each_isa<vector_isas>([&](auto tag) {
      ia_nn::average_pool_backward<decltype(tag)> const plan(p);
      check_requests(got.size(), got, [&](gradient g, int workers) {
        plan.run(batch, diff.data(), g, pool_of(workers));
      });
      REQUIRE(difference(got, want) == "");
    });
  }
}

TEST_CASE("gradients of maximum pooling", "[train][pool]") {
  random r(11);
  constexpr index_t batch = 2;
  for (pool_backward_shape const& p : pools) {
    INFO(p.channels << " channels, " << p.in.to_string());
    spatial const out = p.out();
    exact_buffer<f32> diff(batch * out.size() * p.channels), got(batch * p.in.size() * p.channels);
    r.fill(diff.data(), diff.size());
    // Distinct numbers, a hundredth apart: a difference of 1e-4 moves no maximum.
    doubles x(at(got.size()));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.01 * static_cast<double>(i * 7919 % 104729);
    doubles const dy = to_doubles(diff);
    doubles const want = central_differences(x, [&](doubles const& v) {
      return dot(max_pooled(p.in, p.win, out, batch, p.channels, v).y, dy);
    });
    std::vector<s32> const from = max_pooled(p.in, p.win, out, batch, p.channels, x).index;
    exact_buffer<s32> index(diff.size());
    std::copy(from.begin(), from.end(), index.data());
    ia_nn::max_pool_backward const plan(p);
    check_requests(got.size(), got, [&](gradient g, int workers) {
      plan.run(batch, index.data(), diff.data(), g, pool_of(workers));
    });
    REQUIRE(difference(got, want) == "");
  }
}

TEST_CASE("gradients of global average pooling", "[train][pool]") {
  random r(12);
  constexpr index_t batch = 3, pixels = 11;
  for (index_t channels : {1, 7, 8, 16, 35}) {
    exact_buffer<f32> diff(batch * channels), got(batch * pixels * channels);
    r.fill(diff.data(), diff.size());
    doubles want;
    for (index_t n = 0; n < batch; ++n)
      for (index_t i = 0; i < pixels; ++i)
        for (index_t c = 0; c < channels; ++c)
          want.push_back(static_cast<double>(diff[n * channels + c]) / pixels);
    for_each_isa<vector_isas>([&](auto tag) {
      check_requests(got.size(), got, [&](gradient g, int workers) {
        ia_nn::global_average_pool_backward<decltype(tag)>(batch, pixels, channels, diff.data(), g,
                                                           pool_of(workers));
      });
      REQUIRE(difference(got, want, 1e-6) == "");
    });
  }
}

TEST_CASE("gradients of activations", "[train][activation]") {
  namespace slope = ia_nn::slope;
  random r(13);
  for (index_t n : {1, 7, 8, 9, 15, 16, 17, 35, 3 * 8192 + 5}) {
    INFO(n << " elements");
    exact_buffer<f32> x(n), value(n), diff(n), got(n);
    r.fill(x.data(), n), r.fill(diff.data(), n);
    for (f32& v : x) v = std::fabs(v) < 0.01F ? 0.5F : v; // kinks have no slope
    auto const check = [&](auto const& f, auto const& forward, bool of_output) {
      doubles want;
      for (index_t i = 0; i < n; ++i) {
        auto const at_x = static_cast<double>(x[i]);
        double const d = (forward(at_x + 1e-5) - forward(at_x - 1e-5)) / 2e-5;
        want.push_back(d * static_cast<double>(diff[i]));
        value[i] = of_output ? static_cast<f32>(forward(at_x)) : x[i];
      }
      for_each_isa<vector_isas>([&](auto tag) {
        check_requests(n, got, [&](gradient g, int workers) {
          ia_nn::activation_backward<decltype(tag)>(n, value.data(), diff.data(), g, f,
                                                    pool_of(workers));
        });
        REQUIRE(difference(got, want, 1e-6) == "");
      });
    };
    auto const leaky = [](double v) { return v > 0 ? v : 0.125 * v; };
    check(slope::relu{}, [](double v) { return v > 0 ? v : 0; }, true);
    check(slope::leaky_relu{0.125F}, leaky, true);
    check(slope::leaky_relu{0.125F}, leaky, false);
    check(slope::sigmoid{}, [](double v) { return 1 / (1 + std::exp(-v)); }, true);
    check(slope::tanh{}, [](double v) { return std::tanh(v); }, true);
  }
}

TEST_CASE("slopes at 0, and in place", "[train][activation]") {
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    exact_buffer<f32> zero(3), diff(3);
    zero[1] = -0.0F, zero[2] = 1.0F;
    diff[0] = 3.0F, diff[1] = 4.0F, diff[2] = 5.0F;
    auto const apply = [&](auto const& f, exact_buffer<f32> const& value) {
      ia_nn::activation_backward<I>(3, value.data(), diff.data(), write_to(diff.data()), f);
    };
    apply(ia_nn::slope::leaky_relu{0.5F}, zero);
    REQUIRE((diff[0] == 1.5F && diff[1] == 2.0F && diff[2] == 5.0F));
    apply(ia_nn::slope::relu{}, zero);
    REQUIRE((diff[0] == 0 && diff[1] == 0 && diff[2] == 5.0F));
    apply(ia_nn::slope::factor{}, diff);
    REQUIRE(diff[2] == 25.0F);
  });
}

TEST_CASE("a NaN that an activation or its gradient had comes out of the slope",
          "[train][activation]") {
  f32 const nan = std::nanf("");
  for_each_isa<vector_isas>([&](auto tag) {
    constexpr index_t n = 2 * ia_nn::vec<f32, decltype(tag)>::size + 3; // registers and a tail
    exact_buffer<f32> value(n), diff(n), got(n);
    auto const apply = [&](auto const& f) {
      ia_nn::activation_backward<decltype(tag)>(n, value.data(), diff.data(), write_to(got.data()),
                                                f);
    };
    for (index_t i = 0; i < n; ++i) {
      for (index_t k = 0; k < n; ++k) value[k] = 0.5F, diff[k] = 2.0F;
      value[i] = nan;
      apply(ia_nn::slope::relu{});
      CHECK(got[i] == 2.0F); // PyTorch's threshold_backward: 0 only where value <= 0
      apply(ia_nn::slope::leaky_relu{0.5F});
      CHECK(got[i] == 1.0F); // PyTorch's leaky_relu_backward
      apply(ia_nn::slope::sigmoid{});
      CHECK(std::isnan(got[i]));
      apply(ia_nn::slope::tanh{});
      CHECK(std::isnan(got[i]));
      std::swap(value[i], diff[i]);
      apply(ia_nn::slope::relu{});
      for (index_t k = 0; k < n; ++k) CHECK(std::isnan(got[k]) == (k == i));
    }
  });
}

TEST_CASE("errors of layers' backward plans", "[train][errors]") {
  using I = ia_nn::isa::scalar;
  pool_backward_shape bad = pools[1];
  bad.channels = 0;
  REQUIRE_ERROR([&] { ia_nn::max_pool_backward const p(bad); }, errc::bad_shape,
                "max_pool_backward: channels is 0, must be at least 1");
  bad.channels = 1, bad.win.stride.height = 0;
  REQUIRE_ERROR([&] { ia_nn::average_pool_backward<I> const p(bad); }, errc::bad_parameter,
                "average_pool_backward: height: stride 0");
}

} // namespace ia_nn_test
