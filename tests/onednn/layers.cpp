// SPDX-License-Identifier: Apache-2.0
//
// Each operator and each tail by oneDNN, against the oracle and this library's kernels.
#include "run.hpp"

#include "../catch.hpp"
#include "../random.hpp"

namespace {

using namespace onednn_test;
using graph::any_batch, graph::value;

/// A network that a function builds.
template <auto Build> struct built_by {
  static constexpr auto build(graph::builder& b) { return Build(b); }
};
template <auto Build> outcome check_layers(int expected, index_t batch = 5, double bound = 1e-5) {
  outcome const o = check<built_by<Build>>(1, batch, bound);
  for (std::size_t k = 0; k < o.by.size(); ++k) UNSCOPED_INFO(o.layers[k] << ": " << o.by[k]);
  CHECK(steps_of_onednn(o) >= expected);
  return o;
}

TEST_CASE("convolutions", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 13, 10, 32});
    value y = conv2d(x, {.filters = 48, .kernel = 3, .pad = 1, .name = "same"});
    y = relu(conv2d(y, {.filters = 32, .kernel = {3, 2}, .stride = {2, 1}, .pad = {0, 1}, .bias = false, .name = "strided"}));
    y = conv2d(y, {.filters = 64, .kernel = 1, .name = "pointwise"});
    y = depthwise_conv2d(y, {.kernel = 3, .pad = 1, .name = "depthwise"});
    y = conv2d(y, {.filters = 32, .kernel = 3, .pad = 2, .dilation = 2, .name = "dilated"});
    return conv2d(y, {.filters = 32, .kernel = 3, .pad = 1, .groups = 2, .name = "groups"});
  }>(6);
}

TEST_CASE("convolutions of one and three axes", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 40, 16});
    return conv1d(conv1d(x, {.filters = 32, .kernel = 5, .pad = 2, .name = "a"}),
                  {.filters = 16, .kernel = 3, .stride = 2, .name = "b"});
  }>(2);
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 6, 7, 16});
    return conv3d(x, {.filters = 32, .kernel = 3, .pad = 1, .name = "a"});
  }>(1);
}

TEST_CASE("transposed convolutions", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 6, 32});
    value y = relu(deconv2d(x, {.filters = 32, .kernel = 4, .stride = 2, .pad = 1, .name = "twice"}));
    return deconv2d(y, {.filters = 16, .kernel = 3, .stride = 2, .pad = 1, .output_padding = 1, .name = "odd"});
  }>(1);
}

TEST_CASE("dense layers", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 3, 70});
    return dense(gelu(dense(x, {.units = 130, .name = "a"})), {.units = 10, .bias = false, .name = "b"});
  }>(2, 7);
}

TEST_CASE("functions behind a layer", "[onednn]") {
  // Functions with a post-op, and three without.
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 16});
    auto const layer = [&](char const* name) { return dense(x, {.units = 32, .name = name}); };
    return graph::concat({leaky_relu(layer("leaky"), 0.1F), elu(layer("elu")), sigmoid(layer("sigmoid")),
                          tanh(layer("tanh")), gelu(layer("gelu")), gelu_tanh(layer("gelu_tanh")),
                          swish(layer("swish")), hard_swish(layer("hard_swish")), mish(layer("mish")),
                          softplus(layer("softplus")), hard_sigmoid(layer("hard_sigmoid")),
                          clip(layer("clip"), -0.5F, 0.25F), square(layer("square")), abs(layer("abs")),
                          selu(layer("selu")), celu(layer("celu")), softsign(layer("softsign"))});
  }>(17, 5, 2e-5);
}

TEST_CASE("operands behind a layer", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 6, 32});
    auto const layer = [&](char const* name) { return conv2d(x, {.filters = 32, .kernel = 3, .pad = 1, .name = name}); };
    value const y = relu(layer("residual") + x);
    value const z = relu(x - layer("subtracted")) * y;
    value const u = maximum(layer("largest") * x, y) + z; // more than one operand
    return batch_norm(relu(u + layer("norm")), {.name = "behind"});
  }>(4);
}

