// SPDX-License-Identifier: Apache-2.0
//
// How many pictures a network with these weights knows.
#pragma once

#include "data.hpp"

#include <ia_nn/graph/compiled.hpp>

namespace images {

/// In percent.
template <class Net, ia_nn::graph::weights_source W, ia_nn::executor E>
double percent_known(W const& weights, image_set const& test, E& e) {
  ia_nn::graph::compiled<Net> const net(weights, {.max_batch = test.count, .workers = e.concurrency()});
  ia_nn::workspace scratch(net.workspace_bytes());
  std::vector<f32> scores(static_cast<std::size_t>(test.count * 10));
  net.run(test.count, pixels_of(test, test.count), scores, scratch, e).require();
  index_t right = 0;
  for (index_t i = 0; i < test.count; ++i) {
    f32 const* const row = scores.data() + 10 * i;
    right += std::max_element(row, row + 10) - row == test.labels[static_cast<std::size_t>(i)];
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(test.count);
}

} // namespace images
