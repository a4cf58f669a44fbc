// SPDX-License-Identifier: Apache-2.0
//
// Each layer is trained through.
#include "gradients.hpp"

#include <ia_nn/graph/layers.hpp>

namespace {

using namespace trainer_test;
using graph::builder, graph::value, graph::any_batch;

struct written {
  static inline std::function<value(builder&)> layers;
  static value build(builder& b) { return layers(b); }
};

/// The gradients of a network, all of which must be right. Where a sign or a maximum is too close to another,
/// other numbers are tried.
void check_layer(char const* what, std::function<value(builder&)> const& net) {
  INFO(what);
  written::layers = net;
  graph::draft const d = graph::detail::built<written>();
  INFO(d.mistake.view());
  REQUIRE(!d.wrong());
  comparison c;
  for (std::uint64_t seed = 11; seed < 14; ++seed) {
    c = {};
    training_problem p(d, 3, seed);
    check_gradients(p, c);
    if (c.compared >= 3 && c.off + c.loss_off + c.other_isas_off == 0) break;
  }
  CHECK(c.compared >= 3);
  CHECK(c.off == 0);
  CHECK(c.loss_off == 0);
  CHECK(c.other_isas_off == 0);
}
void check_image(char const* what, std::function<value(value)> const& layer, graph::dims const& image = {any_batch, 5, 6, 4}) {
  check_layer(what, [&](builder& b) {
    value const x = conv2d(input(b, "x", image), {.filters = image.last(), .kernel = 3, .pad = 1, .name = "first"});
    return layer(x);
  });
}

TEST_CASE("layers with weights are trained") {
  check_image("groups", [](value x) { return conv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .groups = 2}); });
  check_image("dilation", [](value x) {
    return conv2d(x, {.filters = 5, .kernel = {2, 3}, .pad = {1, 2}, .dilation = 2, .bias = false});
  });
  check_image("depthwise", [](value x) { return depthwise_conv2d(x, {.kernel = 3, .pad = 1}); });
  check_image("two depthwise filters", [](value x) { return conv2d(x, {.filters = 8, .kernel = 3, .groups = 4}); });
  check_layer("conv1d", [](builder& b) {
    return conv1d(tanh(conv1d(input(b, "x", {any_batch, 9, 3}), {.filters = 5, .kernel = 3})), {.filters = 2, .kernel = 2});
  });
  check_layer("conv3d", [](builder& b) {
    value const x = conv3d(input(b, "x", {any_batch, 3, 4, 5, 2}), {.filters = 3, .kernel = 2, .pad = 1});
    return conv3d(x, {.filters = 4, .kernel = {1, 3, 3}, .stride = {1, 2, 1}});
  });
  check_image("relu in front", [](value x) { return conv2d(relu(x), {.filters = 3, .kernel = 3}); });
  check_image("relu6 in front, of a value that is read twice", [](value x) {
    return dense(relu6(x * 3.0F), {.units = 4}) + depthwise_conv2d(clip(x, -0.5F, 0.5F), {.kernel = 3, .pad = 1});
  });
  check_image("deconv2d", [](value x) {
    return deconv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .pad = 1, .output_padding = 1, .groups = 2});
  });
  check_image("deconv2d without a bias", [](value x) { return deconv2d(x, {.filters = 3, .kernel = {2, 3}, .bias = false}); });
  check_layer("dense of rows", [](builder& b) {
    return dense(tanh(dense(input(b, "x", {any_batch, 4, 7}), {.units = 9})), {.units = 3, .bias = false});
  });
}

TEST_CASE("products of values are trained") {
  auto const both = [](char const* what, auto const& of) {
    check_layer(what, [&](builder& b) {
      value const x = dense(input(b, "x", {any_batch, 5, 6}), {.units = 8});
      return of(x, tanh(dense(x, {.units = 8})));
    });
  };
  both("a b", [](value x, value y) { return matmul(x, transpose(y, {2, 1})); });
  both("a transposed", [](value x, value y) { return matmul(x, y, {.transposed_a = true}); });
  both("b transposed", [](value x, value y) { return matmul(x, y, {.transposed_b = true}); });
  both("both transposed", [](value x, value y) { return matmul(transpose(x, {2, 1}), y, {.transposed_a = true, .transposed_b = true}); });
  both("by itself", [](value x, value) { return matmul(x, x, {.transposed_b = true}); });
  both("an operand that is repeated", [](value x, value y) {
    value const heads = reshape(x, {5, 2, 4}, {.order = graph::order::channels_last});
    value const rows = reshape(y, {10, 4}, {.order = graph::order::channels_last});
    return matmul(matmul(rows, heads, {.transposed_b = true}), matmul(heads, rows, {.transposed_b = true}), {.transposed_a = true, .transposed_b = true});
  });
}

