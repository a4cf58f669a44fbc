// SPDX-License-Identifier: Apache-2.0
//
// Norms.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct norm_layer {
  f32 epsilon = 1e-5F;
  bool affine = true; ///< has weight (scale) and bias (shift)
  label name{};
};

struct group_norm_layer {
  index_t groups = 1;
  f32 epsilon = 1e-5F;
  bool affine = true; ///< has weight (scale) and bias (shift)
  label name{};
};

struct rms_norm_layer {
  f32 epsilon = 0x1p-23F; ///< PyTorch's of f32
  bool affine = true;     ///< has weight (scale)
  label name{};
};

struct l2_norm_layer {
  f32 epsilon = 1e-12F;
  int p = 2;          ///< 1: divided by the sum of magnitudes
  bool affine = true; ///< has weight (scale)
  label name{};
};

/// Without weights unless said, as PyTorch has it.
struct instance_norm_layer {
  f32 epsilon = 1e-5F;
  bool affine = false; ///< has weight (scale) and bias (shift)
  label name{};
};

namespace detail {

constexpr sentence group_norm_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  if (sentence const s = rules::keeps_rows(n, in, who); !s.empty()) return s;
  index_t const groups = n.attributes.groups;
  if (groups < 1 || x.last() % groups != 0)
    return say(who, groups, " groups do not divide ", x.last(), " channels of input ", x);
  return {};
}
constexpr void affine_weights(node const& n, node_inputs in, std::vector<weight>& to) {
  if (!n.attributes.affine) return;
  to.push_back({".weight", dims{in[0]->shape.last()}});
  to.push_back({".bias", dims{in[0]->shape.last()}});
}
constexpr void scale_weights(node const& n, node_inputs in, std::vector<weight>& to) {
  if (n.attributes.affine) to.push_back({".weight", dims{in[0]->shape.last()}});
}
constexpr sentence lp_norm_shape(node& n, node_inputs in, subject const& who) {
  if (n.attributes.power != 1 && n.attributes.power != 2)
    return say(who, "p is ", n.attributes.power, ", must be 1 or 2");
  return rules::keeps_rows(n, in, who);
}
constexpr void batch_norm_weights(node const& n, node_inputs in, std::vector<weight>& to) {
  for (char const* const name : {".running_mean", ".running_var"})
    to.push_back({.suffix = name, .shape = dims{in[0]->shape.last()}, .learned = false});
  affine_weights(n, in, to);
}
constexpr bool groups_are_channels(node const& n, node_inputs) {
  return n.attributes.groups == n.shape.last();
}
constexpr index_t batch_norm_flops(node const& n, node_inputs) { return 2 * n.shape.size(); }
constexpr index_t norm_flops(node const& n, node_inputs) { return 6 * n.shape.size(); }
constexpr index_t scale_norm_flops(node const& n, node_inputs) { return 4 * n.shape.size(); }
constexpr operator_row scale_norm_row(char const* name, sentence (*shape)(node&, node_inputs, subject const&)) {
  return {.name = name, .by_item = true,
          .in_place = true,
          .joins_groups = true,
          .writes_slices = true,
          .shape = shape,
          .weights = scale_weights,
          .flops = scale_norm_flops,
          .by_channel = rules::always,
          .gradient = rules::gradient_of_source_in_place};
}

} // namespace detail

namespace op {
inline constexpr operator_row batch_norm{.name = "batch_norm", .by_item = true,
                                         .element_wise = true,
                                         .narrow = true,
                                         .eight_bits = quantizes::may,
                                         .shape = rules::keeps_rows,
                                         .meaning = rules::means_clear_source,
                                         .weights = detail::batch_norm_weights,
                                         .flops = detail::batch_norm_flops,
                                         .by_channel = rules::always,
                                         .gradient = rules::gradient_of_source_in_place};
inline constexpr operator_row layer_norm{.name = "layer_norm", .by_item = true,
                                         .in_place = true,
                                         .joins_groups = true,
                                         .writes_slices = true,
                                         .shape = rules::keeps_rows,
                                         .weights = detail::affine_weights,
                                         .flops = detail::norm_flops,
                                         .by_channel = rules::always,
                                         .gradient = rules::gradient_of_source_in_place};
inline constexpr operator_row group_norm{.name = "group_norm", .by_item = true,
                                         .in_place = true,
                                         .joins_groups = true,
                                         .shape = detail::group_norm_shape,
                                         .meaning = rules::means_clear_source,
                                         .weights = detail::affine_weights,
                                         .flops = detail::norm_flops,
                                         .by_channel = detail::groups_are_channels,
                                         .gradient = rules::gradient_of_source};
inline constexpr operator_row rms_norm = detail::scale_norm_row("rms_norm", rules::keeps_rows);
inline constexpr operator_row l2_norm = detail::scale_norm_row("l2_norm", detail::lp_norm_shape);
} // namespace op

namespace detail {
constexpr value norm_of(value x, op_kind kind, f32 epsilon, bool affine, index_t groups,
                        label const& name) {
  node n{.kind = kind, .name = name};
  n.attributes.epsilon = epsilon;
  n.attributes.affine = affine;
  n.attributes.groups = groups;
  return apply(n, {x}, name_of(kind));
}
} // namespace detail

/// With known statistics, per channel.
constexpr value batch_norm(value x, norm_layer const& o = {}) {
  return detail::norm_of(x, op::batch_norm, o.epsilon, o.affine, 1, o.name);
}
/// Over the last axis.
constexpr value layer_norm(value x, norm_layer const& o = {}) {
  return detail::norm_of(x, op::layer_norm, o.epsilon, o.affine, 1, o.name);
}
/// Over the last axis, whose mean stays.
constexpr value rms_norm(value x, rms_norm_layer const& o = {}) {
  return detail::norm_of(x, op::rms_norm, o.epsilon, o.affine, 1, o.name);
}
/// Rows of length 1, times a scale for each channel: SSD's; without a scale PyTorch's normalize.
constexpr value l2_norm(value x, l2_norm_layer const& o = {}) {
  node n{.kind = op::l2_norm, .name = o.name};
  n.attributes.epsilon = o.epsilon, n.attributes.affine = o.affine, n.attributes.power = o.p;
  return apply(n, {x}, "l2_norm");
}
/// Over the image and the channels of a group, of each item.
constexpr value group_norm(value x, group_norm_layer const& o) {
  return detail::norm_of(x, op::group_norm, o.epsilon, o.affine, o.groups, o.name);
}
/// Over the image, of each item and channel: a group norm of as many groups as channels.
constexpr value instance_norm(value x, instance_norm_layer const& o = {}) {
  return detail::norm_of(x, op::group_norm, o.epsilon, o.affine, x.id < 0 ? 1 : x.shape().last(),
                         o.name);
}

} // namespace graph
IA_NN_END
