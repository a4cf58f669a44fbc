// SPDX-License-Identifier: Apache-2.0
//
// ResNet of 18, 34, 50, 101 and 152 layers (He et al., Deep Residual Learning, 2015, and Identity
// Mappings in Deep Residual Networks, 2016). There are three forms:
//
//   v1     the first paper's: the first 1x1 of a stage has the stride
//   v1_5   torchvision's: the 3x3 behind it has the stride, 6 % more operations
//   v2     the second paper's: norm and relu stand in front of each convolution, none behind the sum
//
// Weights of v1 fit v1_5, with other results; of 18 and 34 layers, whose blocks are two 3x3, the two
// are the same. Names of v1 and v1_5 are torchvision's, those of v2 timm's (resnetv2_50), whose last
// layer is a 1x1 convolution and whose stride is that of v1_5.
#pragma once

#include "blocks.hpp"

namespace models {

enum class resnet_form { v1, v1_5, v2 };

/// One residual block of v1 and v1.5. `width`: filters of the 3x3. The input is added, projected by 1x1
/// where the shape changes.
struct residual_block {
  index_t width;
  int stride;
  bool bottleneck; ///< 1x1, 3x3, 1x1 with four times the width, or two 3x3
  resnet_form form;

  constexpr graph::value operator()(graph::value x, graph::label const& name) const {
    index_t const filters = bottleneck ? 4 * width : width;
    bool const first = form == resnet_form::v1 || !bottleneck; // the first convolution has the stride
    graph::conv_layer conv1{
        .filters = width, .stride = first ? stride : 1, .name = name + ".conv1"};
    if (!bottleneck) {
      conv1.kernel = 3;
      conv1.pad = 1;
    }
    auto y = relu(conv_bn(x, conv1, name + ".bn1"));
    y = conv_bn(y,
                {.filters = width,
                 .kernel = 3,
                 .stride = first ? 1 : stride,
                 .pad = 1,
                 .name = name + ".conv2"},
                name + ".bn2");
    if (bottleneck)
      y = conv_bn(relu(y), {.filters = filters, .name = name + ".conv3"}, name + ".bn3");
    if (y.id < 0) return y; // a mistake has been noted
    if (!(x.shape() == y.shape()))
      x = conv_bn(x, {.filters = filters, .stride = stride, .name = name + ".downsample.0"},
                  name + ".downsample.1");
    return relu(y + x);
  }
};

/// One of v2: what is projected has been normalized.
struct pre_activation_block {
  index_t width;
  int stride;
  bool bottleneck, project;

  constexpr graph::value operator()(graph::value x, graph::label const& name) const {
    index_t const filters = bottleneck ? 4 * width : width;
    auto const norm = [&](graph::value of, int i) {
      return relu(batch_norm(of, {.name = name + ".norm" + i}));
    };
    auto const conv3x3 = [&](graph::value of, int i, int by) {
      return conv2d(of, {.filters = width,
                         .kernel = 3,
                         .stride = by,
                         .pad = 1,
                         .bias = false,
                         .name = name + ".conv" + i});
    };
    auto const normal = norm(x, 1);
    auto y = normal;
    if (bottleneck) {
      y = conv2d(y, {.filters = width, .bias = false, .name = name + ".conv1"});
      y = conv3x3(norm(y, 2), 2, stride);
      y = conv2d(norm(y, 3), {.filters = filters, .bias = false, .name = name + ".conv3"});
    } else {
      y = conv3x3(norm(conv3x3(y, 1, stride), 2), 2, 1);
    }
    if (project)
      x = conv2d(normal, {.filters = filters,
                          .stride = stride,
                          .bias = false,
                          .name = name + ".downsample.conv"});
    return y + x;
  }
};

struct resnet {
  int layers = 50; ///< 18, 34, 50, 101, 152
  resnet_form form = resnet_form::v1_5;
  index_t classes = 1000;

  static constexpr index_t pixels = 224;

  constexpr graph::value operator()(graph::value x) const {
    if (layers != 18 && layers != 34 && layers != 50 && layers != 101 && layers != 152)
      return refuse(x, "ia_nn: resnet: .layers is 18, 34, 50, 101 or 152");
    bool const v2 = form == resnet_form::v2, bottleneck = layers >= 50;
    graph::conv_layer stem{.filters = 64, .kernel = 7, .stride = 2, .pad = 3, .name = "conv1"};
    if (v2) {
      stem.bias = false;
      stem.name = "stem.conv";
      x = conv2d(x, stem);
    } else {
      x = relu(conv_bn(x, stem, "bn1"));
    }
    x = max_pool(x, {.kernel = 3, .stride = 2, .pad = 1});
    int const blocks[] = {layers == 18 ? 2 : 3, layers == 18 ? 2 : layers == 152 ? 8 : 4,
                          layers == 18    ? 2
                          : layers == 101 ? 23
                          : layers == 152 ? 36
                                          : 6,
                          layers == 18 ? 2 : 3};
    for (int stage = 0; stage < 4; ++stage)
      for (int i = 0; i < blocks[stage]; ++i) {
        index_t const width = 64 << stage;
        int const stride = stage > 0 && i == 0 ? 2 : 1;
        if (v2)
          x = pre_activation_block{width, stride, bottleneck, i == 0 && (bottleneck || stage > 0)}(
              x, graph::label("stages.") + stage + ".blocks." + i);
        else
          x = residual_block{width, stride, bottleneck, form}(
              x, graph::label("layer") + (stage + 1) + "." + i);
      }
    if (!v2) return dense(global_average_pool(x), {.units = classes, .name = "fc"});
    x = adaptive_average_pool(relu(batch_norm(x, {.name = "norm"})), {.out = 1});
    return flatten(conv2d(x, {.filters = classes, .name = "head.fc"}));
  }
};

template <index_t Batch = graph::any_batch, index_t Pixels = 224>
struct resnet50_v1 : network_of<resnet{.form = resnet_form::v1}, Batch, Pixels> {};
template <index_t Batch = graph::any_batch, index_t Pixels = 224>
struct resnet50_v1_5 : network_of<resnet{}, Batch, Pixels> {};

} // namespace models
