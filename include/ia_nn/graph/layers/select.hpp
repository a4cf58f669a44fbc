// SPDX-License-Identifier: Apache-2.0
//
// where, and running sums.
#pragma once

#include <ia_nn/graph/layers/spread.hpp>
#include <ia_nn/ops/where_kinds.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct where_layer {
  comparison is = comparison::not_equal;
  f32 than = 0; ///< what x is compared with
  label name{};
};
struct cumulative_sum_layer {
  int axis = -1;
  bool exclusive = false; ///< without the element itself
  bool reverse = false;   ///< from the end
  label name{};
};

namespace detail {

constexpr sentence where_shape(node& n, node_inputs in, subject const& who) {
  for (int whole = 0; whole < 3; ++whole) {
    bool fits = in[whole]->shape.rank >= 2;
    for (int k = 0; k < 3; ++k) fits = fits && spread_of(in[whole]->shape, in[k]->shape) != spread::wrong;
    if (!fits) continue;
    n.shape = in[whole]->shape;
    return {};
  }
  return say(who, "shapes ", in[0]->shape, ", ", in[1]->shape, " and ", in[2]->shape,
             " do not fit: one has all elements, the others are repeated over it");
}
/// What the operands that have all elements stand for.
constexpr sentence where_meaning(node& n, node_inputs in, subject const& who) {
  node whole;
  node const* all[3]{};
  for (int k = 0; k < 3; ++k)
    if (in[k]->shape == n.shape) all[whole.inputs.count] = in[k], whole.inputs.add(k);
  whole.meaning = all[0]->meaning;
  sentence const s = rules::means_what_all_do(whole, all, who);
  n.meaning = whole.meaning;
  return s;
}
constexpr sentence cumulative_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  if (n.attributes.axis < 1 || n.attributes.axis >= x.rank)
    return say(who, "axis ", n.attributes.axis, " is none of input ", x, " behind the batch");
  n.shape = x;
  return {};
}
constexpr bool sums_no_channels(node const& n, node_inputs) { return n.attributes.axis != n.shape.rank - 1; }
constexpr index_t one_flop_each(node const& n, node_inputs) { return n.shape.size(); }

} // namespace detail

namespace op {
inline constexpr operator_row where{.name = "where", .by_item = true,
                                    .joins_groups = true,
                                    .writes_slices = true,
                                    .shape = detail::where_shape,
                                    .meaning = detail::where_meaning,
                                    .flops = detail::one_flop_each,
                                    .by_channel = rules::always,
                                    .gradient = rules::gradient_of_source};
inline constexpr operator_row cumulative_sum{.name = "cumulative_sum", .by_item = true,
                                             .in_place = true,
                                             .joins_groups = true,
                                             .shape = detail::cumulative_shape,
                                             .flops = detail::one_flop_each,
                                             .by_channel = detail::sums_no_channels,
                                             .gradient = rules::gradient_alone};
} // namespace op

/// a where x is not 0, or as `is` says of x and a number, else b. Values are repeated as in a + b.
constexpr value where(value x, value a, value b, where_layer const& o = {}) {
  node n{.kind = op::where, .name = o.name};
  n.attributes.is = o.is, n.attributes.number = o.than;
  return apply(n, {x, a, b}, "where");
}
/// Running sums along one axis.
constexpr value cumulative_sum(value x, cumulative_sum_layer const& o = {}) {
  if (x.id < 0) return x;
  node n{.kind = op::cumulative_sum, .name = o.name};
  n.attributes.axis = o.axis < 0 ? o.axis + x.shape().rank : o.axis;
  n.attributes.exclusive = o.exclusive, n.attributes.backwards = o.reverse;
  return apply(n, {x}, "cumulative_sum");
}

} // namespace graph
IA_NN_END
