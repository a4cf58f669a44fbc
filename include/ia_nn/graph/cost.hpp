// SPDX-License-Identifier: Apache-2.0
//
// What a step has to do, counted: floating-point operations, and bytes that must cross the memory
// bus if nothing is cached. Of one item where the batch is open.
#pragma once

#include <ia_nn/graph/network.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct step_cost {
  index_t flops = 0;                          ///< a multiply-add counts 2
  index_t read = 0, written = 0, weights = 0; ///< bytes, f32

  constexpr index_t bytes() const { return read + written + weights; }
};

/// Elements of the weights of a node, all of them.
template <class Nodes> constexpr index_t weight_count(Nodes const& d, int id) {
  node const& n = d[id];
  if (!has_weights(n.kind)) return 0;
  index_t const in = d[n.inputs[0]].shape.last(), out = n.with.units;
  switch (n.kind) {
  case op::conv:
  case op::deconv:
    return out * (in / n.with.groups * n.with.win.kernel.size() + n.with.bias);
  case op::dense:
    return out * (in + n.with.bias);
  case op::batch_norm:
    return in * (n.with.affine ? 4 : 2);
  case op::layer_norm:
  case op::group_norm:
    return n.with.affine ? 2 * in : 0;
  case op::embedding:
    return n.with.rows * out;
  case op::lstm:
  case op::gru:
  case op::rnn: {
    index_t const gates = n.kind == op::lstm ? 4 : n.kind == op::gru ? 3 : 1;
    index_t const ways = n.with.way == direction::both ? 2 : 1;
    index_t const wide = n.with.rows > 0 ? n.with.rows : out;
    index_t sum = 0, from = in;
    for (int l = 0; l < n.with.layers; ++l, from = ways * wide)
      sum += ways * (gates * out * (from + wide + 2 * n.with.bias) + n.with.rows * out);
    return sum;
  }
  default:
    return 0;
  }
}

template <class Nodes> constexpr step_cost cost_of(Nodes const& d, step const& s) {
  step_cost c;
  node const& n = d[s.anchor];
  index_t const size = d[s.out].shape.size();
  c.written = 4 * size;
  for (int const in : s.inputs) c.read += 4 * d[in].shape.size();
  for (stage const& g : s.stages) {
    c.flops += size * (g.kind == stage_kind::batch_norm ? 2 : 1);
    if (g.operand >= 0) c.read += 4 * d[g.operand].shape.size();
    if (g.kind == stage_kind::batch_norm) c.weights += 4 * weight_count(d, g.source);
  }
  if (s.pair.first >= 0) { // its result is not written
    node const& first = d[s.pair.first];
    index_t const between = first.shape.size();
    c.flops +=
        between * (2 * first.with.win.kernel.size() + (s.pair.between.act != function::identity));
    c.weights += 4 * weight_count(d, s.pair.first);
  }
  switch (s.kind) {
  case op::conv:
    c.flops += 2 * size * n.with.win.kernel.size() * d[n.inputs[0]].shape.last() / n.with.groups;
    c.weights += 4 * weight_count(d, s.anchor);
    break;
  case op::deconv: // every element of the source meets every tap
    c.flops +=
        2 * d[n.inputs[0]].shape.size() * n.with.win.kernel.size() * n.with.units / n.with.groups;
    c.weights += 4 * weight_count(d, s.anchor);
    break;
  case op::dense:
    c.flops += 2 * size * d[n.inputs[0]].shape.last();
    c.weights += 4 * weight_count(d, s.anchor);
    break;
  case op::max_pool:
  case op::average_pool:
    c.flops += n.with.adaptive ? d[n.inputs[0]].shape.size() : size * n.with.win.kernel.size();
    break;
  case op::softmax:
  case op::log_softmax:
    c.flops += 3 * size;
    break;
  case op::layer_norm:
  case op::group_norm:
    c.flops += 6 * size;
    break;
  case op::lrn:
    c.flops += size * (n.with.rows + 3);
    break;
  case op::embedding:
    c.read += 4 * size;
    break; // the rows, not the table
  case op::lstm:
  case op::gru:
  case op::rnn: {
    index_t const steps = d[n.inputs[0]].shape[1];
    index_t const matrices = weight_count(d, s.anchor);
    c.flops += 2 * steps * matrices;
    c.weights += 4 * matrices;
    break;
  }
  default:
    break;
  }
  return c;
}

} // namespace graph
IA_NN_END
