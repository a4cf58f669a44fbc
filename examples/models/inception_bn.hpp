// SPDX-License-Identifier: Apache-2.0
//
// Inception with batch norm, "Inception v2" (Ioffe and Szegedy, Batch Normalization, 2015). torchvision
// has none; names are those of the usual PyTorch model, `bninception` of the package pretrainedmodels.
// Convolutions have a bias there, in front of their norm.
#pragma once

#include "blocks.hpp"

namespace models {

/// Convolution with bias, batch norm, relu.
constexpr graph::value inception_bn_conv(graph::value x, graph::label const& name,
                                         graph::conv_layer o) {
  o.name = name;
  return relu(batch_norm(conv2d(x, o), {.name = name + "_bn"}));
}

/// Filters of a block. Without a 1x1 its stride is 2, and its pool, of maxima, has no convolution.
struct inception_bn_filters {
  index_t one, before3, three, before_double, twice, pooled;
};

constexpr graph::value inception_bn_block(graph::value x, graph::label const& name,
                                          inception_bn_filters const& n, bool maxima = false) {
  graph::label const at = name + "_";
  bool const halves = n.one == 0;
  int const stride = halves ? 2 : 1;
  graph::value parts[4];
  int count = 0;
  if (!halves) parts[count++] = inception_bn_conv(x, at + "1x1", {.filters = n.one});
  auto y = inception_bn_conv(x, at + "3x3_reduce", {.filters = n.before3});
  parts[count++] = inception_bn_conv(
      y, at + "3x3", {.filters = n.three, .kernel = 3, .stride = stride, .pad = 1});
  y = inception_bn_conv(x, at + "double_3x3_reduce", {.filters = n.before_double});
  y = inception_bn_conv(y, at + "double_3x3_1", {.filters = n.twice, .kernel = 3, .pad = 1});
  parts[count++] = inception_bn_conv(
      y, at + "double_3x3_2", {.filters = n.twice, .kernel = 3, .stride = stride, .pad = 1});
  if (halves) {
    parts[count++] = max_pool(x, {.kernel = 3, .stride = 2, .ceil_mode = true});
  } else {
    y = maxima ? max_pool(x, {.kernel = 3, .stride = 1, .pad = 1})
               : average_pool(x, {.kernel = 3, .stride = 1, .pad = 1}); // zeros of the padding count
    parts[count++] = inception_bn_conv(y, at + "pool_proj", {.filters = n.pooled});
  }
  return graph::concat(parts, count, {.name = name});
}

struct inception_bn {
  index_t classes = 1000;

  static constexpr index_t pixels = 224;

  constexpr graph::value operator()(graph::value x) const {
    auto const pool = [](graph::value of) {
      return max_pool(of, {.kernel = 3, .stride = 2, .ceil_mode = true});
    };
    x = pool(inception_bn_conv(
        x, "conv1_7x7_s2", {.filters = 64, .kernel = 7, .stride = 2, .pad = 3}));
    x = inception_bn_conv(x, "conv2_3x3_reduce", {.filters = 64});
    x = pool(inception_bn_conv(x, "conv2_3x3", {.filters = 192, .kernel = 3, .pad = 1}));
    x = inception_bn_block(x, "inception_3a", {64, 64, 64, 64, 96, 32});
    x = inception_bn_block(x, "inception_3b", {64, 64, 96, 64, 96, 64});
    x = inception_bn_block(x, "inception_3c", {0, 128, 160, 64, 96, 0});
    x = inception_bn_block(x, "inception_4a", {224, 64, 96, 96, 128, 128});
    x = inception_bn_block(x, "inception_4b", {192, 96, 128, 96, 128, 128});
    x = inception_bn_block(x, "inception_4c", {160, 128, 160, 128, 160, 128});
    x = inception_bn_block(x, "inception_4d", {96, 128, 192, 160, 192, 128});
    x = inception_bn_block(x, "inception_4e", {0, 128, 192, 192, 256, 0});
    x = inception_bn_block(x, "inception_5a", {352, 192, 320, 160, 224, 128});
    x = inception_bn_block(x, "inception_5b", {352, 192, 320, 192, 224, 128}, true);
    return dense(global_average_pool(x), {.units = classes, .name = "last_linear"});
  }
};

} // namespace models
