// SPDX-License-Identifier: Apache-2.0
//
// What all contenders of a case of the suite `train` are given, and the definitions in double.
#pragma once

#include "conv_shapes.hpp"
#include "product.hpp"

#include <cstddef>
#include <vector>

namespace bench {

/// Which gradient of a convolution a case computes.
enum class direction { src, weights };

/// All values are floats here and exact in the type of the case: contenders convert them.
struct train_problem {
  conv_shape shape;
  product type;
  direction what;
  std::vector<float> src;      ///< (batch, depth, height, width, channels)
  std::vector<float> weights;  ///< (filters, channels / groups, depth, height, width)
  std::vector<float> diff_dst; ///< (batch, depth, height, width, filters)

  train_problem(conv_shape const& s, product t, direction d);

  std::size_t results() const { return what == direction::src ? src.size() : weights.size(); }
  /// The element of the gradient, which is like `src` or like `weights`, at that place.
  double definition(std::size_t at) const;
};

/// Every distinct convolution of ResNet-50 v1.5 but the first, whose source needs no gradient, then all
/// of them, and the depthwise ones of MobileNet v1, in batches of 16.
struct train_kind {
  std::string word;
  direction what;
  std::vector<conv_shape> shapes;
};
std::vector<train_kind> train_kinds();

} // namespace bench
