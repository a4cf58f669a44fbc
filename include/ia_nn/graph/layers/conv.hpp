// SPDX-License-Identifier: Apache-2.0
//
// Convolutions and transposed ones, of 1 to 3 image axes.
#pragma once

#include <ia_nn/graph/layers/window.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct conv_layer {
  index_t filters = 1;
  per_axis kernel = 1, stride = 1, pad = 0, dilation = 1;
  per_axis pad_end{}; ///< as `pad` unless given
  index_t groups = 1;
  bool bias = true;
  index_t channels = 0; ///< what the weights expect; 0: whatever the input has
  graph::precision precision = graph::precision::of_net;
  label name{};
};

/// The window is that of the convolution which is transposed.
struct deconv_layer {
  index_t filters = 1;
  per_axis kernel = 1, stride = 1, pad = 0, dilation = 1;
  per_axis pad_end{};          ///< as `pad` unless given
  per_axis output_padding = 0; ///< outputs added at the end
  index_t groups = 1;
  bool bias = true;
  index_t channels = 0; ///< what the weights expect; 0: whatever the input has
  graph::precision precision = graph::precision::of_net;
  label name{};
};

namespace detail {

// "" if the channels of x suit the filters and groups of a convolution.
constexpr sentence channels_mistake(subject const& who, attribute_set const& a, dims const& x) {
  index_t const channels = x.last();
  if (a.expected_channels > 0 && a.expected_channels != channels)
    return say(who, "input has ", channels, " channels, weights expect ", a.expected_channels,
               order_hint(x, a.expected_channels));
  if (a.filters < 1 || a.groups < 1 || channels % a.groups != 0 ||
      a.filters % a.groups != 0)
    return say(who, a.groups, " groups do not divide ", channels, " channels of input ", x,
               " and ", a.filters, " filters");
  return {};
}

constexpr sentence conv_shape_of(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  if (x.rank < 3 || x.rank > 5) return no_image(who, x);
  if (sentence const s = channels_mistake(who, n.attributes, x); !s.empty()) return s;
  if (sentence const s = window_mistake(who, n.attributes.win, x); !s.empty()) return s;
  n.shape = image_shape(x, n.attributes.win.output(image_of(x)), n.attributes.filters);
  return {};
}

constexpr sentence deconv_shape_of(node& n, node_inputs inputs, subject const& who) {
  dims const& x = inputs[0]->shape;
  if (x.rank < 3 || x.rank > 5) return no_image(who, x);
  if (sentence const s = channels_mistake(who, n.attributes, x); !s.empty()) return s;
  window const& w = n.attributes.win;
  if (sentence const s = window_mistake(who, w, x, false, true); !s.empty()) return s;
  spatial const in = image_of(x);
  spatial out;
  for (int d = 0; d < 3; ++d) { // as deconv_shape::out in ops/deconv.hpp
    out[d] = (in[d] - 1) * w.stride[d] + w.reach(d) - w.pad_begin[d] - w.pad_end[d] +
             n.attributes.output_padding[d];
    if (out[d] < 1)
      return say(who, image_axis[d], ": the padding leaves ", out[d], " elements of input ", x);
  }
  n.shape = image_shape(x, out, n.attributes.filters);
  return {};
}

// The axes of the kernel behind two extents.
constexpr dims filter_shape(node const& n, index_t first, index_t second) {
  dims s{first, second};
  for (int d = 5 - n.shape.rank; d < 3; ++d) s.extent[s.rank++] = n.attributes.win.kernel[d];
  return s;
}
constexpr void conv_weights(node const& n, node_inputs in, std::vector<weight>& to) {
  attribute_set const& a = n.attributes;
  to.push_back({".weight", filter_shape(n, a.filters, in[0]->shape.last() / a.groups)});
  if (a.bias) to.push_back({".bias", dims{a.filters}});
}
constexpr void deconv_weights(node const& n, node_inputs in, std::vector<weight>& to) {
  attribute_set const& a = n.attributes;
  to.push_back({".weight", filter_shape(n, in[0]->shape.last(), a.filters / a.groups)});
  if (a.bias) to.push_back({".bias", dims{a.filters}});
}
constexpr index_t conv_flops(node const& n, node_inputs in) {
  attribute_set const& a = n.attributes;
  return 2 * n.shape.size() * a.win.kernel.size() * in[0]->shape.last() / a.groups;
}
/// Every element of the source meets every tap.
constexpr index_t deconv_flops(node const& n, node_inputs in) {
  attribute_set const& a = n.attributes;
  return 2 * in[0]->shape.size() * a.win.kernel.size() * a.filters / a.groups;
}
/// One filter for each channel.
constexpr bool filters_each_channel(node const& n, node_inputs in) {
  attribute_set const& a = n.attributes;
  return a.groups > 1 && a.groups == in[0]->shape.last() && a.groups == a.filters;
}
constexpr bool has_one_group(node const& n, node_inputs) { return n.attributes.groups == 1; }
constexpr char const* conv_name(node const& n) {
  constexpr char const* names[] = {"conv", "conv1d", "conv2d", "conv3d"};
  return names[n.shape.rank >= 3 && n.shape.rank <= 5 ? n.shape.rank - 2 : 0];
}
constexpr char const* deconv_name(node const& n) {
  constexpr char const* names[] = {"deconv", "deconv1d", "deconv2d", "deconv3d"};
  return names[n.shape.rank >= 3 && n.shape.rank <= 5 ? n.shape.rank - 2 : 0];
}

} // namespace detail

