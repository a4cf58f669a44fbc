// SPDX-License-Identifier: Apache-2.0
//
// What a step has to do, counted: floating-point operations, and bytes that must cross the memory
// bus if nothing is cached. Of one item where the batch is open.
#pragma once

#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/passes/network.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct step_cost {
  index_t flops = 0;                          ///< a multiply-add counts 2
  index_t read = 0, written = 0, weights = 0; ///< bytes, f32

  constexpr index_t bytes() const { return read + written + weights; }
};

template <class Nodes> constexpr step_cost cost_of(Nodes const& d, step const& s) {
  auto const bytes_of = [&](int id) { return size_of(d[id].type) * d[id].shape.size(); };
  step_cost c;
  c.written = bytes_of(s.out);
  for (int const in : s.inputs) c.read += bytes_of(in);
  auto const add = [&](int id) {
    c.flops += flops_of(d, id);
    c.weights += 4 * weight_count(d, id);
  };
  if (!s.anchor_is_stage()) add(s.anchor);
  for (stage const& g : s.stages) {
    add(g.source);
    if (is_loaded(g.how)) c.weights += 4 * weight_count(d, g.operand);
    else if (g.operand >= 0) c.read += bytes_of(g.operand);
  }
  if (s.depthwise.node >= 0) { // its result is not written
    add(s.depthwise.node);
    if (s.depthwise.between.source >= 0) add(s.depthwise.between.source);
  }
  if (s.kind == op::embedding) { // the rows, not the table
    c.weights = 0;
    c.read += 4 * d[s.out].shape.size();
  }
  return c;
}

} // namespace graph
IA_NN_END
