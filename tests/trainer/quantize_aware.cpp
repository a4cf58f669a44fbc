// SPDX-License-Identifier: Apache-2.0
//
// Training of networks that will run in 8 bits.
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/run/calibrate.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>

#include <cmath>

namespace {

using namespace ia_nn_test;
namespace graph = ia_nn::graph;

struct one_layer {
  static constexpr auto build(graph::builder& b) {
    return dense(input(b, "x", {graph::any_batch, 7}), {.units = 3, .name = "fc"});
  }
};
struct deeper {
  static constexpr graph::quantize_rules quantize{.first_in_float = true};
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "x", {graph::any_batch, 6, 6, 2});
    x = relu(conv2d(x, {.filters = 8, .kernel = 3, .pad = 1, .name = "conv1"}));
    x = relu(deconv2d(x, {.filters = 4, .kernel = 2, .stride = 2, .groups = 2, .name = "up"}));
    return dense(global_average_pool(x), {.units = 3, .name = "fc"});
  }
};

double rounded(double x, double scale, double zero, double low, double high) {
  return (std::fmin(std::fmax(std::nearbyint(x / scale) + zero, low), high) - zero) * scale;
}

TEST_CASE("forward is rounded, backward is not") {
  using trainer = graph::trainer<graph::quantize_aware<one_layer>, graph::squared_loss, ia_nn::sgd<ia_nn::isa::native>>;
  ia_nn_test::random r(1);
  trainer t({.batch = 5}, ia_nn::sgd_options{.learning_rate = 0});
  std::vector<f32> x(35), y(15);
  for (f32& v : x) v = r.normal();
  for (f32& v : y) v = r.normal();
  f32 const loss = t.step(5, x, y).require();
  auto const w = t.weights().values("fc.weight"), b = t.weights().values("fc.bias");
  f32 low = 0, high = 0;
  for (f32 const v : x) low = std::min(low, v), high = std::max(high, v);
  ia_nn::quantization const q = ia_nn::quantization_of<ia_nn::u8>({low, high}, ia_nn::scheme::asymmetric);
  double expected = 0, diff[21] = {};
  for (std::size_t n = 0; n < 5; ++n)
    for (std::size_t u = 0; u < 3; ++u) {
      double most = 0, sum = static_cast<double>(b[u]);
      for (std::size_t k = 0; k < 7; ++k) most = std::fmax(most, std::fabs(static_cast<double>(w[u * 7 + k])));
      auto const xk = [&](std::size_t k) {
        return rounded(static_cast<double>(x[n * 7 + k]), static_cast<double>(q.scale), q.zero_point, 0, 255);
      };
      for (std::size_t k = 0; k < 7; ++k) sum += xk(k) * rounded(static_cast<double>(w[u * 7 + k]), most / 127, 0, -127, 127);
      double const d = sum - static_cast<double>(y[n * 3 + u]);
      expected += d * d / 15;
      for (std::size_t k = 0; k < 7; ++k) diff[u * 7 + k] += 2 * d / 15 * xk(k);
    }
  CHECK(std::fabs(static_cast<double>(loss) - expected) <= 1e-5 * expected);
  auto const* const g = t.parameters().find("fc.weight");
  REQUIRE(g);
  for (std::size_t i = 0; i < 21; ++i) CHECK(std::fabs(static_cast<double>(g->gradient[i]) - diff[i]) <= 1e-5);
}

TEST_CASE("weights and ranges of training in 8 bits") {
  using aware = graph::quantize_aware<deeper>;
  // The first layer stays in f32; the others read rounded values.
  CHECK(graph::trained<aware>.edit().count_of(graph::op::fake_quantize) == 2);
  using trainer = graph::trainer<aware, graph::cross_entropy_loss<>>;
  ia_nn_test::random r(2);
  trainer t({.batch = 16}, ia_nn::adam_options{.learning_rate = 0.02});
  std::vector<f32> x(16 * 72);
  std::vector<s32> labels(16);
  f32 first = 0, last = 0;
  auto const make = [&] {
    for (std::size_t n = 0; n < 16; ++n) {
      labels[n] = static_cast<s32>(r.between(0, 2));
      for (std::size_t i = 0; i < 72; ++i) x[n * 72 + i] = 0.3F * r.normal() + static_cast<f32>(i % 2 == 0) * static_cast<f32>(labels[n]) * 0.5F;
    }
  };
  for (int step = 0; step < 100; ++step) {
    make();
    last = t.step(16, x, labels).require();
    if (step == 0) first = last;
  }
  CHECK(last < 0.6F * first);
  for (std::string const& name : t.weights().names()) CHECK(name.find(".range") == std::string::npos);
  graph::value_ranges const ranges = graph::calibrate<deeper>(t.weights(), x);
  graph::compiled<deeper, graph::native<ia_nn::isa::native, ia_nn::s8>> const net(t.weights(), {.max_batch = 16, .ranges = ranges});
  make();
  std::vector<f32> y(48);
  ia_nn::workspace scratch(net.workspace_bytes());
  net.run(16, x, y, scratch).require();
  int right = 0;
  for (std::ptrdiff_t n = 0; n < 16; ++n)
    right += std::max_element(y.begin() + 3 * n, y.begin() + 3 * n + 3) - (y.begin() + 3 * n) == labels[static_cast<std::size_t>(n)];
  CHECK(right >= 10);
}

} // namespace