namespace op {
inline constexpr operator_row conv{.name = "conv", .by_item = true,
                                   .has_epilogue = true,
                                   .writes_slices = true,
                                   .multiplies = true,
                                   .narrow = true,
                                   .eight_bits = quantizes::may,
                                   .shape = detail::conv_shape_of,
                                   .meaning = rules::means_image,
                                   .weights = detail::conv_weights,
                                   .flops = detail::conv_flops,
                                   .shown = detail::conv_name,
                                   .by_channel = detail::filters_each_channel,
                                   .orders_channels = detail::has_one_group,
                                   .gradient = rules::gradient_of_source};
inline constexpr operator_row deconv{.name = "deconv", .by_item = true,
                                     .has_epilogue = true,
                                     .writes_slices = true,
                                     .multiplies = true,
                                     .narrow = true,
                                     .eight_bits = quantizes::may,
                                     .shape = detail::deconv_shape_of,
                                     .meaning = rules::means_image,
                                     .weights = detail::deconv_weights,
                                     .flops = detail::deconv_flops,
                                     .shown = detail::deconv_name,
                                     .by_channel = detail::filters_each_channel,
                                     .orders_channels = detail::has_one_group,
                                     .gradient = rules::gradient_of_source};
} // namespace op

namespace detail {
// Window, filters and checks that convolutions and transposed ones share.
template <class Layer>
constexpr value conv_of(value x, Layer const& o, op_kind kind, int axes, char const* what) {
  if (x.id >= 0 && x.shape().rank != axes + 2)
    return x.owner->fail(say(about(what, o.name), "input ", x.shape()),
                         axes == 1   ? " must be (batch, width, channels)"
                         : axes == 2 ? " must be (batch, height, width, channels)"
                                     : " must be (batch, depth, height, width, channels)");
  x = fits_axes(x, axes, what, o.name, {o.kernel, o.stride, o.pad, o.dilation, o.pad_end});
  if (x.id >= 0 && is_for_dense(o.precision))
    return x.owner->fail(about(what, o.name),
                         "convolutions multiply f32, bf16 or 8 bits; terms of bf16, and 8 or 4 bits "
                         "of the weights alone, are for dense layers");
  node n{.kind = kind, .name = o.name};
  spatial const begin = o.pad.of(axes, 0);
  n.attributes.win = {.kernel = o.kernel.of(axes, 1),
                .stride = o.stride.of(axes, 1),
                .dilation = o.dilation.of(axes, 1),
                .pad_begin = begin,
                .pad_end = o.pad_end.count > 0 ? o.pad_end.of(axes, 0) : begin};
  if constexpr (requires { o.output_padding; }) {
    x = fits_axes(x, axes, what, o.name, {o.output_padding});
    n.attributes.output_padding = o.output_padding.of(axes, 0);
  }
  n.attributes.filters = o.filters;
  n.attributes.groups = o.groups;
  n.attributes.bias = o.bias;
  n.attributes.expected_channels = o.channels;
  n.attributes.precision = o.precision;
  return apply(n, {x}, what);
}
} // namespace detail

constexpr value conv1d(value x, conv_layer const& o) {
  return detail::conv_of(x, o, op::conv, 1, "conv1d");
}
constexpr value conv2d(value x, conv_layer const& o) {
  return detail::conv_of(x, o, op::conv, 2, "conv2d");
}
constexpr value conv3d(value x, conv_layer const& o) {
  return detail::conv_of(x, o, op::conv, 3, "conv3d");
}
/// One filter for each channel.
constexpr value depthwise_conv2d(value x, conv_layer o) {
  if (x.id >= 0) o.filters = o.groups = x.shape().last();
  return detail::conv_of(x, o, op::conv, 2, "conv2d");
}
/// Transposed convolution.
constexpr value deconv1d(value x, deconv_layer const& o) {
  return detail::conv_of(x, o, op::deconv, 1, "deconv1d");
}
constexpr value deconv2d(value x, deconv_layer const& o) {
  return detail::conv_of(x, o, op::deconv, 2, "deconv2d");
}
constexpr value deconv3d(value x, deconv_layer const& o) {
  return detail::conv_of(x, o, op::deconv, 3, "deconv3d");
}

} // namespace graph
IA_NN_END
