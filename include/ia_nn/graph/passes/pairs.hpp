// SPDX-License-Identifier: Apache-2.0
//
// Pairs of convolutions that are one step: a depthwise one and the 1x1 behind it, the only reader
// of its result. The image between them stays in a worker's cache.
//
//   depthwise (batch norm) > clip  ->  1x1 (batch norm) > ...
//
// Between them stands at most one function with bounds (relu, relu6). Both multiply f32, or both
// bf16: then the first rounds what it hands on, as the second would do in front of its product.
#pragma once

#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/passes/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

constexpr bool is_depthwise(node const& n, index_t channels) {
  return n.kind == op::conv && n.attributes.groups > 1 && n.attributes.groups == channels &&
         n.attributes.filters == channels;
}
constexpr bool is_pointwise(node const& n) {
  window const& w = n.attributes.win;
  return n.kind == op::conv && n.attributes.groups == 1 && w.kernel.size() == 1 && w.stride.size() == 1 &&
         !w.pads();
}
constexpr bool is_bounded(stage const& s) {
  return s.kind == stage_kind::function &&
         (s.act == function::relu || s.act == function::clip || s.act == function::identity);
}

constexpr bool multiply_alike(node const& a, node const& b) {
  precision const p = a.attributes.precision;
  return p == b.attributes.precision &&
         (p == precision::of_net || p == precision::f32 || p == precision::bf16);
}

} // namespace detail

/// Returns how many pairs there are.
template <class Nodes> constexpr int pair_convolutions(Nodes const& d, std::vector<step>& steps) {
  std::vector<int> const uses = detail::uses_of(d);
  std::vector<int> writer(static_cast<std::size_t>(d.count()), -1);
  for (std::size_t s = 0; s < steps.size(); ++s)
    writer[static_cast<std::size_t>(steps[s].out)] = static_cast<int>(s);
  int pairs = 0;
  for (step& second : steps) {
    if (second.kind != op::conv || !detail::is_pointwise(d[second.anchor])) continue;
    std::size_t const between = static_cast<std::size_t>(second.inputs[0]);
    if (writer[between] < 0 || uses[between] != 1) continue;
    step& first = steps[static_cast<std::size_t>(writer[between])];
    node const& n = d[first.anchor];
    if (first.kind != op::conv || first.depthwise.node >= 0 ||
        !detail::is_depthwise(n, d[n.inputs[0]].shape.last()) || first.stages.count > 1 ||
        (first.stages.count == 1 && !detail::is_bounded(first.stages[0])) ||
        !detail::multiply_alike(n, d[second.anchor]))
      continue;
    second.depthwise = {first.anchor, first.batch_norm, {}};
    if (first.stages.count == 1) second.depthwise.between = first.stages[0];
    second.inputs = first.inputs;
    first.kind = op::input; // is removed below
    ++pairs;
  }
  std::erase_if(steps, [](step const& s) { return s.kind == op::input; });
  return pairs;
}

} // namespace graph
IA_NN_END
