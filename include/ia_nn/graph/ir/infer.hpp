// SPDX-License-Identifier: Apache-2.0
//
// Inference: what shape and type a node has and what it stands for, from those it reads, or the
// sentence that says why there is none. The rules are those of the operator's row.
#pragma once

#include <ia_nn/graph/ir/sentences.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Fills `n.shape`, `n.type` and `n.meaning`. `in` are the nodes it reads, `what` the name for
/// sentences. Returns the sentence of a mistake, or nothing.
constexpr sentence infer(node& n, node_inputs in, char const* what) {
  detail::subject const who{what, &n.name};
  operator_row const& row = *n.kind.operator->();
  for (int i = 0; i < n.inputs.count; ++i) {
    bool const indices = in[i]->type == value_type::s32;
    if (indices != row.reads_indices && !row.any_type)
      return say(who, shown(*in[i]), " '", in[i]->name.view(),
                 indices ? "' holds s32 indices, f32 elements are needed"
                         : "' has f32 elements, s32 indices are needed");
  }
  if (sentence const s = row.shape(n, in, who); !s.empty()) return s;
  if (n.shape.rank == 0) return say(who, "the .shape rule of its row gives no shape");
  if (n.inputs.count > 0) n.meaning = in[0]->meaning;
  return row.meaning(n, in, who);
}

namespace rules {
using detail::subject, detail::say;
/// The rule of operators that keep the shape.
constexpr sentence keeps_shape(node& n, node_inputs in, subject const& who) {
  n.shape = in[0]->shape;
  for (int k = 1; k < n.inputs.count; ++k)
    if (!(in[k]->shape == n.shape))
      return say(who, "inputs ", n.shape, " and ", in[k]->shape, " have other shapes");
  return {};
}
/// Of those that need channels.
constexpr sentence keeps_rows(node& n, node_inputs in, subject const& who) {
  if (sentence const s = keeps_shape(n, in, who); !s.empty()) return s;
  return n.shape.rank < 2 ? say(who, "input ", n.shape, " must be (batch, ..., channels)") : sentence{};
}
} // namespace rules

} // namespace graph
IA_NN_END
