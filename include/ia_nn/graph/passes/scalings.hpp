// SPDX-License-Identifier: Apache-2.0
//
// Scale and zero point of each value that lies in 8 bits, from ranges by name. Values that share them
// (pools, moves, concat) have the range that holds those of all. Pools and moves need none of their own:
// their numbers are among those that they read.
#pragma once

#include <ia_nn/graph/ir/constant_ranges.hpp>
#include <ia_nn/graph/layers/pool.hpp>
#include <ia_nn/graph/passes/convert.hpp>

#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

/// Of a value of type `t`: u8 has a zero point where it holds negative numbers, s8 has none.
constexpr quantization quantization_for(value_type t, value_range const& r) {
  if (t == value_type::s8) return quantization_of<s8>(r);
  return quantization_of<u8>(r, scheme::asymmetric);
}

/// The value that a range is looked up for: of a conversion what it converts.
template <class Nodes> constexpr int ranged_value(Nodes const& d, int id) {
  while (d[id].kind == op::convert || d[id].kind == op::reshape) id = d[id].inputs[0];
  return id;
}
template <class Nodes> constexpr std::string_view ranged_name(Nodes const& d, int id) {
  return d[ranged_value(d, id)].name.view();
}

/// Adds the range of a value; a concat that its parts are written into has that of these. False if
/// there is none.
template <class Nodes, class Find>
constexpr bool add_range(Nodes const& d, int id, Find const& find, value_range& to) {
  id = ranged_value(d, id);
  auto const* const r = find(d[id].name.view());
  if (r) to.add({r->low, r->high});
  if (r || d[id].kind != op::concat) return r != nullptr;
  bool all = true;
  for (int const in : d[id].inputs) all = add_range(d, in, find, to) && all;
  return all;
}

/// True if a value may have numbers that no other of its class has.
template <class Nodes> constexpr bool makes_numbers(Nodes const& d, int id) {
  op_kind const k = d[ranged_value(d, id)].kind;
  return k->eight_bits != quantizes::moves && k != op::max_pool && k != op::average_pool;
}

/// Scales of a network. `missing` is a value whose range is not known, or -1.
struct scaling_draft {
  std::vector<quantization> of_node{}; ///< {1, 0} of values that are no bytes
  int missing = -1;
};
/// `find(name)` gives something with `low` and `high`, or null.
template <class Nodes, class Find>
constexpr scaling_draft find_scalings(Nodes const& d, int count, Find const& find) {
  auto const at = [](int i) { return static_cast<std::size_t>(i); };
  scaling_draft s;
  s.of_node.resize(at(count));
  std::vector<value_range> of_class(at(count));
  std::vector<char> known(at(count), 0);
  for (int i = 0; i < count; ++i) {
    int const c = d[i].scaled_as;
    if (c < 0) continue;
    if (add_range(d, i, find, of_class[at(c)])) known[at(c)] = 1;
    else if (s.missing < 0 && makes_numbers(d, i)) s.missing = i;
  }
  for (int i = 0; i < count; ++i) {
    int const c = d[i].scaled_as;
    if (c < 0) continue;
    if (!known[at(c)] && s.missing < 0) s.missing = i;
    s.of_node[at(i)] = quantization_for(d[i].type, of_class[at(c)]);
  }
  return s;
}

} // namespace graph
IA_NN_END
