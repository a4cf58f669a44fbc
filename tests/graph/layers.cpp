// SPDX-License-Identifier: Apache-2.0
//
// Every operator of the builder, run: fused against step by step, both against the oracle.
#include "support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/layers.hpp>

#include <algorithm>

namespace {

using namespace graph_test;
using namespace ia_nn::graph;
using ia_nn::pad_mode;

struct images {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 6, 4});
    auto y = deconv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .pad = 1, .output_padding = 1,
                          .groups = 2, .name = "up"});
    y = relu(batch_norm(y, {.name = "up_norm"})); // 14 x 12 x 6
    output(y);
    output(deconv2d(x, {.filters = 3, .kernel = {1, 4}, .stride = {3, 1}, .bias = false}) * 0.5F);
    auto const g = group_norm(y, {.groups = 3, .name = "group"});
    output(gelu(instance_norm(g)));
    output(instance_norm(g, {.affine = true, .name = "instance"}));
    output(adaptive_average_pool(g, {.out = {5, 7}}));
    output(adaptive_max_pool(g, {.out = {4, 12}}));
    output(batch_norm(max_pool(g, {.kernel = 2}), {.name = "alone"})); // does not fold
    output(average_pool(y, {.kernel = 3, .stride = 2, .pad = 1}));
    output(average_pool(y, {.kernel = 4, .pad = 2, .ceil_mode = true, .count_padding = false}));
    output(lrn(y, {.size = 4, .alpha = 2.0F}) -
           lrn(y, {.size = 2, .alpha = 2.0F, .window = ia_nn::lrn_window::onnx}));
    output(reduce_mean(g, {.first = 1, .last = 2}) + global_average_pool(y));
  }
};

struct lines_and_volumes {
  static constexpr void build(builder& b) {
    auto const x = input(b, "line", {any_batch, 9, 5});
    auto const v = input(b, "volume", {any_batch, 3, 4, 5, 2});
    output(tanh(deconv1d(x, {.filters = 3, .kernel = 4, .stride = 3, .pad = 2, .dilation = 2})));
    output(conv1d(x, {.filters = 7, .kernel = 3, .stride = 2}));
    output(deconv3d(v, {.filters = 3, .kernel = 2, .stride = {1, 2, 1}}));
    output(sigmoid(conv3d(v, {.filters = 4, .kernel = {2, 3, 3}, .pad = {0, 1, 1}})));
  }
};

struct moves {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 6, 3});
    for (pad_mode const mode :
         {pad_mode::constant, pad_mode::reflect, pad_mode::edge, pad_mode::wrap})
      output(pad(x, {.begin = {2, 1}, .end = {1, 3}, .mode = mode, .value = 0.75F}));
    output(pad(x, {.axis = 2, .begin = {-2, 1}}));
    output(transpose(x, {3, 1, 2}));
    output(relu(transpose(x, {2, 1, 3})));
    output(slice(x, {.axis = 1, .begin = 1, .end = 4, .step = 2}));
    output(slice(x, {.axis = 2, .begin = -1, .step = -2}));
    auto const parts = split<3>(x);
    output(concat({parts[2], parts[0], tanh(parts[1])}));
    output(concat({slice(x, {.axis = 1, .end = 2}), x}, {.axis = 1}));
  }
};

struct repeated { // one operand is smaller
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 4, 5, 6});
    auto const gate = reshape(sigmoid(global_average_pool(x)), {1, 1, -1});
    output(conv2d(x, {.filters = 6, .name = "c"}) * gate);
    auto const row = slice(x, {.end = 1}); // (n, 4, 5, 1)
    output(relu(x - row));
    output(row / (abs(x) + 1.0F));
    auto const one = reshape(slice(reshape(x, {-1}), {.begin = 7, .end = 8}), {1, 1, 1});
    output(minimum(maximum(x, one), row));
    output(gelu(x + gate) * x - one);
  }
};

struct recurrent {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5});
    output(lstm(x, {.hidden = 7, .layers = 2, .direction = direction::both, .name = "a"}));
    output(lstm(x, {.hidden = 9, .last_only = true, .projection = 4, .name = "b"}));
    output(gru(x, {.hidden = 8, .layers = 2, .direction = direction::both, .last_only = true,
                   .name = "c"}));
    output(gru(x, {.hidden = 6, .direction = direction::reverse, .bias = false,
                   .reset_before = true, .name = "d"}));
    output(relu(rnn(x, {.hidden = 17, .name = "e"}) * 2.0F));
    output(rnn(x, {.hidden = 5, .last_only = true, .activation = function::relu, .name = "f"}));
  }
};

