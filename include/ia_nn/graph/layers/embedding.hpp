// SPDX-License-Identifier: Apache-2.0
//
// Look-ups of rows in tables.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct embedding_layer {
  index_t rows = 1, width = 1;
  label name{};
};

namespace detail {

constexpr sentence embedding_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  attribute_set const& a = n.attributes;
  if (x.rank < 1 || x.rank > 4 || a.width < 1 || a.table_rows < 1)
    return say(who, "input ", x, " must have 1 to 4 extents, the table ", a.table_rows, " x ",
               a.width, " elements");
  n.shape = x;
  if (x.rank > 1 && x.last() == 1) n.shape.extent[x.rank - 1] = a.width; // one index: a row
  else n.shape.extent[n.shape.rank++] = a.width;
  return {};
}
constexpr void embedding_weights(node const& n, node_inputs, std::vector<weight>& to) {
  to.push_back({".weight", dims{n.attributes.table_rows, n.attributes.width}});
}

} // namespace detail

namespace op {
inline constexpr operator_row embedding{.name = "embedding", .by_item = true,
                                        .joins_groups = true,
                                        .writes_slices = true,
                                        .reads_indices = true,
                                        .index_input = 0,
                                        .eight_bits = quantizes::may,
                                        .shape = detail::embedding_shape,
                                        .meaning = rules::means_rows,
                                        .weights = detail::embedding_weights,
                                        .gradient = rules::gradient_of_source};
} // namespace op

/// s32 indices to rows of a table: (batch, n) to (batch, n, width), (batch, 1) to (batch, width).
constexpr value embedding(value x, embedding_layer const& o) {
  node n{.kind = op::embedding, .name = o.name};
  n.attributes.table_rows = o.rows;
  n.attributes.width = o.width;
  return apply(n, {x}, "embedding");
}

} // namespace graph
IA_NN_END
