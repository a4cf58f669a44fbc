// SPDX-License-Identifier: Apache-2.0
//
// What indices choose: gather, scatter, one-hot rows, bags of embeddings. Indices are s32 values, of each
// item its own. Those that are inputs of the network are compared by `run`; those that it computes are
// trusted, as an embedding's are.
#pragma once

#include <ia_nn/graph/layers/embedding.hpp>
#include <ia_nn/graph/layers/selection.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct gather_layer {
  int axis = 1; ///< behind the batch; negative: from the end
  label name{};
};
struct scatter_layer {
  int axis = 1;
  bool add = false; ///< to what is there, else in its place
  label name{};
};
struct one_hot_layer {
  index_t depth = 2; ///< elements of the new last axis
  f32 on = 1, off = 0;
  label name{};
};
struct embedding_bag_layer {
  index_t rows = 1, width = 1;
  bag_kind mode = bag_kind::mean;
  label name{};
};

namespace detail {

/// "" if input k is of this type.
constexpr sentence must_be(node_inputs in, int k, value_type type, subject const& who) {
  if (in[k]->type == type) return {};
  return say(who, shown(*in[k]), " '", in[k]->name.view(),
             type == value_type::s32 ? "' has f32 elements, s32 indices are needed"
                                     : "' holds s32 indices, f32 elements are needed");
}
constexpr sentence same_batch(node_inputs in, int k, subject const& who) {
  if (in[0]->shape[0] == in[k]->shape[0]) return {};
  return say(who, "inputs ", in[0]->shape, " and ", in[k]->shape, " have other batches");
}

constexpr sentence gather_shape(node& n, node_inputs in, subject const& who) {
  dims const &x = in[0]->shape, &i = in[1]->shape;
  for (sentence const& s : {must_be(in, 0, value_type::f32, who), must_be(in, 1, value_type::s32, who),
                            settle_axis(n, x, who), same_batch(in, 1, who)})
    if (!s.empty()) return s;
  if (i.rank < 2 || x.rank + i.rank - 2 > 5)
    return say(who, "indices ", i, " must have 1 extent and more behind the batch, the result at most 5");
  int const axis = n.attributes.axis;
  n.attributes.table_rows = x[axis];
  n.shape = dims{};
  for (int d = 0; d < axis; ++d) n.shape.extent[n.shape.rank++] = x[d];
  for (int d = 1; d < i.rank; ++d) n.shape.extent[n.shape.rank++] = i[d];
  for (int d = axis + 1; d < x.rank; ++d) n.shape.extent[n.shape.rank++] = x[d];
  return {};
}
constexpr sentence fits_elements(node& n, node_inputs in, int which, subject const& who) {
  dims const &x = in[0]->shape, &i = in[which]->shape;
  for (sentence const& s : {must_be(in, 0, value_type::f32, who), must_be(in, which, value_type::s32, who),
                            settle_axis(n, x, who), same_batch(in, which, who)})
    if (!s.empty()) return s;
  bool fits = i.rank == x.rank;
  for (int d = 1; d < x.rank; ++d) fits = fits && (d == n.attributes.axis || i[d] <= x[d]);
  if (!fits) return say(who, "indices ", i, " do not fit input ", x, " beside axis ", n.attributes.axis);
  n.attributes.table_rows = x[n.attributes.axis];
  return {};
}
constexpr sentence gather_elements_shape(node& n, node_inputs in, subject const& who) {
  n.shape = in[1]->shape;
  return fits_elements(n, in, 1, who);
}
constexpr sentence scatter_shape(node& n, node_inputs in, subject const& who) {
  n.shape = in[0]->shape;
  if (sentence const s = fits_elements(n, in, 2, who); !s.empty()) return s;
  if (sentence const s = must_be(in, 1, value_type::f32, who); !s.empty()) return s;
  if (!(in[1]->shape == in[2]->shape))
    return say(who, "there are updates ", in[1]->shape, " for indices ", in[2]->shape);
  return {};
}
constexpr sentence one_hot_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  if (n.attributes.taken < 1 || x.rank > 4)
    return say(who, "rows of ", n.attributes.taken, " elements for indices ", x, ", which have 1 to 4 extents");
  n.shape = x;
  if (x.rank > 1 && x.last() == 1) n.shape.extent[x.rank - 1] = n.attributes.taken; // one index: a row
  else n.shape.extent[n.shape.rank++] = n.attributes.taken;
  return {};
}
constexpr sentence bag_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  attribute_set const& a = n.attributes;
  if (x.rank < 2 || a.width < 1 || a.table_rows < 1)
    return say(who, "input ", x, " must have its bags as last extent, the table ", a.table_rows, " x ", a.width,
               " elements");
  n.shape = x;
  n.shape.extent[x.rank - 1] = a.width;
  return {};
}
constexpr index_t bag_flops(node const& n, node_inputs in) { return in[0]->shape.size() * n.attributes.width; }

} // namespace detail

