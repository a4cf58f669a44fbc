// SPDX-License-Identifier: Apache-2.0
//
// Scales and zero points of a plan when it is loaded: the constants of the program, or from the ranges
// of calibration.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/graph/kernels/plan_view.hpp>
#include <ia_nn/graph/kernels/value_ranges.hpp>
#include <ia_nn/graph/passes/scalings.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// Says which value has no range. Errors: errc::bad_parameter.
[[noreturn]] inline void no_range(plan_view const& v, int id, value_ranges const& ranges) {
  std::string const name(ranged_name(v.nodes, id));
  throw_error(errc::bad_parameter,
              ranges.empty() ? "network: it computes in 8 bits and needs the ranges of its values, that of '" +
                                   name + "' first: give .ranges = calibrate<Net>(...)"
                             : "network: the ranges have none for '" + name +
                                   "': they are those of another network");
}

/// One for each node; of values that are no bytes {1, 0}. Errors: errc::bad_parameter, with the layer,
/// if there is no range for a value, or if there are ranges beside the constants of the program.
inline std::vector<quantization> scalings_of(plan_view const& v, value_ranges const& ranges) {
  bool const constant = v.has_constant_scales();
  if (constant && !ranges.empty())
    throw_error(errc::bad_parameter,
                "network: its ranges are constants of the program, .ranges has others: leave it empty");
  if (constant) {
    std::vector<quantization> all;
    for (int i = 0; i < v.node_count; ++i)
      all.push_back(v.nodes[i].scaled_as >= 0 ? v.nodes[i].scaling : quantization{});
    return all;
  }
  scaling_draft s = find_scalings(v.nodes, v.node_count,
                                  [&](std::string_view name) { return ranges.find(name); });
  if (s.missing >= 0) no_range(v, s.missing, ranges);
  return std::move(s.of_node);
}

} // namespace detail
} // namespace graph
IA_NN_END
