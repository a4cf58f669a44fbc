// SPDX-License-Identifier: Apache-2.0
//
// DenseNet of 121, 161, 169 and 201 layers (Huang et al., Densely Connected Convolutional Networks,
// 2016): each layer of a block reads what all before it gave, side by side, and adds 32 or 48 channels.
// Norm and relu stand in front of the convolutions. Names are those of torchvision's models; files that
// are older than 2018 have norm.1 for norm1, and so on.
#pragma once

#include "network_of.hpp"

namespace models {

struct densenet {
  int layers = 121; ///< 121, 161, 169, 201
  index_t classes = 1000;

  static constexpr index_t pixels = 224;

  constexpr graph::value operator()(graph::value x) const {
    if (layers != 121 && layers != 161 && layers != 169 && layers != 201)
      return refuse(x, "ia_nn: densenet: .layers is 121, 161, 169 or 201");
    index_t const growth = layers == 161 ? 48 : 32;
    int const blocks[] = {6, 12, layers == 121 ? 24 : layers == 161 ? 36 : layers == 169 ? 32 : 48,
                          layers == 121 ? 16 : layers == 161 ? 24 : 32};
    auto const norm = [](graph::value of, graph::label const& name) {
      return relu(batch_norm(of, {.name = name}));
    };
    auto const conv = [](graph::value of, graph::conv_layer o) {
      o.bias = false;
      o.pad = o.kernel.n[0] / 2;
      return conv2d(of, o);
    };
    x = conv(x, {.filters = 2 * growth, .kernel = 7, .stride = 2, .name = "features.conv0"});
    x = max_pool(norm(x, "features.norm0"), {.kernel = 3, .stride = 2, .pad = 1});
    for (int block = 1; block <= 4; ++block) {
      for (int i = 1; i <= blocks[block - 1]; ++i) {
        graph::label const name =
            graph::label("features.denseblock") + block + ".denselayer" + i;
        auto y = norm(x, name + ".norm1");
        y = conv(y, {.filters = 4 * growth, .name = name + ".conv1"});
        y = norm(y, name + ".norm2");
        y = conv(y, {.filters = growth, .kernel = 3, .name = name + ".conv2"});
        x = graph::concat({x, y});
      }
      if (block == 4 || x.id < 0) break;
      graph::label const name = graph::label("features.transition") + block;
      x = conv(norm(x, name + ".norm"), {.filters = x.shape().last() / 2, .name = name + ".conv"});
      x = average_pool(x, {.kernel = 2});
    }
    x = global_average_pool(norm(x, "features.norm5"));
    return dense(x, {.units = classes, .name = "classifier"});
  }
};

} // namespace models
