// SPDX-License-Identifier: Apache-2.0
//
// Values side by side.
#pragma once

#include <ia_nn/graph/layers/spread.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct concat_layer {
  int axis = -1;
  label name{};
};

namespace detail {
constexpr sentence concat_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  int const axis = n.attributes.axis < 0 ? n.attributes.axis + x.rank : n.attributes.axis;
  if (axis < 1 || axis >= x.rank)
    return say(who, "axis ", n.attributes.axis, " is none of input ", x, " behind the batch");
  n.attributes.axis = axis;
  n.shape = x;
  for (int i = 1; i < n.inputs.count; ++i) {
    dims like = in[i]->shape;
    index_t const more = like.rank > axis ? like[axis] : 0;
    if (like.rank > axis) like.extent[axis] = x[axis];
    if (!(like == x)) return say(unequal(who, *in[0], *in[i]), ", to be joined along axis ", axis);
    n.shape.extent[axis] += more;
  }
  return {};
}

constexpr bool joins_no_channels(node const& n, node_inputs) {
  return n.attributes.axis != n.shape.rank - 1;
}
constexpr bool joins_nothing(node const& n, node_inputs) { return n.inputs.count == 1; }
} // namespace detail

namespace op {
inline constexpr operator_row concat{.name = "concat", .by_item = true,
                                     .moves = true,
                                     .eight_bits = quantizes::moves,
                                     .shape = detail::concat_shape,
                                     .meaning = rules::means_what_all_do,
                                     .changes_nothing = detail::joins_nothing,
                                     .by_channel = detail::joins_no_channels,
                                     .gradient = rules::gradient_alone};
} // namespace op

/// Side by side along an axis behind the batch, the last one unless said.
constexpr value concat(value const* from, int count, concat_layer const& o = {}) {
  if (count < 1 || !from->owner) return {};
  node n{.kind = op::concat, .name = o.name};
  n.attributes.axis = o.axis;
  return from->owner->add(n, from, count, "concat");
}
constexpr value concat(std::initializer_list<value> from, concat_layer const& o = {}) {
  return concat(from.begin(), static_cast<int>(from.size()), o);
}

} // namespace graph
IA_NN_END