TEST_CASE("attention is trained") {
  auto const of = [](char const* what, auto const& layer) {
    check_layer(what, [&](builder& b) {
      value const x = dense(input(b, "x", {any_batch, 7, 6}), {.units = 8});
      return layer(b, x, tanh(dense(input(b, "y", {any_batch, 5, 3}), {.units = 8})));
    });
  };
  of("itself", [](builder&, value x, value y) { return graph::concat({attention(x, x, x, {.heads = 2}), y}, {.axis = 1}); });
  of("cross", [](builder&, value x, value y) { return attention(x, y, dense(y, {.units = 6}), {.heads = 2, .causal = true}); });
  of("lengths", [](builder& b, value x, value y) {
    return attention(x, y, y, {.lengths = input(b, "n", {any_batch, 1}, graph::value_type::s32), .scale = 0.5F});
  });
  of("a mask of each query", [](builder&, value x, value y) { return attention(x, y, y, {.heads = 4, .mask = dense(x, {.units = 5})}); });
  of("a mask of each head", [](builder&, value x, value y) {
    return attention(x, y, y, {.heads = 2, .mask = parameter(x, {.shape = {2, 7, 5}, .order = graph::order::channels_last, .name = "bias"})});
  });
}

TEST_CASE("norms are trained") {
  check_image("batch_norm", [](value x) { return batch_norm(x, {.epsilon = 0.1F}); });
  check_image("batch_norm without factors", [](value x) { return batch_norm(x, {.affine = false}); });
  check_image("layer_norm", [](value x) { return layer_norm(x, {.epsilon = 0.1F}); });
  check_image("group_norm", [](value x) { return group_norm(x, {.groups = 2}); });
  check_image("instance_norm", [](value x) { return instance_norm(x, {.affine = true}); });
  check_image("rms_norm", [](value x) { return rms_norm(x, {.epsilon = 0.1F}); });
  check_image("rms_norm without a scale", [](value x) { return rms_norm(x, {.affine = false}); });
  check_image("l2_norm", [](value x) { return l2_norm(x); });
  check_image("l2_norm of magnitudes", [](value x) { return l2_norm(x, {.p = 1, .affine = false}); });
  check_image("lrn", [](value x) { return lrn(x, {.size = 3, .alpha = 0.5F}); });
  check_image("softmax", [](value x) { return softmax(x); });
  check_image("log_softmax", [](value x) { return log_softmax(x); });
}

TEST_CASE("functions are trained") {
  for (int f = 0; f <= static_cast<int>(graph::function::linear); ++f) {
    auto const act = static_cast<graph::function>(f);
    bool const positive = act == graph::function::sqrt || act == graph::function::log;
    check_image(graph::name_of(act), [&](value x) {
      if (positive) x = square(x) + 0.5F;
      return act == graph::function::clip ? clip(x, -0.5F, 0.75F) : activation(x, act);
    });
  }
}

TEST_CASE("pools are trained") {
  check_image("max_pool", [](value x) { return max_pool(x, {.kernel = 3, .stride = 2, .pad = 1}); });
  check_image("average_pool", [](value x) { return average_pool(x, {.kernel = 3, .stride = 2, .pad = 1, .ceil_mode = true, .count_padding = false}); });
  check_image("global_average_pool", [](value x) { return global_average_pool(x); });
  check_image("adaptive_average_pool", [](value x) { return adaptive_average_pool(x, {.out = {3, 4}}); });
  check_image("adaptive_max_pool", [](value x) { return adaptive_max_pool(x, {.out = {3, 4}}); });
  check_image("reduce_mean", [](value x) { return reduce_mean(x, {.first = 2, .last = 3}); });
}

