// SPDX-License-Identifier: Apache-2.0
//
// Two networks for pictures of 28 x 28 in ten classes.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace images {

using ia_nn::index_t, ia_nn::graph::builder, ia_nn::graph::label, ia_nn::graph::value;
using ia_nn::graph::quantize_rules;

inline constexpr index_t side = 28, width = 32; ///< of images; filters of the first layer

struct plain {
  static constexpr char const *name = "plain", *title = "two convolutions, two dense layers";
  /// The first convolution has one channel, few products a sum: with its pool it is faster in f32.
  static constexpr quantize_rules quantize{.first_in_float = true};
  static constexpr value build(builder& b) {
    auto x = input(b, "image", {ia_nn::graph::any_batch, side, side, 1});
    x = relu(conv2d(x, {.filters = width, .kernel = 5, .pad = 2, .name = "conv1"}));
    x = max_pool(x, {.kernel = 2});
    x = relu(conv2d(x, {.filters = 2 * width, .kernel = 5, .pad = 2, .name = "conv2"}));
    x = flatten(max_pool(x, {.kernel = 2}));
    x = relu(dense(x, {.units = 4 * width, .name = "fc1"}));
    return dense(x, {.units = 10, .name = "fc2"});
  }
};

struct residual {
  static constexpr char const *name = "residual", *title = "batch normalization, a residual block";
  static constexpr quantize_rules quantize{.first_in_float = true};
  static constexpr value conv(value x, index_t filters, index_t n) {
    auto const layer = label("conv") + n;
    x = conv2d(x, {.filters = filters, .kernel = 3, .pad = 1, .bias = false, .name = layer});
    return batch_norm(x, {.name = label("bn") + n});
  }
  static constexpr value build(builder& b) {
    auto x = input(b, "image", {ia_nn::graph::any_batch, side, side, 1});
    x = max_pool(relu(conv(x, width, 1)), {.kernel = 2});
    x = max_pool(relu(conv(x, 2 * width, 2)), {.kernel = 2});
    auto const y = relu(conv(x, 2 * width, 3));
    x = relu(conv(y, 2 * width, 4) + x);
    return dense(flatten(x), {.units = 10, .name = "fc"});
  }
};

} // namespace images