// The result of such a layer lies where its operand was: what oneDNN writes may not come first. Products of
// values multiply what they have been rounded by.
TEST_CASE("operands that nobody reads later", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 6, 64});
    auto const layer = [&](value from, char const* name) {
      return conv2d(from, {.filters = 64, .kernel = 3, .pad = 1, .name = name});
    };
    value y = layer(x, "first");
    y = layer(y, "sum") + y;
    y = selu(layer(y, "function without a post-op")) + y;
    y = layer(y, "binary") * y;
    y = relu(layer(y, "difference") - y);
    y = softsign(tanh(y)) * layer(x, "chain");
    return y;
  }>(6, 5, 5e-5);
}

TEST_CASE("into parts of a concat, and from them", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 6, 16});
    auto const one = relu(conv2d(x, {.filters = 16, .kernel = 1, .name = "one"}));
    auto const two = selu(conv2d(x, {.filters = 32, .kernel = 3, .pad = 1, .name = "two"}));
    auto const pool = max_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
    auto const all = graph::concat({one, two, pool});
    return conv2d(all, {.filters = 16, .kernel = 1, .name = "last"}) + one;
  }>(3);
}

TEST_CASE("pools", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 13, 12, 32});
    value y = max_pool(x, {.kernel = 3, .stride = 2, .pad = 1});
    y = average_pool(y, {.kernel = 3, .stride = 1, .pad = 1, .count_padding = true});
    y = average_pool(y, {.kernel = 2, .stride = 2, .ceil_mode = true});
    return global_average_pool(y);
  }>(3);
}

TEST_CASE("pools between layers that multiply bytes", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 9, 8, 16});
    value y = max_pool(relu(conv2d(x, {.filters = 32, .kernel = 3, .name = "first"})), {.kernel = 2, .stride = 2});
    y = conv2d(average_pool(y, {.kernel = 2, .stride = 1}), {.filters = 16, .kernel = 3, .pad = 1, .name = "second"});
    return graph::dense(global_average_pool(y), {.units = 7, .name = "fc"});
  }>(3);
}

TEST_CASE("rows", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 64});
    return softmax(layer_norm(x, {.name = "norm"}));
  }>(2);
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 20});
    return log_softmax(x);
  }>(1);
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 32});
    return lrn(x, {.size = 5, .alpha = 0.3F, .beta = 0.75F, .bias = 2});
  }>(0);
}

TEST_CASE("chains without a kernel", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 32});
    auto const y = input(b, "y", {any_batch, 6, 5, 32});
    return batch_norm(tanh(x * y), {.name = "norm"}) + relu(x);
  }>(1);
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 32});
    return relu(batch_norm(x, {.name = "norm"}));
  }>(1);
}

TEST_CASE("recurrent layers", "[onednn]") {
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 24});
    return lstm(x, {.hidden = 32, .layers = 2, .name = "lstm"});
  }>(1);
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 24});
    return graph::concat({lstm(x, {.hidden = 32, .direction = graph::direction::both, .last_only = true, .name = "lstm"}),
                          gru(x, {.hidden = 16, .direction = graph::direction::reverse, .last_only = true, .name = "gru"})});
  }>(2);
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 24});
    value const y = gru(x, {.hidden = 32, .direction = graph::direction::both, .name = "after"});
    value const z = gru(y, {.hidden = 16, .reset_before = true, .name = "before"});
    value const u = rnn(z, {.hidden = 16, .direction = graph::direction::reverse, .name = "tanh"});
    return rnn(u, {.hidden = 8, .bias = false, .activation = graph::function::relu, .name = "relu"});
  }>(4);
  check_layers<[](graph::builder& b) {
    auto const x = input(b, "x", {4, 5, 16});
    return lstm(x, {.hidden = 32, .last_only = true, .projection = 16, .name = "projected"});
  }>(1);
}

} // namespace
