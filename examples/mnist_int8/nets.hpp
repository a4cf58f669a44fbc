// SPDX-License-Identifier: Apache-2.0
//
// The two networks of network.cpp as the compiler sees them, batch normalization already in the
// weights. With `All`, what each layer with weights gives is an output, for calibration; without,
// the logits alone.
//
// In a namespace that does not see ia_nn's classes: dense, softmax and others have the names of the
// functions of ia_nn::graph.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace demo_nets {

using ia_nn::index_t, ia_nn::graph::builder, ia_nn::graph::value;

inline constexpr index_t side = 28, width = 32; ///< of images; filters of the first layer

template <bool All> constexpr value shown(value x, char const* name) {
  if (All) output(x, name);
  return x;
}

template <bool All> struct plain {
  static constexpr void build(builder& b) {
    auto x = input(b, "image", {ia_nn::graph::any_batch, side, side, 1});
    x = shown<All>(relu(conv2d(x, {.filters = width, .kernel = 5, .pad = 2, .name = "conv1"})),
                   "1");
    x = max_pool(x, {.kernel = 2});
    x = shown<All>(relu(conv2d(x, {.filters = 2 * width, .kernel = 5, .pad = 2, .name = "conv2"})),
                   "2");
    x = flatten(max_pool(x, {.kernel = 2}));
    x = shown<All>(relu(dense(x, {.units = 4 * width, .name = "fc1"})), "3");
    output(dense(x, {.units = 10, .name = "fc2"}), "logits");
  }
};

template <bool All> struct residual {
  static constexpr value conv(value x, index_t filters, char const* name) {
    return conv2d(x, {.filters = filters, .kernel = 3, .pad = 1, .name = name});
  }
  static constexpr void build(builder& b) {
    auto x = input(b, "image", {ia_nn::graph::any_batch, side, side, 1});
    x = max_pool(shown<All>(relu(conv(x, width, "conv1")), "1"), {.kernel = 2});
    x = max_pool(shown<All>(relu(conv(x, 2 * width, "conv2")), "2"), {.kernel = 2});
    auto const y = shown<All>(relu(conv(x, 2 * width, "conv3")), "3");
    x = shown<All>(relu(conv(y, 2 * width, "conv4") + x), "4");
    output(dense(flatten(x), {.units = 10, .name = "fc"}), "logits");
  }
};

} // namespace demo_nets
