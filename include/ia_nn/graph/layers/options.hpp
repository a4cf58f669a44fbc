// SPDX-License-Identifier: Apache-2.0
//
// What the options of several layers are made of: conv2d(x, {.filters = 64, .kernel = 3, .pad = 1}).
#pragma once

#include <ia_nn/graph/ir/builder.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// One number for every image axis, or one for each: 3, {3, 5}, {1, 3, 3}.
struct per_axis {
  index_t n[3]{};
  int count = 0;

  constexpr per_axis() = default;
  constexpr per_axis(index_t all) : n{all}, count(1) {}
  constexpr per_axis(int all) : n{all}, count(1) {}
  constexpr per_axis(index_t height, index_t width) : n{height, width}, count(2) {}
  constexpr per_axis(index_t depth, index_t height, index_t width)
      : n{depth, height, width}, count(3) {}

  /// For an image of `axes` axes; the ones it lacks get `lacking`.
  constexpr spatial of(int axes, index_t lacking) const {
    spatial s{lacking, lacking, lacking};
    for (int d = 0; d < axes; ++d) s[3 - axes + d] = count == 1 ? n[0] : n[d];
    return s;
  }
};

struct named {
  label name{};
};

namespace detail {
/// What dense layers alone multiply.
constexpr bool is_for_dense(precision p) {
  return p == precision::bf16_terms2 || p == precision::bf16_terms3 || p == precision::weights_s8 ||
         p == precision::weights_s4;
}
} // namespace detail

} // namespace graph
IA_NN_END
