// SPDX-License-Identifier: Apache-2.0
//
// SqueezeNet 1.0 and 1.1 (Iandola et al., 2016): eight "fire" blocks, a 1x1 with few filters in front
// of a 1x1 and a 3x3 side by side, and a 1x1 convolution in place of a dense layer. Names are those of
// torchvision's models. Logits are as there: behind a relu.
#pragma once

#include "network_of.hpp"

namespace models {

constexpr graph::value fire(graph::value x, index_t squeezed, index_t filters,
                            graph::label const& name) {
  x = relu(conv2d(x, {.filters = squeezed, .name = name + ".squeeze"}));
  auto const one = conv2d(x, {.filters = filters, .name = name + ".expand1x1"}),
             three = conv2d(
                 x, {.filters = filters, .kernel = 3, .pad = 1, .name = name + ".expand3x3"});
  return graph::concat({relu(one), relu(three)});
}

struct squeezenet {
  int revision = 1; ///< of 1.0 or 1.1, which has 2.4 times fewer operations
  index_t classes = 1000;

  static constexpr index_t pixels = 224;

  constexpr graph::value operator()(graph::value x) const {
    if (revision != 0 && revision != 1)
      return refuse(x, "ia_nn: squeezenet: .revision is 0 for 1.0 or 1 for 1.1");
    bool const first = revision == 0;
    x = relu(conv2d(x, {.filters = first ? 96 : 64,
                        .kernel = first ? 7 : 3,
                        .stride = 2,
                        .name = "features.0"}));
    auto const pool = [](graph::value of) {
      return max_pool(of, {.kernel = 3, .stride = 2, .ceil_mode = true});
    };
    x = pool(x);
    constexpr index_t squeezed[] = {16, 16, 32, 32, 48, 48, 64, 64};
    int fires = 0;
    for (int at = 3; at <= 12; ++at) // places in the sequence
      if (at == (first ? 6 : 5) || at == (first ? 11 : 8)) {
        x = pool(x);
      } else {
        index_t const few = squeezed[fires++];
        x = fire(x, few, 4 * few, graph::label("features.") + at);
      }
    x = relu(conv2d(dropout(x), {.filters = classes, .name = "classifier.1"}));
    return global_average_pool(x);
  }
};

} // namespace models
