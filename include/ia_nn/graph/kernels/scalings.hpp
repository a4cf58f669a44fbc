// SPDX-License-Identifier: Apache-2.0
//
// Scale and zero point of each value that lies in 8 bits, from the ranges of calibration. Values that
// share them (pools, moves, concat) have the range that holds those of all.
#pragma once

#include <ia_nn/graph/kernels/plan_view.hpp>
#include <ia_nn/graph/kernels/value_ranges.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// Of a value of type `t`: u8 has a zero point where it holds negative numbers, s8 has none.
constexpr ia_nn::quantization quantization_for(value_type t, value_range const& r) {
  if (t == value_type::s8) return quantization_of<s8>(r);
  return quantization_of<u8>(r, scheme::asymmetric);
}

/// The name of the value that a range is looked up for: of a conversion that of what it converts.
constexpr label const& ranged_name(plan_view const& v, int id) {
  while (v.nodes[id].kind == op::convert || v.nodes[id].kind == op::reshape)
    id = v.nodes[id].inputs[0];
  return v.nodes[id].name;
}

[[noreturn]] inline void no_range(plan_view const& v, int id, value_ranges const& ranges) {
  std::string const name(ranged_name(v, id).view());
  throw_error(errc::bad_parameter,
              ranges.empty()
                  ? "network: it computes in 8 bits and needs the ranges of its values, that of '" +
                        name + "' first: give .ranges = calibrate<Net>(...)"
                  : "network: the ranges have none for '" + name +
                        "': they are those of another network");
}

/// One for each node; of values that are no bytes {1, 0}. Errors: errc::bad_parameter, with the layer,
/// if there is no range for a value.
inline std::vector<ia_nn::quantization> scalings_of(plan_view const& v, value_ranges const& ranges) {
  std::vector<ia_nn::quantization> all(static_cast<std::size_t>(v.node_count));
  std::vector<value_range> of_class(all.size());
  std::vector<char> known(all.size(), 0);
  auto const at = [](int i) { return static_cast<std::size_t>(i); };
  for (int i = 0; i < v.node_count; ++i) {
    node const& n = v.nodes[i];
    if (n.scaled_as < 0) continue;
    value_range const* const r = ranges.find(ranged_name(v, i).view());
    if (!r) continue;
    of_class[at(n.scaled_as)].add(*r);
    known[at(n.scaled_as)] = 1;
  }
  for (int i = 0; i < v.node_count; ++i) {
    node const& n = v.nodes[i];
    if (n.scaled_as < 0) continue;
    if (!known[at(n.scaled_as)]) no_range(v, i, ranges);
    all[at(i)] = quantization_for(n.type, of_class[at(n.scaled_as)]);
  }
  return all;
}

} // namespace detail
} // namespace graph
IA_NN_END
