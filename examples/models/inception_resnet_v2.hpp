// SPDX-License-Identifier: Apache-2.0
//
// Inception-ResNet v2 (Szegedy et al., Inception-v4, Inception-ResNet, 2016): 244 convolutions, 40
// blocks whose branches are added to their input, scaled down. torchvision has none; names are those of
// timm. (In pretrainedmodels the last layer is last_linear:
// .names = {{"classif", "last_linear"}}.)
#pragma once

#include "blocks.hpp"

namespace models {

struct inception_resnet_v2 {
  index_t classes = 1000;

  static constexpr index_t pixels = 299;

  constexpr graph::value operator()(graph::value x) const {
    x = basic_conv(x, "conv2d_1a", halving(32));
    x = basic_conv(x, "conv2d_2a", {.filters = 32, .kernel = 3});
    x = halving_pool(basic_conv(x, "conv2d_2b", square(64)));
    x = basic_conv(x, "conv2d_3b", {.filters = 80});
    x = halving_pool(basic_conv(x, "conv2d_4a", {.filters = 192, .kernel = 3}));
    x = mixed_5b(x);
    for (int i = 0; i < 10; ++i) x = block35(x, graph::label("repeat.") + i);
    x = mixed_6a(x);
    for (int i = 0; i < 20; ++i) x = block17(x, graph::label("repeat_1.") + i);
    x = mixed_7a(x);
    for (int i = 0; i < 9; ++i) x = relu(block8(x, graph::label("repeat_2.") + i, 0.2F));
    x = block8(x, "block8", 1);
    x = basic_conv(x, "conv2d_7b", {.filters = 1536});
    return dense(dropout(global_average_pool(x)), {.units = classes, .name = "classif"});
  }

private:
  static constexpr graph::value mixed_5b(graph::value x) {
    graph::label const at = "mixed_5b.branch";
    auto const one = basic_conv(x, at + 0, {.filters = 96});
    auto const five =
        basic_convs(x, at + 1, {{.filters = 48}, {.filters = 64, .kernel = 5, .pad = 2}});
    auto const twice = basic_convs(x, at + 2, {{.filters = 64}, square(96), square(96)});
    return graph::concat({one, five, twice, averaged_conv(x, at + 3, 64)});
  }
  static constexpr graph::value mixed_6a(graph::value x) {
    graph::label const at = "mixed_6a.branch";
    auto const three = basic_conv(x, at + 0, halving(384));
    auto const twice = basic_convs(x, at + 1, {{.filters = 256}, square(256), halving(384)});
    return graph::concat({three, twice, halving_pool(x)});
  }
  static constexpr graph::value mixed_7a(graph::value x) {
    graph::label const at = "mixed_7a.branch";
    auto const a = basic_convs(x, at + 0, {{.filters = 256}, halving(384)});
    auto const b = basic_convs(x, at + 1, {{.filters = 256}, halving(288)});
    auto const c = basic_convs(x, at + 2, {{.filters = 256}, square(288), halving(320)});
    return graph::concat({a, b, c, halving_pool(x)});
  }

  /// The branches, side by side, as many channels as x has, by `scale` to x.
  static constexpr graph::value add_scaled(graph::value x, graph::value branches,
                                           graph::label const& name, f32 scale) {
    if (x.id < 0) return x; // a mistake has been noted
    return conv2d(branches, {.filters = x.shape().last(), .name = name + ".conv2d"}) * scale + x;
  }
  static constexpr graph::value block35(graph::value x, graph::label const& name) {
    auto const one = basic_conv(x, name + ".branch0", {.filters = 32});
    auto const three = basic_convs(x, name + ".branch1", {{.filters = 32}, square(32)});
    auto const twice = basic_convs(x, name + ".branch2", {{.filters = 32}, square(48), square(64)});
    return relu(add_scaled(x, graph::concat({one, three, twice}), name, 0.17F));
  }
  static constexpr graph::value block17(graph::value x, graph::label const& name) {
    auto const one = basic_conv(x, name + ".branch0", {.filters = 192});
    auto const seven = basic_convs(
        x, name + ".branch1", {{.filters = 128}, across(160, 7), down(192, 7)});
    return relu(add_scaled(x, graph::concat({one, seven}), name, 0.1F));
  }
  static constexpr graph::value block8(graph::value x, graph::label const& name, f32 scale) {
    auto const one = basic_conv(x, name + ".branch0", {.filters = 192});
    auto const three = basic_convs(
        x, name + ".branch1", {{.filters = 192}, across(224, 3), down(256, 3)});
    return add_scaled(x, graph::concat({one, three}), name, scale);
  }
};

} // namespace models
