// SPDX-License-Identifier: Apache-2.0
//
// Other extents for the same elements, and in which order they are counted. PyTorch's tensors of
// images have channels second, and its flatten and reshape count elements in that order; those of
// its sequences, (batch, time, features), lie as they do here. A reshape
//
//   that keeps the channels           (batch, h, w, c) to (batch, h w, c): moves nothing
//   of an image                       counts (channels, ...)
//   of rows                           counts as they lie
//   to 4 and 5 extents                makes an image: (batch, k) to (batch, h, w, c) is PyTorch's
//                                     view(batch, c, h, w)
//   .order = order::channels_first    takes source and result for images
//   .order = order::channels_last     counts elements as they lie, as Keras does
//
// and where that leaves two answers, it must say .order. What is what: ir/meaning.hpp.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct reshape_layer {
  graph::order order = graph::order::of_value; ///< graph/shapes_order.hpp
  label name{};
};

namespace detail {

constexpr sentence reshape_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  n.type = in[0]->type;
  index_t known = 1;
  int open = -1;
  for (int d = 1; d < n.shape.rank && d < 5; ++d) {
    if (n.shape[d] == -1 && open < 0) open = d;
    else known = n.shape[d] > 0 && known <= x.item() / n.shape[d] ? known * n.shape[d] : 0;
  }
  n.shape.extent[0] = x[0];
  if (open > 0 && known > 0 && x.item() % known == 0) n.shape.extent[open] = x.item() / known;
  if (n.shape.rank > 5) return say(who, "a shape has 1 to 5 extents, the batch first");
  if (n.shape.rank < 2 || known < 1 || n.shape.item() != x.item())
    return say(who, "input ", x, " has not as many elements as ", n.shape);
  return {};
}

constexpr sentence reshape_meaning(node& n, node_inputs in, subject const& who) {
  node const& x = *in[0];
  order& reads = n.attributes.reads;
  order& writes = n.attributes.writes;
  order const said = reads;
  int const rank = n.shape.rank;
  bool const source = !one_order(x.shape), result = !one_order(n.shape);
  bool const kept = x.shape.rank > 2 && rank > 2 && x.shape.last() == n.shape.last();
  if (x.type == value_type::s32) { // indices have no channels
    reads = writes = order::channels_last;
    n.meaning = meaning::rows;
    return {};
  }
  if (said != order::of_value) {
    reads = source && !kept ? said : order::channels_last;
    writes = result && !kept ? said : order::channels_last;
    n.meaning = rank < 3                        ? meaning::rows
              : said == order::channels_first ? meaning::image
              : rank == 3                     ? meaning::rows
                                              : meaning::either;
    return {};
  }
  reads = writes = order::channels_last;
  if (kept) {
    if (source && x.meaning == meaning::shaped && rank > 3) return must_say_order(who, x.shape);
    bool const same = (x.shape.rank > 3) == (rank > 3);
    n.meaning = same ? x.meaning : x.meaning == meaning::image && rank > 3 ? meaning::image
                           : x.meaning == meaning::rows && rank == 3   ? meaning::rows
                                                                     : meaning::either;
    return {};
  }
  if (source) {
    if (x.meaning == meaning::either)
      return say(who, "input ", x.shape, " may be an image or rows: say .order = ",
                 "order::channels_first to count the channels of an image first, as PyTorch does, ",
                 "or order::channels_last to count elements as they lie");
    if (x.meaning == meaning::image && result && rank == 3)
      return say(who, "image ", x.shape, " to ", n.shape, ": say .order = order::channels_first ",
                 "for an image of ", n.shape.last(), " channels, order::channels_last to count ",
                 "elements as they lie; for rows in PyTorch's order flatten first");
    if (x.meaning == meaning::image) reads = order::channels_first;
  }
  if (result && rank > 3) writes = order::channels_first;
  n.meaning = rank < 3 ? meaning::rows : rank > 3 ? meaning::image : meaning::shaped;
  return {};
}

constexpr bool keeps_channels(node const& n, node_inputs in) {
  return n.shape.last() == in[0]->shape.last() && n.attributes.reads != order::channels_first &&
         n.attributes.writes != order::channels_first;
}
constexpr bool keeps_extents(node const& n, node_inputs in) { return n.shape == in[0]->shape; }

} // namespace detail

namespace op {
inline constexpr operator_row reshape{.name = "reshape", .by_item = true,
                                      .moves = true,
                                      .any_type = true,
                                      .eight_bits = quantizes::moves,
                                      .shape = detail::reshape_shape,
                                      .meaning = detail::reshape_meaning,
                                      .changes_nothing = detail::keeps_extents,
                                      .by_channel = detail::keeps_channels,
                                      .gradient = rules::gradient_in_place};
} // namespace op

namespace detail {
constexpr value reshaped(value x, dims const& to, reshape_layer const& o, char const* what) {
  node n{.kind = op::reshape, .name = o.name, .shape = to};
  n.attributes.reads = n.attributes.writes = o.order;
  return apply(n, {x}, what);
}
/// Elements stay where they are.
constexpr value relabelled(value x, dims const& to, meaning means, char const* what) {
  value const y = reshaped(x, to, {.order = order::channels_last}, what);
  if (y.id >= 0) y.owner->net[y.id].meaning = means;
  return y;
}
} // namespace detail
/// (batch, everything else), counted as PyTorch does: of an image channel by channel.
constexpr value flatten(value x, reshape_layer const& o = {}) {
  return detail::reshaped(x, dims{0, -1}, o, "flatten");
}
/// The extents behind the batch, channels last; one of them may be -1: what is left. To 4 or 5
/// extents it makes an image: {7, 7, 128} is PyTorch's view(batch, 128, 7, 7).
constexpr value reshape(value x, std::initializer_list<index_t> extents,
                        reshape_layer const& o = {}) {
  dims to{0};
  for (index_t const n : extents) {
    if (to.rank < 5) to.extent[to.rank] = n;
    ++to.rank;
  }
  return detail::reshaped(x, to, o, "reshape");
}

} // namespace graph
IA_NN_END
