// SPDX-License-Identifier: Apache-2.0
//
// What MXNet quantizes and its tests list, that no other file has: each function behind convolutions and
// dense layers, with and without a bias; two inputs that are added behind a convolution and a batch norm
// each; a network in several outputs; convolutions of very different sizes that share one range. And outputs whose
// rows are not those of the value that they are.
#include "bytes.hpp"

namespace {

using namespace graph_test;
using graph::builder, graph::function, graph::value;

/// Built at run time.
struct functions_net {
  static inline function f = function::relu;
  static inline f32 a = 0, b = 0;
  static inline bool bias = true;

  static void build(builder& to) {
    auto const act = [](value x) { return graph::activation(x, f, a, b); };
    value x = input(to, "x", {graph::any_batch, 6, 5, 4});
    x = act(conv2d(x, {.filters = 5, .kernel = 3, .pad = 1, .bias = bias, .name = "conv"}));
    x = conv2d(x, {.filters = 6, .kernel = 2, .bias = bias, .name = "between"});
    x = act(graph::dense(flatten(x), {.units = 7, .bias = bias, .name = "fc"}));
    output(graph::dense(x, {.units = 3, .bias = bias, .name = "last"}));
  }
};

TEST_CASE("each function behind convolutions and dense layers in 8 bits", "[graph][bytes]") {
  struct form {
    function f;
    f32 a = 0, b = 0;
  };
  std::uint64_t seed = 30;
  for (form const& f :
       {form{function::relu}, {function::leaky_relu, 0.25F}, {function::clip, 0, 1}, {function::clip, 0, 6},
        {function::gelu}, {function::gelu_tanh}, {function::sigmoid}, {function::tanh}, {function::mish},
        {function::softplus}, {function::softsign}, {function::hard_sigmoid, 1.0F / 6, 0.5F}, {function::hard_swish},
        {function::swish, 1}, {function::elu, 0.25F}, {function::celu, 0.5F},
        {function::selu, 1.67326324F, 1.05070102F}, {function::square}, {function::sqrt},
        {function::abs}, {function::exp}, {function::linear, -0.5F, 0.25F}})
    for (bool const bias : {true, false}) {
      INFO(name_of(f.f) << (bias ? " with" : " without") << " biases, seed " << seed);
      functions_net::f = f.f, functions_net::a = f.a, functions_net::b = f.b, functions_net::bias = bias;
      run_time_plan const n(graph::detail::built<functions_net>(), {});
      // The conversion and four layers, which the oracle knows: so the bits are those of all instruction sets.
      CHECK(check_bytes(n, seed++, 2, {}) == 5);
    }
}

/// Two inputs, each with a convolution and a batch norm, which are added.
struct two_inputs_net {
  static constexpr void build(builder& b) {
    auto const branch = [&](char const* in, char const* conv, char const* norm) {
      value const x = input(b, in, {graph::any_batch, 6, 5, 4});
      return graph::batch_norm(conv2d(x, {.filters = 5, .kernel = 3, .pad = 1, .bias = false, .name = conv}),
                               {.name = norm});
    };
    value const sum = relu(branch("x", "a", "norm_a") + branch("y", "b", "norm_b"));
    output(conv2d(sum, {.filters = 3, .name = "c"}));
  }
};
/// A block of layers that classifies, and hands out what is between.
struct outputs_net {
  static constexpr void build(builder& b) {
    value x = input(b, "x", {graph::any_batch, 10, 10, 4});
    x = relu(graph::batch_norm(conv2d(x, {.filters = 8, .kernel = 3, .pad = 1, .name = "conv"}), {.name = "norm"}));
    value const mean = average_pool(x, {.kernel = 4, .stride = 2});
    value const y = graph::dense(flatten(mean), {.units = 10, .name = "fc"});
    output(mean), output(y), output(graph::softmax(y));
    output(conv2d(x, {.filters = 2, .name = "side"}));
  }
};
TEST_CASE("two inputs and several outputs in 8 bits", "[graph][bytes]") {
  for (graph::quantize_mode const mode : {graph::quantize_mode::smart, graph::quantize_mode::full}) {
    graph::quantize_rules const rules{.mode = mode};
    run_time_plan const two(graph::detail::built<two_inputs_net>(), {}, rules),
        several(graph::detail::built<outputs_net>(), {}, rules);
    CHECK(check_bytes(two, 31, 3, {.threads = true}) > 4);
    CHECK(check_bytes(several, 32, 3, {.threads = true}) > 4);
  }
}

/// An image that a dense layer made, as output twice: the second one is a copy.
struct reshaped_net {
  static constexpr void build(builder& b) {
    value const x = graph::dense(input(b, "x", {graph::any_batch, 4}), {.units = 60, .name = "fc"});
    value const image = reshape(x, {6, 5, 2});
    output(image), output(image);
  }
};
TEST_CASE("outputs have rows of their own", "[graph][bytes]") {
  run_time_plan const n(graph::detail::built<reshaped_net>(), {});
  graph::plan_view const v = n.view();
  int outputs = 0;
  for (int i = 0; i < v.node_count; ++i)
    if (v.nodes[i].kind == graph::op::output) {
      ++outputs;
      CHECK(v.places[i].ld == 2);
    }
  CHECK(outputs == 2);
  CHECK(check_bytes(n, 34, 3, {}) == 3);
}

/// Four convolutions with the same weights, times 1, 2, 3 and 4, side by side.
struct alike_net {
  static constexpr void build(builder& b) {
    value const x = input(b, "x", {graph::any_batch, 6, 5, 4});
    auto const conv = [&](char const* name) {
      return conv2d(x, {.filters = 3, .kernel = 3, .bias = false, .name = name});
    };
    value const all = graph::concat({conv("a"), conv("b"), conv("c"), conv("d")}, {.name = "all"});
    output(conv2d(all, {.filters = 2, .name = "e"}));
  }
};
TEST_CASE("convolutions of different sizes have the range of the largest in a concat", "[graph][bytes]") {
  run_time_plan const n(graph::detail::built<alike_net>(), {});
  problem p = n.make_problem(33, 3);
  for (std::size_t k = 1; k < 4; ++k)
    for (std::size_t i = 0; i < p.weights.store[0].size(); ++i)
      p.weights.store[k][i] = static_cast<f32>(k + 1) * p.weights.store[0][i];
  p.expected = interpret(n.written.nodes.data(), n.written.count(), p.weights, 3, p.numbers);
  graph::compile_options o{.max_batch = 3};
  o.ranges = ranges_of(n.view(graph::precision::f32), p);
  graph::plan_view const v = n.view(graph::precision::s8);
  CHECK(check_bytes(v, n.bytes(graph::precision::s8), p, o, {}) == 6);

  auto const scalings = graph::find_scalings(v.nodes, v.node_count,
                                             [&](std::string_view name) { return o.ranges.find(name); });
  REQUIRE(scalings.missing == -1);
  ia_nn::value_range const widest = *o.ranges.find("d");
  int parts = 0;
  for (int i = 0; i < v.node_count; ++i) {
    std::string_view const name = v.nodes[i].name.view();
    if (name != "a" && name != "b" && name != "c" && name != "d") continue;
    ++parts;
    CHECK(v.nodes[i].type == graph::value_type::u8);
    CHECK(scalings.of_node[static_cast<std::size_t>(i)].scale == (widest.high - widest.low) / 255);
  }
  CHECK(parts == 4);
}

} // namespace
