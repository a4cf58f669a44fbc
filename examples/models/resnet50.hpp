// SPDX-License-Identifier: Apache-2.0
//
// ResNet-50 v1 (He et al., Deep Residual Learning, 2015): 53 convolutions with batch norm, 16
// blocks with residual additions, 25.6 million weights. Names are those of torchvision's model.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace models {

namespace graph = ia_nn::graph;

constexpr graph::value conv_bn(graph::value x, graph::conv_layer o, graph::label const& norm) {
  o.bias = false;
  return batch_norm(conv2d(x, o), {.name = norm});
}

/// 1x1, 3x3 (with the stride), 1x1; the input is added, projected by 1x1 where the shape changes.
constexpr graph::value bottleneck(graph::value x, ia_nn::index_t width, int stride,
                                  graph::label const& name) {
  auto y = relu(conv_bn(x, {.filters = width, .name = name + ".conv1"}, name + ".bn1"));
  y = relu(conv_bn(
      y, {.filters = width, .kernel = 3, .stride = stride, .pad = 1, .name = name + ".conv2"},
      name + ".bn2"));
  y = conv_bn(y, {.filters = 4 * width, .name = name + ".conv3"}, name + ".bn3");
  if (y.id < 0) return y; // a mistake has been noted
  if (!(x.shape() == y.shape()))
    x = conv_bn(x, {.filters = 4 * width, .stride = stride, .name = name + ".downsample.0"},
                name + ".downsample.1");
  return relu(y + x);
}

template <ia_nn::index_t Batch = graph::any_batch, ia_nn::index_t Pixels = 224> struct resnet50 {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "image", {Batch, Pixels, Pixels, 3});
    x = relu(
        conv_bn(x, {.filters = 64, .kernel = 7, .stride = 2, .pad = 3, .name = "conv1"}, "bn1"));
    x = max_pool(x, {.kernel = 3, .stride = 2, .pad = 1});
    constexpr int blocks[] = {3, 4, 6, 3};
    for (int stage = 0; stage < 4; ++stage)
      for (int i = 0; i < blocks[stage]; ++i)
        x = bottleneck(x, 64 << stage, stage > 0 && i == 0 ? 2 : 1,
                       graph::label("layer") + (stage + 1) + "." + i);
    return softmax(dense(global_average_pool(x), {.units = 1000, .name = "fc"}));
  }
};

} // namespace models
