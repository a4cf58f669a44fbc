// SPDX-License-Identifier: Apache-2.0
//
// GoogLeNet (Szegedy et al., Going Deeper with Convolutions, 2014) as torchvision has it: with batch
// norms, a 3x3 where the paper has a 5x5, and here without the two auxiliary heads. Names are
// torchvision's. Its published weights expect images of mean 0.5 and deviation 0.5 in each channel
// (`transform_input`).
#pragma once

#include "blocks.hpp"

namespace models {

/// Filters of the 1x1, of the two 3x3 with what stands in front of each, and behind the pool.
struct googlenet_filters {
  index_t one, before3, three, before5, five, pooled;
};

constexpr graph::value googlenet_block(graph::value x, graph::label const& name,
                                       googlenet_filters const& n) {
  graph::label const at = name + ".branch";
  auto const one = basic_conv(x, at + 1, {.filters = n.one});
  auto const three = basic_convs(
      x, at + 2, {{.filters = n.before3}, {.filters = n.three, .kernel = 3, .pad = 1}});
  auto const five = basic_convs(
      x, at + 3, {{.filters = n.before5}, {.filters = n.five, .kernel = 3, .pad = 1}});
  auto const pool = max_pool(x, {.kernel = 3, .stride = 1, .pad = 1, .ceil_mode = true});
  return graph::concat({one, three, five, basic_conv(pool, at + "4.1", {.filters = n.pooled})},
                       {.name = name});
}

struct googlenet {
  index_t classes = 1000;

  static constexpr index_t pixels = 224;

  constexpr graph::value operator()(graph::value x) const {
    auto const pool = [](graph::value of, int kernel) {
      return max_pool(of, {.kernel = kernel, .stride = 2, .ceil_mode = true});
    };
    x = pool(basic_conv(x, "conv1", {.filters = 64, .kernel = 7, .stride = 2, .pad = 3}), 3);
    x = basic_conv(x, "conv2", {.filters = 64});
    x = pool(basic_conv(x, "conv3", {.filters = 192, .kernel = 3, .pad = 1}), 3);
    x = googlenet_block(x, "inception3a", {64, 96, 128, 16, 32, 32});
    x = googlenet_block(x, "inception3b", {128, 128, 192, 32, 96, 64});
    x = pool(x, 3);
    x = googlenet_block(x, "inception4a", {192, 96, 208, 16, 48, 64});
    x = googlenet_block(x, "inception4b", {160, 112, 224, 24, 64, 64});
    x = googlenet_block(x, "inception4c", {128, 128, 256, 24, 64, 64});
    x = googlenet_block(x, "inception4d", {112, 144, 288, 32, 64, 64});
    x = googlenet_block(x, "inception4e", {256, 160, 320, 32, 128, 128});
    x = pool(x, 2);
    x = googlenet_block(x, "inception5a", {256, 160, 320, 32, 128, 128});
    x = googlenet_block(x, "inception5b", {384, 192, 384, 48, 128, 128});
    return dense(dropout(global_average_pool(x)), {.units = classes, .name = "fc"});
  }
};

} // namespace models
