// SPDX-License-Identifier: Apache-2.0
//
// A net for handwritten digits: two convolutions with pools, two dense layers, logits.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace models {

template <ia_nn::index_t Batch = ia_nn::graph::any_batch> struct mnist {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto x = input(b, "image", {Batch, 28, 28, 1});
    x = relu(conv2d(x, {.filters = 16, .kernel = 5, .pad = 2, .name = "conv1"}));
    x = max_pool(x, {.kernel = 2});
    x = relu(conv2d(x, {.filters = 32, .kernel = 5, .pad = 2, .name = "conv2"}));
    x = flatten(max_pool(x, {.kernel = 2}));
    x = relu(dense(x, {.units = 128, .name = "fc1"}));
    return dense(dropout(x), {.units = 10, .name = "fc2"});
  }
};

} // namespace models
