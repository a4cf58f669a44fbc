// SPDX-License-Identifier: Apache-2.0
//
// MobileNet v1 (Howard et al., 2017): 13 pairs of a depthwise 3x3 and a 1x1 convolution. Names are
// those of the usual PyTorch model, one sequence "model" of sequences: model.3.0 is the depthwise
// convolution of the third pair, model.3.1 its batch norm, model.3.3 and model.3.4 the 1x1.
#pragma once

#include "network_of.hpp"

namespace models {

struct mobilenet_v1 {
  int width_percent = 100; ///< of the channels; published: 100, 75, 50, 25
  index_t classes = 1000;

  static constexpr index_t pixels = 224;

  constexpr graph::value operator()(graph::value x) const {
    if (width_percent < 4) return refuse(x, "ia_nn: mobilenet_v1: .width_percent is at least 4");
    x = conv2d(x, {.filters = 32 * width_percent / 100,
                   .kernel = 3,
                   .stride = 2,
                   .pad = 1,
                   .bias = false,
                   .name = "model.0.0"});
    x = relu(batch_norm(x, {.name = "model.0.1"}));
    struct {
      index_t filters;
      int stride;
    } constexpr pairs[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                           {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
    int i = 1;
    for (auto const& p : pairs) {
      graph::label const name = graph::label("model.") + i++;
      x = depthwise_conv2d(
          x, {.kernel = 3, .stride = p.stride, .pad = 1, .bias = false, .name = name + ".0"});
      x = relu(batch_norm(x, {.name = name + ".1"}));
      x = conv2d(x, {.filters = p.filters * width_percent / 100, .bias = false, .name = name + ".3"});
      x = relu(batch_norm(x, {.name = name + ".4"}));
    }
    return dense(global_average_pool(x), {.units = classes, .name = "fc"});
  }
};

template <index_t Batch = graph::any_batch, index_t Pixels = 224>
struct mobilenet : network_of<mobilenet_v1{}, Batch, Pixels> {};

} // namespace models
