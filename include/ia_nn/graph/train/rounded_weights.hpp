// SPDX-License-Identifier: Apache-2.0
//
// Weights of a layer as they will be in 8 bits: symmetric, a scale for each filter or row.
#pragma once

#include <ia_nn/graph/layers/conv.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

/// `shape`: (filters, ...), of a transposed convolution (channels, filters / groups, window).
inline void round_weights(node const& n, std::vector<index_t> const& shape, std::span<f32 const> from,
                          f32* to) noexcept {
  bool const transposed = n.kind == op::deconv;
  index_t const groups = transposed ? n.attributes.groups : 1;
  index_t const filters = transposed ? shape[1] * groups : shape[0];
  index_t const channels = transposed ? shape[0] / groups : 1; // runs of a filter, which lie apart
  index_t const run = std::ssize(from) / (filters * channels), of_group = filters / groups;
  for (index_t f = 0; f < filters; ++f) {
    auto const each = [&](auto const& g) {
      for (index_t c = 0; c < channels; ++c) {
        index_t const first = ((f / of_group * channels + c) * of_group + f % of_group) * run;
        for (index_t i = first; i < first + run; ++i) g(static_cast<std::size_t>(i));
      }
    };
    f32 most = 0;
    each([&](std::size_t i) { most = std::max(most, std::fabs(from[i])); });
    f32 const scale = most > 0 ? most / 127.0F : 1.0F;
    each([&](std::size_t i) { to[i] = std::nearbyint(from[i] / scale) * scale; });
  }
}

} // namespace graph
IA_NN_END
