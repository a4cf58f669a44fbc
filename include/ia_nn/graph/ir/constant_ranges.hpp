// SPDX-License-Identifier: Apache-2.0
//
// Ranges of values as constants of the program: what a network says as
//
//   static constexpr auto ranges = std::to_array<graph::constant_range>({{"image", 0, 1}, ...});
//
// Then scales and zero points are constants of its plan, and the types of values follow from their
// ranges. A header of this form is written by run/range_header.hpp.
#pragma once

#include <ia_nn/int8/schemes.hpp>

#include <span>
#include <string_view>

#include <ia_nn/begin.hpp>
namespace graph {

struct constant_range {
  std::string_view name; ///< of the layer whose result it is, or of the input
  f32 low = 0, high = 0; ///< low <= 0 <= high
};

/// Null if there is none of this name.
constexpr constant_range const* find_range(std::span<constant_range const> all,
                                           std::string_view name) {
  for (constant_range const& r : all)
    if (r.name == name) return &r;
  return nullptr;
}

} // namespace graph
IA_NN_END
