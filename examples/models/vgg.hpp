// SPDX-License-Identifier: Apache-2.0
//
// VGG of 11, 13, 16 and 19 layers (Simonyan and Zisserman, Very Deep Convolutional Networks, 2014):
// five groups of 3x3 convolutions, each with a pool behind it, and three dense layers that have most of
// the weights. Names are those of torchvision's models: places in the sequences `features` and
// `classifier`.
#pragma once

#include "network_of.hpp"

namespace models {

struct vgg {
  int layers = 16; ///< 11, 13, 16, 19
  bool batch_norm = false;
  index_t classes = 1000;
  index_t hidden = 4096; ///< units of the dense layers between

  static constexpr index_t pixels = 224; ///< or more: a pool makes 7 x 7 in front of the dense layers

  constexpr graph::value operator()(graph::value x) const {
    if (layers != 11 && layers != 13 && layers != 16 && layers != 19)
      return refuse(x, "ia_nn: vgg: .layers is 11, 13, 16 or 19");
    constexpr index_t filters[] = {64, 128, 256, 512, 512};
    int at = 0; // place in the sequence
    for (int group = 0; group < 5; ++group) {
      int const convolutions = group < 2 ? (layers == 11 ? 1 : 2)
                               : layers <= 13 ? 2
                               : layers == 16 ? 3
                                              : 4;
      for (int i = 0; i < convolutions; ++i) {
        x = conv2d(x, {.filters = filters[group],
                       .kernel = 3,
                       .pad = 1,
                       .name = graph::label("features.") + at++});
        if (batch_norm) x = graph::batch_norm(x, {.name = graph::label("features.") + at++});
        x = relu(x);
        ++at;
      }
      x = max_pool(x, {.kernel = 2});
      ++at;
    }
    x = flatten(adaptive_average_pool(x, {.out = 7}));
    x = dropout(relu(dense(x, {.units = hidden, .name = "classifier.0"})));
    x = dropout(relu(dense(x, {.units = hidden, .name = "classifier.3"})));
    return dense(x, {.units = classes, .name = "classifier.6"});
  }
};

} // namespace models
