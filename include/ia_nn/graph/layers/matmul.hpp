// SPDX-License-Identifier: Apache-2.0
//
// Products of two values.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct matmul_layer {
  bool transposed_a = false, transposed_b = false; ///< of the last two axes
  graph::precision precision = graph::precision::of_net; ///< f32 or bf16
  label name{};
};

namespace detail {

/// Extents of an operand behind the batch, filled up in front with 1 to `rank` axes with the batch.
constexpr dims aligned_behind_batch(dims const& s, int rank) {
  dims to;
  to.rank = rank;
  to.extent[0] = s[0];
  for (int d = 1; d < rank; ++d) {
    int const own = d - (rank - s.rank);
    to.extent[d] = own < 1 ? 1 : s[own];
  }
  return to;
}
constexpr sentence matmul_shape(node& n, node_inputs in, subject const& who) {
  dims const &a = in[0]->shape, &b = in[1]->shape;
  attribute_set const& at = n.attributes;
  if (a.rank < 3 || b.rank < 3)
    return say(who, "inputs ", a, " and ", b, " must be (batch, ..., rows, columns)");
  if (a[0] != b[0]) return say(who, "inputs ", a, " and ", b, " have other batches");
  index_t const ka = a[a.rank - (at.transposed_a ? 2 : 1)], kb = b[b.rank - (at.transposed_b ? 1 : 2)];
  if (ka != kb)
    return say(who, "input ", a, at.transposed_a ? " has as many rows" : " has as many columns", " as ", ka,
               ", input ", b, at.transposed_b ? " as many columns" : " as many rows", " as ", kb,
               ": they must be equal");
  int const rank = a.rank > b.rank ? a.rank : b.rank;
  dims const wa = aligned_behind_batch(a, rank), wb = aligned_behind_batch(b, rank);
  n.shape = wa;
  for (int d = 1; d < rank - 2; ++d) {
    if (wa[d] != wb[d] && wa[d] != 1 && wb[d] != 1)
      return say(who, "axes between batch and matrix of inputs ", a, " and ", b, " are neither equal nor 1");
    n.shape.extent[d] = wa[d] == 1 ? wb[d] : wa[d];
  }
  n.shape.extent[rank - 2] = a[a.rank - (at.transposed_a ? 1 : 2)];
  n.shape.extent[rank - 1] = b[b.rank - (at.transposed_b ? 2 : 1)];
  return {};
}
constexpr index_t matmul_flops(node const& n, node_inputs in) {
  dims const& a = in[0]->shape;
  return 2 * n.shape.size() * a[a.rank - (n.attributes.transposed_a ? 2 : 1)];
}

} // namespace detail

namespace op {
inline constexpr operator_row matmul{.name = "matmul", .by_item = true,
                                     .joins_groups = true,
                                     .writes_slices = true,
                                     .multiplies = true,
                                     .narrow = true,
                                     .shape = detail::matmul_shape,
                                     .meaning = rules::means_rows,
                                     .flops = detail::matmul_flops,
                                     .gradient = rules::gradient_of_source};
} // namespace op

/// (batch, ..., m, k) by (batch, ..., k, n) to (batch, ..., m, n). Axes between batch and matrix that
/// one of them lacks, or has an extent of 1 along, are repeated.
constexpr value matmul(value a, value b, matmul_layer const& o = {}) {
  if (a.id >= 0 && o.precision != precision::of_net && o.precision != precision::f32 && o.precision != precision::bf16)
    return a.owner->fail(about("matmul", o.name), "the precision of a product of two values is f32 or bf16");
  node n{.kind = op::matmul, .name = o.name};
  n.attributes.transposed_a = o.transposed_a, n.attributes.transposed_b = o.transposed_b;
  n.attributes.precision = o.precision;
  return apply(n, {a, b}, "matmul");
}

} // namespace graph
IA_NN_END