namespace op {
inline constexpr operator_row gather{.name = "gather", .by_item = true,
                                     .moves = true,
                                     .any_type = true,
                                     .index_input = 1,
                                     .counts_from_end = true,
                                     .eight_bits = quantizes::moves,
                                     .shape = detail::gather_shape,
                                     .meaning = rules::means_rows};
inline constexpr operator_row gather_elements{.name = "gather_elements", .by_item = true,
                                              .moves = true,
                                              .any_type = true,
                                              .index_input = 1,
                                              .counts_from_end = true,
                                              .eight_bits = quantizes::moves,
                                              .shape = detail::gather_elements_shape};
inline constexpr operator_row scatter{.name = "scatter", .by_item = true,
                                      .any_type = true,
                                      .index_input = 2,
                                      .counts_from_end = true,
                                      .shape = detail::scatter_shape};
inline constexpr operator_row one_hot{.name = "one_hot", .by_item = true,
                                      .reads_indices = true,
                                      .shape = detail::one_hot_shape,
                                      .meaning = rules::means_rows};
inline constexpr operator_row embedding_bag{.name = "embedding_bag", .by_item = true,
                                            .writes_slices = true,
                                            .reads_indices = true,
                                            .index_input = 0,
                                            .shape = detail::bag_shape,
                                            .meaning = rules::means_rows,
                                            .weights = detail::embedding_weights,
                                            .flops = detail::bag_flops};
} // namespace op

/// Slices of x along an axis, of each item those that its indices name: (batch, n, c) and (batch, k) give
/// (batch, k, c). Negative indices count from the end.
constexpr value gather(value x, value indices, gather_layer const& o = {}) {
  node n{.kind = op::gather, .name = o.name};
  n.attributes.axis = o.axis;
  return apply(n, {x, indices}, "gather");
}
/// An index for each element: the result has the shape of the indices, result[b][i][j] =
/// x[b][ indices[b][i][j] ][j] along axis 1.
constexpr value gather_elements(value x, value indices, gather_layer const& o = {}) {
  node n{.kind = op::gather_elements, .name = o.name};
  n.attributes.axis = o.axis;
  return apply(n, {x, indices}, "gather_elements");
}
/// x, in which updates were put or added where the indices say, the other way round.
constexpr value scatter(value x, value updates, value indices, scatter_layer const& o = {}) {
  node n{.kind = op::scatter, .name = o.name};
  n.attributes.axis = o.axis, n.attributes.adds = o.add;
  return apply(n, {x, updates, indices}, "scatter");
}
/// (batch, n) to (batch, n, depth), (batch, 1) to (batch, depth): `on` where the index is. One outside of
/// [-depth, depth) gives a row of `off`.
constexpr value one_hot(value indices, one_hot_layer const& o) {
  node n{.kind = op::one_hot, .name = o.name};
  n.attributes.taken = o.depth, n.attributes.a = o.on, n.attributes.b = o.off;
  return apply(n, {indices}, "one_hot");
}
/// The sum, mean or maximum of the rows that the indices of a bag name: (batch, n) to (batch, width).
constexpr value embedding_bag(value indices, embedding_bag_layer const& o) {
  node n{.kind = op::embedding_bag, .name = o.name};
  n.attributes.table_rows = o.rows, n.attributes.width = o.width, n.attributes.bag = o.mode;
  return apply(n, {indices}, "embedding_bag");
}

} // namespace graph
IA_NN_END
