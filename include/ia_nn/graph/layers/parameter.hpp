// SPDX-License-Identifier: Apache-2.0
//
// Learned numbers as a value: positions, a class token, scales of channels. All items of the batch
// have the same. Behind element-wise operations and kernels they are read where they were loaded;
// elsewhere they are copied for each item, in a step of their own.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct parameter_layer {
  dims shape{}; ///< behind the batch, channels last; of fewer extents than x has, the others are 1
  /// In which the weights are: as PyTorch has them, channels first if x is an image of as many
  /// extents, unless said.
  graph::order order = graph::order::of_value;
  label name{}; ///< of the weight, without anything behind it
};

namespace detail {

/// As the source has it: extents of 1 in front or behind do not count, as in (1, 197, 768).
constexpr void parameter_weights(node const& n, node_inputs, std::vector<weight>& to) {
  dims s;
  bool const first = n.attributes.reads == order::channels_first;
  if (first) s.extent[s.rank++] = n.shape.last();
  for (int d = 1; d < n.shape.rank - first; ++d) s.extent[s.rank++] = n.shape[d];
  to.push_back({"", s, false});
}

} // namespace detail

namespace op {
inline constexpr operator_row parameter{.name = "parameter", .by_item = true,
                                        .writes_slices = true,
                                        .shape = rules::nothing_to_say,
                                        .meaning = rules::nothing_to_say,
                                        .weights = detail::parameter_weights,
                                        .orders_channels = rules::always,
                                        .gradient = rules::gradient_alone};
} // namespace op

/// The weight `name` as a value, for x: of its network, batch and number of extents. It may be an
/// operand, repeated as others are, and part of a concat.
///
///   x = concat({parameter(x, {.shape = {768}, .name = "cls_token"}), x}, {.axis = 1});
///   x = x + parameter(x, {.shape = {197, 768}, .name = "pos_embed"});
///   x = x * parameter(x, {.shape = {768}, .name = "layer_scale.gamma"});
constexpr value parameter(value x, parameter_layer const& o) {
  if (x.id < 0) return x;
  auto const fail = [&](auto const&... why) {
    return x.owner->fail(detail::say(about("parameter", o.name), why...), "");
  };
  if (o.name.empty()) return fail("it needs a name: that of its weight");
  if (o.shape.rank < 1 || o.shape.rank > 4)
    return fail("a shape has 1 to 4 extents behind the batch");
  node n{.kind = op::parameter, .name = o.name};
  node const& like = x.owner->net[x.id];
  n.shape.extent[n.shape.rank++] = like.shape[0];
  while (n.shape.rank + o.shape.rank < like.shape.rank) n.shape.extent[n.shape.rank++] = 1;
  constexpr index_t most = index_t{1} << 40;
  index_t size = 1;
  for (int d = 0; d < o.shape.rank; ++d) {
    if (o.shape[d] < 1 || o.shape[d] > most / size)
      return fail("shape ", o.shape,
                  ": extents are at least 1, and there are at most 2^40 elements");
    size *= o.shape[d];
    n.shape.extent[n.shape.rank++] = o.shape[d];
  }
  n.meaning = like.shape.rank == n.shape.rank ? like.meaning : detail::meaning_of_input(n);
  bool const first =
      o.order == order::of_value ? n.meaning == meaning::image : o.order == order::channels_first;
  n.attributes.reads = first ? order::channels_first : order::channels_last;
  return x.owner->add(n, {}, "parameter");
}

} // namespace graph
IA_NN_END
