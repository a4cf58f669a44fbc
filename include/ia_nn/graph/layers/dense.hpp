// SPDX-License-Identifier: Apache-2.0
//
// Dense layers: rows times a matrix.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct dense_layer {
  index_t units = 1;
  bool bias = true;
  index_t columns = 0; ///< what the weights expect; 0: whatever the input has
  graph::precision precision = graph::precision::of_net;
  label name{};
};

namespace detail {

constexpr sentence dense_shape_of(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  attribute_set const& a = n.attributes;
  if (x.rank < 2 || a.units < 1)
    return say(who, "input ", x, " must be (batch, ..., columns), and units at least 1");
  if (a.expected_channels > 0 && a.expected_channels != x.last())
    return say(who, "input ", x, " has ", x.last(), " columns, weights expect ",
               a.expected_channels);
  n.shape = x;
  n.shape.extent[x.rank - 1] = a.units;
  return {};
}
/// PyTorch's Linear of an image needs a permute, and perhaps another one behind it.
constexpr sentence dense_meaning(node& n, node_inputs in, subject const&) {
  bool const image = in[0]->meaning == meaning::image && n.shape.rank > 2;
  n.meaning = image ? meaning::either : meaning::rows;
  return {};
}
constexpr void dense_weights(node const& n, node_inputs in, std::vector<weight>& to) {
  to.push_back({".weight", dims{n.attributes.units, in[0]->shape.last()}});
  if (n.attributes.bias) to.push_back({".bias", dims{n.attributes.units}});
}
constexpr index_t dense_flops(node const& n, node_inputs in) {
  return 2 * n.shape.size() * in[0]->shape.last();
}

} // namespace detail

namespace op {
inline constexpr operator_row dense{.name = "dense", .by_item = true,
                                    .has_epilogue = true,
                                    .joins_groups = true,
                                    .writes_slices = true,
                                    .multiplies = true,
                                    .narrow = true,
                                    .eight_bits = quantizes::may,
                                    .shape = detail::dense_shape_of,
                                    .meaning = detail::dense_meaning,
                                    .weights = detail::dense_weights,
                                    .flops = detail::dense_flops,
                                    .orders_channels = rules::always,
                                    .gradient = rules::gradient_of_source};
} // namespace op

/// (..., columns) to (..., units).
constexpr value dense(value x, dense_layer const& o) {
  node n{.kind = op::dense, .name = o.name};
  n.attributes.units = o.units;
  n.attributes.bias = o.bias;
  n.attributes.expected_channels = o.columns;
  n.attributes.precision = o.precision;
  return apply(n, {x}, "dense");
}

} // namespace graph
IA_NN_END
