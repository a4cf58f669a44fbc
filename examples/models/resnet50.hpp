// SPDX-License-Identifier: Apache-2.0
//
// ResNet-50 (He et al., Deep Residual Learning, 2015): 53 convolutions with batch norm, 16 blocks
// with residual additions, 25.6 million weights, logits. There are two of them:
//
//   resnet50_v1     the paper's: the first 1x1 of a stage has the stride
//   resnet50_v1_5   torchvision's: the 3x3 behind it has the stride, 6 % more operations
//
// Weights of one fit the other, with other results. Names are those of torchvision's model.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace models {

namespace graph = ia_nn::graph;

constexpr graph::value conv_bn(graph::value x, graph::conv_layer o, graph::label const& norm) {
  o.bias = false;
  return batch_norm(conv2d(x, o), {.name = norm});
}

/// Where the stride of a stage is.
enum class resnet_stride { first_1x1, middle_3x3 };

/// 1x1, 3x3, 1x1; the input is added, projected by 1x1 where the shape changes.
constexpr graph::value bottleneck(graph::value x, ia_nn::index_t width, int stride,
                                  resnet_stride where, graph::label const& name) {
  bool const first = where == resnet_stride::first_1x1;
  auto y = relu(
      conv_bn(x, {.filters = width, .stride = first ? stride : 1, .name = name + ".conv1"},
              name + ".bn1"));
  y = relu(conv_bn(y,
                   {.filters = width,
                    .kernel = 3,
                    .stride = first ? 1 : stride,
                    .pad = 1,
                    .name = name + ".conv2"},
                   name + ".bn2"));
  y = conv_bn(y, {.filters = 4 * width, .name = name + ".conv3"}, name + ".bn3");
  if (y.id < 0) return y; // a mistake has been noted
  if (!(x.shape() == y.shape()))
    x = conv_bn(x, {.filters = 4 * width, .stride = stride, .name = name + ".downsample.0"},
                name + ".downsample.1");
  return relu(y + x);
}

template <resnet_stride Where, ia_nn::index_t Batch, ia_nn::index_t Pixels> struct resnet50 {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "image", {Batch, Pixels, Pixels, 3});
    x = relu(
        conv_bn(x, {.filters = 64, .kernel = 7, .stride = 2, .pad = 3, .name = "conv1"}, "bn1"));
    x = max_pool(x, {.kernel = 3, .stride = 2, .pad = 1});
    constexpr int blocks[] = {3, 4, 6, 3};
    for (int stage = 0; stage < 4; ++stage)
      for (int i = 0; i < blocks[stage]; ++i)
        x = bottleneck(x, 64 << stage, stage > 0 && i == 0 ? 2 : 1, Where,
                       graph::label("layer") + (stage + 1) + "." + i);
    return dense(global_average_pool(x), {.units = 1000, .name = "fc"});
  }
};

template <ia_nn::index_t Batch = graph::any_batch, ia_nn::index_t Pixels = 224>
struct resnet50_v1 : resnet50<resnet_stride::first_1x1, Batch, Pixels> {};
template <ia_nn::index_t Batch = graph::any_batch, ia_nn::index_t Pixels = 224>
struct resnet50_v1_5 : resnet50<resnet_stride::middle_3x3, Batch, Pixels> {};

} // namespace models
