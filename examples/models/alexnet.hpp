// SPDX-License-Identifier: Apache-2.0
//
// AlexNet as torchvision has it (Krizhevsky, One weird trick for parallelizing convolutional neural
// networks, 2014): five convolutions without groups and local response norms, three dense layers.
#pragma once

#include "network_of.hpp"

namespace models {

struct alexnet {
  index_t classes = 1000;
  index_t hidden = 4096; ///< units of the dense layers between

  static constexpr index_t pixels = 224; ///< or more: a pool makes 6 x 6 in front of the dense layers

  constexpr graph::value operator()(graph::value x) const {
    x = relu(conv2d(x, {.filters = 64, .kernel = 11, .stride = 4, .pad = 2, .name = "features.0"}));
    x = max_pool(x, {.kernel = 3, .stride = 2});
    x = relu(conv2d(x, {.filters = 192, .kernel = 5, .pad = 2, .name = "features.3"}));
    x = max_pool(x, {.kernel = 3, .stride = 2});
    x = relu(conv2d(x, {.filters = 384, .kernel = 3, .pad = 1, .name = "features.6"}));
    x = relu(conv2d(x, {.filters = 256, .kernel = 3, .pad = 1, .name = "features.8"}));
    x = relu(conv2d(x, {.filters = 256, .kernel = 3, .pad = 1, .name = "features.10"}));
    x = max_pool(x, {.kernel = 3, .stride = 2});
    x = dropout(flatten(adaptive_average_pool(x, {.out = 6})));
    x = dropout(relu(dense(x, {.units = hidden, .name = "classifier.1"})));
    x = relu(dense(x, {.units = hidden, .name = "classifier.4"}));
    return dense(x, {.units = classes, .name = "classifier.6"});
  }
};

} // namespace models
