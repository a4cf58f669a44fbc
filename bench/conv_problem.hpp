// SPDX-License-Identifier: Apache-2.0
//
// What all contenders of a case of the suite `conv` are given, and the definition in double.
#pragma once

#include "conv_shapes.hpp"
#include "product.hpp"

#include <cstddef>
#include <vector>

namespace bench {

/// result = relu(conv + bias), of u8s8 relu(round((conv + bias) * factor)) saturated to 0 .. 255.
/// All values are floats here and exact in the type of the case: contenders convert them.
struct conv_problem {
  conv_shape shape;
  product type;
  std::vector<float> src;     ///< (batch, depth, height, width, channels)
  std::vector<float> weights; ///< (filters, channels / groups, depth, height, width)
  std::vector<float> bias;    ///< (filters); whole numbers for u8s8
  std::vector<float> factor;  ///< (filters), for u8s8 only

  conv_problem(conv_shape const& s, product t);

  bool bytes() const { return type == product::u8s8; }
  /// The element of the result (batch, depth, height, width, filters) at that place.
  double definition(std::size_t at) const;
};

/// The element of the result of two layers of 1 x 1 or depthwise windows behind each other, the
/// first rounded to floats or bytes.
double pair_definition(conv_problem const& first, conv_problem const& second, std::size_t at);

/// How far apart `a` and `b` are: for bytes the largest difference over 1, which rounding may make
/// of a tie; else the largest difference over what it may be. Above 1 is too far.
double conv_error(conv_problem const& p, std::vector<float> const& a, std::vector<float> const& b);

} // namespace bench
