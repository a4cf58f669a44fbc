// SPDX-License-Identifier: Apache-2.0
//
// The families of this folder are structs of options that can be called with an image:
// resnet{.layers = 101}(x). network_of makes a network of one, whose only input is the image:
//
//   ia_nn::graph::compiled<models::network_of<models::resnet{.layers = 101}>> const net(weights);
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace models {

namespace graph = ia_nn::graph;
using ia_nn::f32;
using ia_nn::index_t;

template <auto Family, index_t Batch = graph::any_batch, index_t Pixels = Family.pixels>
struct network_of {
  static constexpr auto build(graph::builder& b) {
    return Family(input(b, "image", {Batch, Pixels, Pixels, 3}));
  }
};

/// Notes that an option has none of the published values.
constexpr graph::value refuse(graph::value x, char const* sentence) {
  return x.owner ? x.owner->fail(sentence, "") : x;
}

} // namespace models
