// SPDX-License-Identifier: Apache-2.0
//
// MobileNet v2 (Sandler et al., Inverted Residuals and Linear Bottlenecks, 2018): 17 blocks of a 1x1
// to six times the channels, a depthwise 3x3 and a 1x1 without function, the input added where the
// shape stays. Names are those of torchvision's model, and so are the numbers of channels at widths
// below 100 %: multiples of 8.
#pragma once

#include "network_of.hpp"

namespace models {

struct mobilenet_v2 {
  int width_percent = 100; ///< of the channels; published: 100, 75, 50, 25 and more
  index_t classes = 1000;

  static constexpr index_t pixels = 224;

  /// The nearest multiple of 8 that is not smaller than nine tenths.
  constexpr index_t channels(index_t of) const {
    index_t const wanted = of * width_percent; // per cent
    index_t const near = (wanted + 400) / 800 * 8, some = near < 8 ? 8 : near;
    return 1000 * some < 9 * wanted ? some + 8 : some;
  }

  constexpr graph::value operator()(graph::value x) const {
    if (width_percent < 1) return refuse(x, "ia_nn: mobilenet_v2: .width_percent is at least 1");
    auto const norm = [](graph::value of, graph::label const& name) {
      return batch_norm(of, {.name = name});
    };
    x = conv2d(x, {.filters = channels(32),
                   .kernel = 3,
                   .stride = 2,
                   .pad = 1,
                   .bias = false,
                   .name = "features.0.0"});
    x = relu6(norm(x, "features.0.1"));
    struct {
      int expansion;
      index_t filters;
      int count, stride;
    } constexpr groups[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                            {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int at = 1; // place in the sequence `features`
    for (auto const& g : groups)
      for (int i = 0; i < g.count; ++i) {
        if (x.id < 0) return x; // a mistake has been noted
        graph::label const name = graph::label("features.") + at++ + ".conv.";
        auto y = x;
        int part = 0;
        if (g.expansion > 1) {
          y = conv2d(y, {.filters = g.expansion * x.shape().last(),
                         .bias = false,
                         .name = name + "0.0"});
          y = relu6(norm(y, name + "0.1"));
          ++part;
        }
        y = depthwise_conv2d(y, {.kernel = 3,
                                 .stride = i == 0 ? g.stride : 1,
                                 .pad = 1,
                                 .bias = false,
                                 .name = name + part + ".0"});
        y = relu6(norm(y, name + part + ".1"));
        y = conv2d(
            y, {.filters = channels(g.filters), .bias = false, .name = name + (part + 1)});
        y = norm(y, name + (part + 2));
        if (y.id < 0) return y;
        // Of narrow networks this holds for first blocks of a group too, as in torchvision.
        x = x.shape() == y.shape() ? x + y : y;
      }
    index_t const last = width_percent > 100 ? channels(1280) : 1280;
    x = conv2d(x, {.filters = last, .bias = false, .name = graph::label("features.") + at + ".0"});
    x = relu6(norm(x, graph::label("features.") + at + ".1"));
    return dense(dropout(global_average_pool(x)), {.units = classes, .name = "classifier.1"});
  }
};

} // namespace models
