// SPDX-License-Identifier: Apache-2.0
//
// Inception v4 (Szegedy et al., Inception-v4, Inception-ResNet, 2016): 149 convolutions with batch
// norm. torchvision has none; names are those of timm and of pretrainedmodels, one sequence `features`.
#pragma once

#include "blocks.hpp"

namespace models {

struct inception_v4 {
  index_t classes = 1000;

  static constexpr index_t pixels = 299;

  constexpr graph::value operator()(graph::value x) const {
    graph::label const at = "features.";
    x = basic_conv(x, at + 0, {.filters = 32, .kernel = 3, .stride = 2});
    x = basic_conv(x, at + 1, {.filters = 32, .kernel = 3});
    x = basic_conv(x, at + 2, {.filters = 64, .kernel = 3, .pad = 1});
    auto y = basic_conv(x, at + "3.conv", {.filters = 96, .kernel = 3, .stride = 2});
    x = split_stem(graph::concat({halving_pool(x), y}), at + 4);
    y = basic_conv(x, at + "5.conv", {.filters = 192, .kernel = 3, .stride = 2});
    x = graph::concat({y, halving_pool(x)});
    int i = 6;
    for (; i < 10; ++i) x = block_a(x, at + i);
    x = reduction_a(x, at + i++);
    for (; i < 18; ++i) x = block_b(x, at + i);
    x = reduction_b(x, at + i++);
    for (; i < 22; ++i) x = block_c(x, at + i);
    return dense(dropout(global_average_pool(x)), {.units = classes, .name = "last_linear"});
  }

private:
  static constexpr graph::value split_stem(graph::value x, graph::label const& name) {
    auto const one = basic_convs(
        x, name + ".branch0", {{.filters = 64}, {.filters = 96, .kernel = 3}});
    auto const seven = basic_convs(
        x, name + ".branch1",
        {{.filters = 64}, across(64, 7), down(64, 7), {.filters = 96, .kernel = 3}});
    return graph::concat({one, seven}, {.name = name});
  }
  static constexpr graph::value block_a(graph::value x, graph::label const& name) {
    auto const one = basic_conv(x, name + ".branch0", {.filters = 96});
    auto const three = basic_convs(x, name + ".branch1", {{.filters = 64}, square(96)});
    auto const twice = basic_convs(x, name + ".branch2", {{.filters = 64}, square(96), square(96)});
    return graph::concat({one, three, twice, averaged_conv(x, name + ".branch3", 96)},
                         {.name = name});
  }
  static constexpr graph::value reduction_a(graph::value x, graph::label const& name) {
    auto const three = basic_conv(x, name + ".branch0", halving(384));
    auto const twice =
        basic_convs(x, name + ".branch1", {{.filters = 192}, square(224), halving(256)});
    return graph::concat({three, twice, halving_pool(x)}, {.name = name});
  }
  static constexpr graph::value block_b(graph::value x, graph::label const& name) {
    auto const one = basic_conv(x, name + ".branch0", {.filters = 384});
    auto const seven = basic_convs(
        x, name + ".branch1", {{.filters = 192}, across(224, 7), down(256, 7)});
    auto const twice = basic_convs(
        x, name + ".branch2",
        {{.filters = 192}, down(192, 7), across(224, 7), down(224, 7), across(256, 7)});
    return graph::concat({one, seven, twice, averaged_conv(x, name + ".branch3", 128)},
                         {.name = name});
  }
  static constexpr graph::value reduction_b(graph::value x, graph::label const& name) {
    auto const three = basic_convs(x, name + ".branch0", {{.filters = 192}, halving(192)});
    auto const seven = basic_convs(
        x, name + ".branch1", {{.filters = 256}, across(256, 7), down(320, 7), halving(320)});
    return graph::concat({three, seven, halving_pool(x)}, {.name = name});
  }
  static constexpr graph::value both(graph::value x, graph::label const& name) {
    auto const a = basic_conv(x, name + "a", across(256, 3));
    return graph::concat({a, basic_conv(x, name + "b", down(256, 3))});
  }
  static constexpr graph::value block_c(graph::value x, graph::label const& name) {
    auto const one = basic_conv(x, name + ".branch0", {.filters = 256});
    auto const three = both(basic_conv(x, name + ".branch1_0", {.filters = 384}), name + ".branch1_1");
    auto y = basic_conv(x, name + ".branch2_0", {.filters = 384});
    y = basic_conv(y, name + ".branch2_1", down(448, 3));
    y = basic_conv(y, name + ".branch2_2", across(512, 3));
    auto const twice = both(y, name + ".branch2_3");
    return graph::concat({one, three, twice, averaged_conv(x, name + ".branch3", 256)},
                         {.name = name});
  }
};

} // namespace models
