// SPDX-License-Identifier: Apache-2.0
//
// A finished network as set-up and steps see it: its arrays, whatever their lengths, made by the
// compiler or at run time. What is behind this compiles once for all networks.
#pragma once

#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/passes/plan.hpp>
#include <ia_nn/graph/passes/precision.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Which kernel a step needs. Part of symbols, so it is short.
struct kernel_id {
  std::uint32_t op = 0; ///< operator_row::id
  precision multiplies = precision::f32;
  value_type reads = value_type::f32, writes = value_type::f32; ///< f32 for what moves any type
  int variant = 0; ///< operator_row::variant; of a convolution 1 if a depthwise one is in front

  friend constexpr bool operator==(kernel_id const&, kernel_id const&) = default;
};

struct plan_view {
  node const* nodes;
  step const* steps;
  int const* times;
  place const* places;
  buffer const* buffers;
  int node_count, count;
  node const* written; ///< the nodes before simplification
  int written_count;
  precision usual;

  template <class Nodes, class Plan, class Original>
  static constexpr plan_view of(Nodes const& n, Plan const& p, Original const& o, precision usual) {
    return {n.nodes, p.steps, p.times, p.places, p.buffers, n.count(), p.count,
            o.nodes, o.count(), usual};
  }

  constexpr node const& anchor(int s) const { return nodes[steps[s].anchor]; }
  constexpr dims const& out(int s) const { return nodes[steps[s].out].shape; }
  constexpr value_type type(int value) const { return nodes[value].type; }
  constexpr kernel_id kernel_at(int s) const {
    step const& t = steps[s];
    node const& n = anchor(s);
    int const variant = t.depthwise.node >= 0 ? 1 : n.kind->variant(n);
    kernel_id id{t.kind->id, precision_of(n, usual), value_type::f32, value_type::f32, variant};
    if (!t.kind->moves) {
      id.writes = type(t.out);
      id.reads = t.inputs.count > 0 ? type(t.inputs[0]) : id.writes;
    }
    return id;
  }
  constexpr index_t batch_of_inputs() const {
    for (int i = 0; i < node_count; ++i)
      if (nodes[i].kind == op::input) return nodes[i].shape[0];
    return 1;
  }
  /// True if the scales of 8-bit values are constants of the program.
  constexpr bool has_constant_scales() const {
    for (int i = 0; i < node_count; ++i)
      if (nodes[i].scaled_as >= 0 && nodes[i].scaling.scale > 0) return true;
    return false;
  }
  constexpr bool open_batch() const { return batch_of_inputs() == any_batch; }
  constexpr int group_size(int s) const {
    int n = 1;
    while (s + n < count && steps[s].group >= 0 && steps[s + n].group == steps[s].group) ++n;
    return n;
  }
  /// True if step s begins a group of embeddings that fill neighbouring columns of one concat with
  /// as many rows each: they are one lookup in several tables.
  constexpr bool one_lookup(int s) const {
    if (steps[s].group < 0 || times[s] != s || steps[s].kind != op::embedding) return false;
    index_t column = steps[s].column;
    for (int i = s; i < s + group_size(s); ++i) {
      step const& t = steps[i];
      if (t.slice_of < 0 || t.slice_of != steps[s].slice_of || t.column != column ||
          nodes[t.inputs[0]].shape.size() != nodes[steps[s].inputs[0]].shape.size())
        return false;
      column += nodes[t.anchor].attributes.width;
    }
    return true;
  }
  /// Tables that step s looks rows up in.
  constexpr int tables(int s) const { return one_lookup(s) ? group_size(s) : 1; }
  /// False for members of a lookup that its first step does.
  constexpr bool stores(int s) const {
    return times[s] == s || steps[s].kind != op::embedding || !one_lookup(times[s]);
  }
};

} // namespace graph
IA_NN_END
