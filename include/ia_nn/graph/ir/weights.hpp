// SPDX-License-Identifier: Apache-2.0
//
// What the rows of operators say of the weights and operations of one node.
#pragma once

#include <ia_nn/graph/ir/node.hpp>

#include <string>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {
/// The nodes that a node reads, as rules take them.
struct input_nodes {
  node const* of[max_inputs]{};

  template <class Nodes> constexpr input_nodes(Nodes const& d, node const& n) {
    for (int k = 0; k < n.inputs.count; ++k) of[k] = &d[n.inputs[k]];
  }
};
} // namespace detail

/// The names and shapes of all arrays that node `id` reads. What the names are: docs/graph.md.
template <class Nodes> constexpr std::vector<weight> weights_of(Nodes const& d, int id) {
  std::vector<weight> all;
  node const& n = d[id];
  n.kind->weights(n, detail::input_nodes(d, n).of, all);
  return all;
}
template <class Nodes> constexpr bool has_weights(Nodes const& d, int id) {
  return !weights_of(d, id).empty();
}
/// Elements of all of them.
template <class Nodes> constexpr index_t weight_count(Nodes const& d, int id) {
  index_t sum = 0;
  for (weight const& w : weights_of(d, id)) sum += w.shape.size();
  return sum;
}
/// Operations of a node by itself; of one item where the batch is open.
template <class Nodes> constexpr index_t flops_of(Nodes const& d, int id) {
  node const& n = d[id];
  return n.kind->flops(n, detail::input_nodes(d, n).of);
}
/// f(node, suffix, name, shape) for each array that the `count` nodes of a network read; `name` is
/// the node's with the suffix (".weight", ".bias", ...) behind it.
template <class Nodes, class F> void for_each_weight(Nodes const& d, int count, F&& f) {
  for (int i = 0; i < count; ++i)
    for (weight const& w : weights_of(d, i))
      f(d[i], w.suffix.view(), std::string(d[i].name.view()) + std::string(w.suffix.view()),
        std::vector<index_t>(w.shape.extent, w.shape.extent + w.shape.rank));
}

} // namespace graph
IA_NN_END
