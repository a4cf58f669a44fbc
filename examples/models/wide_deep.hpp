// SPDX-License-Identifier: Apache-2.0
//
// Wide & deep (Cheng et al., 2016) with 26 categorical inputs, as the Criteo data has them: 26
// tables and 13 numbers are concatenated, in front of dense layers. Published models agree on no
// names; these are our own.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace models {

template <ia_nn::index_t Batch = ia_nn::graph::any_batch, ia_nn::index_t Rows = 100000,
          ia_nn::index_t Width = 32>
struct wide_deep {
  static constexpr auto build(ia_nn::graph::builder& b) {
    using ia_nn::graph::label;
    ia_nn::graph::value parts[27];
    for (int i = 0; i < 26; ++i) {
      auto const ids = input(b, label("category") + i, {Batch, 1}, ia_nn::graph::value_type::s32);
      parts[i] = embedding(ids, {.rows = Rows, .width = Width, .name = label("table") + i});
    }
    auto const wide = input(b, "numbers", {Batch, 13});
    parts[26] = wide;
    auto x = concat(parts, 27);
    x = relu(dense(x, {.units = 1024, .name = "deep1"}));
    x = relu(dense(x, {.units = 512, .name = "deep2"}));
    x = relu(dense(x, {.units = 256, .name = "deep3"}));
    return sigmoid(dense(x, {.units = 1, .name = "deep4"}) +
                   dense(wide, {.units = 1, .bias = false, .name = "wide"}));
  }
};

} // namespace models
