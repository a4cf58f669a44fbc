// SPDX-License-Identifier: Apache-2.0
//
// The networks of tools/make_golden.py, written with ia_nn. Layers are called as the modules are
// there; options that are left out are PyTorch's in both places.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace golden {

using namespace ia_nn::graph;
using ia_nn::index_t;

struct mlp {
  static constexpr auto build(builder& b) {
    auto x = input(b, "x", {any_batch, 20});
    x = relu(dense(x, {.units = 33, .name = "0"}));
    x = tanh(dense(x, {.units = 17, .name = "2"}));
    return log_softmax(dense(x, {.units = 5, .name = "4"}));
  }
};

struct lenet {
  static constexpr auto build(builder& b) {
    auto x = input(b, "image", {any_batch, 32, 32, 3});
    x = relu(conv2d(x, {.filters = 6, .kernel = 5, .name = "features.0"}));
    x = max_pool(x, {.kernel = 2});
    x = relu(conv2d(x, {.filters = 16, .kernel = 5, .name = "features.3"}));
    x = max_pool(x, {.kernel = 2});
    x = relu(dense(flatten(x), {.units = 24, .name = "classifier.1"}));
    return softmax(dense(dropout(x), {.units = 10, .name = "classifier.4"}));
  }
};

struct residual {
  static constexpr value block(value x, index_t filters, label const& name) {
    auto const conv = [&](value from, index_t kernel, index_t stride, char const* convolution,
                          char const* norm) {
      auto const y = conv2d(from, {.filters = filters, .kernel = kernel, .stride = stride,
                                   .pad = kernel / 2, .bias = false, .name = name + convolution});
      return batch_norm(y, {.name = name + norm});
    };
    auto const y = relu(conv(x, 3, 2, ".conv1", ".bn1"));
    return relu(conv(y, 3, 1, ".conv2", ".bn2") + conv(x, 1, 2, ".downsample.0", ".downsample.1"));
  }
  static constexpr auto build(builder& b) {
    auto const x = block(input(b, "image", {any_batch, 11, 9, 5}), 12, "layer1.0");
    return dense(flatten(adaptive_average_pool(x, {.out = 1})), {.units = 7, .name = "fc"});
  }
};

struct separable {
  static constexpr auto build(builder& b) {
    auto x = input(b, "image", {any_batch, 15, 12, 3});
    auto const block = [](value from, index_t filters, index_t stride, label const& name,
                          auto const& act) {
      auto const y = depthwise_conv2d(from, {.kernel = 3, .stride = stride, .pad = 1, .bias = false,
                                             .name = name + ".0"});
      auto const z = act(batch_norm(y, {.name = name + ".1"}));
      return act(batch_norm(conv2d(z, {.filters = filters, .bias = false, .name = name + ".3"}),
                            {.name = name + ".4"}));
    };
    x = conv2d(x, {.filters = 8, .kernel = 3, .stride = 2, .pad = 1, .name = "features.0"});
    x = block(x, 18, 1, "features.1", [](value v) { return relu6(v); });
    x = block(x, 20, 2, "features.2", [](value v) { return hard_swish(v); });
    return dense(global_average_pool(x), {.units = 6, .name = "classifier"});
  }
};

struct lstm {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "sequence", {any_batch, 7, 9});
    auto const y = ia_nn::graph::lstm(
        x, {.hidden = 10, .layers = 2, .direction = direction::both, .name = "rnn"});
    return dense(y, {.units = 4, .name = "head"});
  }
};

struct gru {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "sequence", {any_batch, 7, 9});
    auto const y = ia_nn::graph::gru(x, {.hidden = 10, .layers = 2, .direction = direction::both,
                                         .last_only = true, .name = "rnn"});
    return dense(y, {.units = 4, .name = "head"});
  }
};

struct words {
  static constexpr auto build(builder& b) {
    auto const ids = input(b, "ids", {any_batch, 6}, value_type::s32);
    auto const x = embedding(ids, {.rows = 40, .width = 7, .name = "embed"});
    return gelu(dense(flatten(layer_norm(x, {.name = "norm"})), {.units = 11, .name = "fc"}));
  }
};

struct decoder {
  static constexpr auto build(builder& b) {
    auto x = dense(input(b, "code", {any_batch, 10}), {.units = 8 * 3 * 4, .name = "fc"});
    x = reshape(x, {3, 4, 8});
    x = deconv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .pad = 1, .output_padding = 1,
                     .name = "up.0"});
    x = leaky_relu(batch_norm(x, {.name = "up.1"}));
    return sigmoid(deconv2d(x, {.filters = 3, .kernel = 4, .stride = 2, .pad = 1, .name = "up.3"}));
  }
};

struct group_norms {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "image", {any_batch, 7, 10, 6});
    auto y = conv2d(x, {.filters = 16, .kernel = 3, .pad = 1, .name = "conv1"});
    y = silu(group_norm(y, {.groups = 4, .name = "norm1"}));
    y = conv2d(y, {.filters = 6, .kernel = 3, .pad = 1, .name = "conv2"});
    return silu(instance_norm(y, {.affine = true, .name = "norm2"}) + x);
  }
};

struct local_response {
  static constexpr auto build(builder& b) {
    auto x = input(b, "image", {any_batch, 13, 11, 3});
    x = lrn(conv2d(x, {.filters = 20, .kernel = 3, .name = "conv"}), {.size = 5});
    x = average_pool(x, {.kernel = 3, .stride = 2, .pad = 1});
    x = lrn(x, {.size = 4, .alpha = 0.01F, .beta = 0.6F, .bias = 2});
    x = average_pool(
        x, {.kernel = 3, .stride = 2, .pad = 1, .ceil_mode = true, .count_padding = false});
    return hard_sigmoid(conv2d(x, {.filters = 7, .name = "project"}) / 8);
  }
};

struct tones {
  static constexpr auto build(builder& b) {
    auto x = input(b, "line", {any_batch, 16, 4});
    x = conv1d(x, {.filters = 6, .kernel = 5, .stride = 2, .pad = 2, .name = "conv1"});
    x = elu(batch_norm(x, {.name = "norm"}));
    x = conv1d(x, {.filters = 5, .kernel = 3, .pad = 2, .dilation = 2, .name = "conv2"});
    return dense(flatten(max_pool(x, {.kernel = 2})), {.units = 3, .name = "fc"});
  }
};

struct volume {
  static constexpr auto build(builder& b) {
    auto x = input(b, "volume", {any_batch, 4, 6, 5, 2});
    x = softplus(
        conv3d(x, {.filters = 4, .kernel = {2, 3, 3}, .pad = {0, 1, 1}, .name = "conv"}));
    x = average_pool(x, {.kernel = {1, 2, 2}});
    return dense(flatten(x), {.units = 6, .name = "fc"});
  }
};

struct functions {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 37});
    return std::array{relu(x),     relu6(x),        leaky_relu(x),   elu(x),
                      selu(x),     celu(x),         sigmoid(x),      log_sigmoid(x),
                      hard_sigmoid(x), tanh(x),     clip(x, -1, 1),  softplus(x),
                      softsign(x), gelu(x),         gelu_tanh(x),    silu(x),
                      hard_swish(x),   mish(x),     softmax(x),      log_softmax(x)};
  }
};

struct epsilons {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 12});
    return std::array{batch_norm(x, {.name = "batch"}), layer_norm(x, {.name = "layer"}),
                      group_norm(x, {.groups = 3, .name = "group"})};
  }
};

} // namespace golden
