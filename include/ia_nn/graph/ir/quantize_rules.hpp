// SPDX-License-Identifier: Apache-2.0
//
// What a network says of itself in 8 bits:
//
//   static constexpr graph::quantize_rules quantize{.in_float = {"conv1", "softmax"}};
#pragma once

#include <ia_nn/graph/ir/node.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Which operations without weights are computed in 8 bits. Those with weights are, in either mode.
enum class quantize_mode : unsigned char {
  smart, ///< between layers with weights: what reads 8 bits, and gives what is read as 8 bits again
  full   ///< all that have kernels for that
};

/// How values are stored.
enum class byte_values : unsigned char {
  asymmetric, ///< u8 with a zero point
  symmetric   ///< zero point 0: u8 where nothing can be negative (behind a relu), s8 elsewhere
};

inline constexpr int max_in_float = 32;

/// A list of names that an initializer list fills.
struct name_list : short_list<label, max_in_float> {
  constexpr name_list() = default;
  constexpr name_list(std::initializer_list<char const*> names) {
    for (char const* const n : names) {
      if (full()) cut = true;
      else add(n);
    }
  }
  bool cut = false; ///< there were more
};

struct quantize_rules {
  quantize_mode mode = quantize_mode::smart;
  byte_values values = byte_values::asymmetric;
  /// Layers, and operators for all of a kind ("dense", "max_pool"), that are computed in f32. A layer
  /// that says .precision is computed in that.
  name_list in_float{};
  bool first_in_float = false; ///< the first layer with weights
  bool last_in_float = false;  ///< the last
  bool weights_per_tensor = false;                ///< one scale for all filters of a layer
  weight_range weights = weight_range::full;      ///< int8/schemes.hpp
};

} // namespace graph
IA_NN_END