TEST_CASE("moves are trained") {
  check_image("concat", [](value x) { return graph::concat({x, relu(x), x}, {.axis = 2}); });
  check_image("slice", [](value x) { return slice(x, {.axis = 1, .begin = -1, .step = -2}); });
  check_image("transpose", [](value x) { return transpose(x, {3, 1, 2}); });
  check_image("pad", [](value x) { return pad(x, {.begin = {1, 0}, .end = {2, 1}, .value = 0.5F}); });
  check_image("flatten", [](value x) { return dense(flatten(x), {.units = 3}); });
  check_image("channel_shuffle", [](value x) { return channel_shuffle(x, {.groups = 2}); });
  using ia_nn::resize_places;
  check_image("resize", [](value x) { return resize(x, {.scale = {2, 1.5F}}); });
  check_image("linear resize", [](value x) {
    return resize(x, {.size = {7, 4}, .mode = graph::interpolation::linear, .places = resize_places::half_pixel});
  });
  check_layer("linear resize of a volume", [](builder& b) {
    value const x = conv3d(input(b, "x", {any_batch, 3, 2, 4, 2}), {.filters = 19, .kernel = 1});
    return resize(x, {.size = {4, 4, 3}, .mode = graph::interpolation::linear, .places = resize_places::align_corners});
  });
  check_image("pixel_shuffle", [](value x) { return pixel_shuffle(x); });
  check_image("pixel_unshuffle", [](value x) { return pixel_unshuffle(pad(x, {.begin = {0, 0}, .end = {1, 0}})); });
  check_image("cumulative_sum", [](value x) {
    return cumulative_sum(cumulative_sum(x, {.axis = 1, .exclusive = true}), {.reverse = true});
  });
  check_image("where", [](value x) {
    value const y = tanh(x);
    return where(x, x * x, y, {.is = ia_nn::comparison::less, .than = 0.2F}) + where(y, slice(x, {.end = 1}), x, {.is = ia_nn::comparison::greater});
  });
  check_image("dropout", [](value x) { return dropout(x, {.p = 0.3F}); });
  check_layer("embedding", [](builder& b) {
    return dense(embedding(input(b, "i", {any_batch, 5}, graph::value_type::s32), {.rows = 4, .width = 6}), {.units = 2});
  });
}

TEST_CASE("operators on two values are trained") {
  auto const each = [](char const* what, auto const& of) {
    check_image(what, [&](value x) { return of(x, tanh(x) + 2.0F); });
    check_image(what, [&](value x) { return of(x, slice(x, {.end = 1}) + 3.0F); });
    check_image(what, [&](value x) { return of(reshape(global_average_pool(x), {1, 1, -1}), x * x + 1.0F); });
  };
  each("add", [](value a, value b) { return a + b; });
  each("subtract", [](value a, value b) { return a - b; });
  each("multiply", [](value a, value b) { return a * b; });
  each("divide", [](value a, value b) { return a / b; });
  each("minimum", [](value a, value b) { return minimum(a, b); });
  each("maximum", [](value a, value b) { return maximum(a, b); });
  check_image("twice", [](value x) { return x * x + x; });
  check_image("parameters", [](value x) {
    x = x * parameter(x, {.shape = {4}, .name = "scale"});
    return x + parameter(x, {.shape = {5, 6, 4}, .name = "positions"});
  });
}

TEST_CASE("recurrent layers are trained") {
  using graph::rnn_layer, graph::direction;
  auto const cell = [](char const* what, auto const& layer, rnn_layer const& o) {
    check_layer(what, [&](builder& b) {
      value const x = dense(input(b, "x", {any_batch, 4, 3}), {.units = 5});
      return layer(x, o);
    });
  };
  auto const of_lstm = [](value x, rnn_layer const& o) { return lstm(x, o); };
  auto const of_gru = [](value x, rnn_layer const& o) { return gru(x, o); };
  auto const of_rnn = [](value x, rnn_layer const& o) { return rnn(x, o); };
  cell("lstm", of_lstm, {.hidden = 7, .layers = 2, .direction = direction::both});
  cell("lstm, last", of_lstm, {.hidden = 5, .direction = direction::both, .last_only = true, .bias = false});
  cell("lstm, projected", of_lstm, {.hidden = 6, .projection = 2});
  cell("gru", of_gru, {.hidden = 6, .direction = direction::reverse});
  cell("gru, reset before", of_gru, {.hidden = 4, .layers = 2, .last_only = true, .reset_before = true});
  cell("rnn", of_rnn, {.hidden = 6, .layers = 2, .last_only = true});
  cell("rnn of relu", of_rnn, {.hidden = 5, .direction = direction::both, .activation = graph::function::relu});
}

} // namespace