TEST_CASE("every operator", "[graph]") {
  REQUIRE(ready());
  constexpr double rounding = 1e-5; // norms and quotients of random numbers, on either side
  check_net<images>(1, rounding);
  check_net<lines_and_volumes>(2, rounding);
  check_net<moves>(3, rounding);
  check_net<repeated>(4, rounding);
  check_net<recurrent>(5, rounding);
}

struct precise {
  static constexpr auto build(builder& b) {
    auto x = input(b, "x", {any_batch, 20});
    x = relu(dense(x, {.units = 40, .precision = precision::bf16, .name = "a"}));
    x = relu(dense(x, {.units = 30, .precision = precision::bf16_parts2, .name = "b"}));
    x = relu(dense(x, {.units = 20, .precision = precision::bf16_parts3, .name = "c"}));
    return dense(x, {.units = 10, .precision = precision::f32, .name = "d"});
  }
};

TEST_CASE("precision of layers", "[graph]") {
  problem const p = problem_of<precise>(6, 5);
  for_each_isa([&](auto tag) {
    using I = decltype(tag);
    call const mixed = run<precise, native<I>>(p, {.max_batch = 5});
    // One layer's operands are rounded to bf16, 2^-9 each; the others are near f32.
    double const d = distance(mixed.out[0], p.expected[0]);
    CHECK(d <= 0.02);
    CHECK(d > 1e-5);
    call const narrow = run<precise, native<I, ia_nn::bf16>>(p, {.max_batch = 5});
    CHECK(same_bits(mixed, narrow)); // every layer says what it wants
  });
}

// Either operand, behind a kernel and alone, whole and repeated.
struct extremes {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 3, 19}), y = input(b, "y", {any_batch, 3, 19});
    output(maximum(x, y));
    output(minimum(x, y));
    output(minimum(maximum(relu(y), x), y * 2.0F));
    auto const fc = dense(x, {.units = 19, .name = "fc"});
    output(maximum(fc, y));
    output(relu6(minimum(y, gelu(dense(x, {.units = 19, .name = "gelu"})))));
    auto const row = slice(x, {.end = 1}), item = slice(y, {.axis = 1, .end = 1});
    output(maximum(row, y));
    output(minimum(x, item));
    output(minimum(maximum(y, slice(row, {.axis = 1, .end = 1})), 0.5F));
    output(maximum(abs(x), constant(x, __builtin_nanf(""))));
  }
};
TEST_CASE("minimum and maximum hand a NaN on", "[graph]") {
  problem p = problem_of<extremes>(10, 3);
  f32 const nan = __builtin_nanf("");
  // x: one in the first row alone, so that dense gives others; y: some everywhere.
  for (index_t const i : {1, 18}) p.floats[0][i] = nan;
  for (index_t i = 19 * 2 + 4; i < p.floats[1].size(); i += 7) p.floats[1][i] = nan;
  for (std::size_t k = 0; k < 2; ++k) p.numbers[k].assign(p.floats[k].begin(), p.floats[k].end());
  auto const& nodes = original<extremes>;
  p.expected = interpret(nodes.nodes, nodes.count(), p.weights, p.batch, p.numbers);
  for (std::size_t o = 0; o < p.expected.size(); ++o) {
    auto const& y = p.expected[o];
    auto const n = std::count_if(y.begin(), y.end(), [](double e) { return std::isnan(e); });
    REQUIRE(n > 0);
    REQUIRE((o + 1 == p.expected.size()) == (n == static_cast<std::ptrdiff_t>(y.size())));
  }
  auto const check = [&](call const& c) {
    for (std::size_t o = 0; o < p.expected.size(); ++o) {
      INFO("output " << o);
      CHECK(distance(c.out[o], p.expected[o]) <= 1e-5);
    }
  };
  for_each_isa<vector_isas>(
      [&](auto tag) { check(run<extremes, native<decltype(tag)>>(p, {.max_batch = 3})); });
  if (ready()) check(run<plain<extremes>>(p, {.max_batch = 3}));
}

template <class Net> void check_team(std::uint64_t seed) {
  problem const p = problem_of<Net>(seed, 3);
  call const one = run<Net>(p, {.max_batch = 3});
  ia_nn::thread_pool pool(2);
  CHECK(same_bits(one, run<Net>(p, {.max_batch = 3, .workers = 2}, pool)));
}
TEST_CASE("every operator in two threads", "[graph]") {
  REQUIRE(ready());
  check_team<images>(7);
  check_team<moves>(8);
  check_team<repeated>(9);
}

} // namespace
