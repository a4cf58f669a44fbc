// SPDX-License-Identifier: Apache-2.0
//
// The layers a network is built from. All of them are found by their arguments, so a network needs
// no using-directive (behind `using namespace ia_nn` the run-time classes of the same names stand
// in the way: hidden.hpp).
#pragma once

#include <ia_nn/graph/hidden.hpp>
#include <ia_nn/graph/layers_elementwise.hpp>
#include <ia_nn/graph/layers_move.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {
constexpr int image_axes(value x) {
  int const n = x.id < 0 ? 0 : x.shape().rank - 2;
  return n < 1 ? 1 : n > 3 ? 3 : n;
}
/// Refuses numbers for another number of axes than the image has.
constexpr value fits_axes(value x, int axes, char const* what, label const& name,
                          std::initializer_list<per_axis> all) {
  for (per_axis const& given : all)
    if (x.id >= 0 && given.count > 1 && given.count != axes)
      return x.owner->fail(say(about(what, name), given.count, " numbers for ", axes,
                               axes == 1 ? " axis" : " axes", " of input ", x.shape()),
                           "");
  return x;
}
// Window, filters and checks that convolutions and transposed ones share.
template <class Layer>
constexpr value conv_of(value x, Layer const& o, op kind, int axes, char const* what) {
  if (x.id >= 0 && x.shape().rank != axes + 2)
    return x.owner->fail(say(about(what, o.name), "input ", x.shape()),
                         axes == 1   ? " must be (batch, width, channels)"
                         : axes == 2 ? " must be (batch, height, width, channels)"
                                     : " must be (batch, depth, height, width, channels)");
  x = fits_axes(x, axes, what, o.name, {o.kernel, o.stride, o.pad, o.dilation, o.pad_end});
  node n{.kind = kind, .name = o.name};
  spatial const begin = o.pad.of(axes, 0);
  n.with.win = {.kernel = o.kernel.of(axes, 1),
                .stride = o.stride.of(axes, 1),
                .dilation = o.dilation.of(axes, 1),
                .pad_begin = begin,
                .pad_end = o.pad_end.count > 0 ? o.pad_end.of(axes, 0) : begin};
  if constexpr (requires { o.output_padding; }) {
    x = fits_axes(x, axes, what, o.name, {o.output_padding});
    n.with.output_padding = o.output_padding.of(axes, 0);
  }
  n.with.units = o.filters;
  n.with.groups = o.groups;
  n.with.bias = o.bias;
  n.with.rows = o.channels;
  n.with.multiplies = o.precision;
  return apply(n, {x}, what);
}
constexpr value pool_of(value x, pool_layer const& o, op kind, char const* what) {
  int const axes = image_axes(x);
  x = fits_axes(x, axes, what, o.name, {o.kernel, o.stride, o.pad});
  node n{.kind = kind, .name = o.name};
  spatial const kernel = o.kernel.of(axes, 1), pad = o.pad.of(axes, 0);
  n.with.win = {.kernel = kernel,
                .stride = o.stride.count > 0 ? o.stride.of(axes, 1) : kernel,
                .dilation = {},
                .pad_begin = pad,
                .pad_end = pad};
  n.with.ceil_mode = o.ceil_mode;
  n.with.count_padding = o.count_padding;
  return apply(n, {x}, what);
}
constexpr value adaptive_of(value x, adaptive_pool_layer const& o, op kind, char const* what) {
  int const axes = image_axes(x);
  x = fits_axes(x, axes, what, o.name, {o.out});
  node n{.kind = kind, .name = o.name};
  n.with.adaptive = true;
  spatial const out = o.out.of(axes, 1);
  for (int d = 0; d < axes; ++d) n.shape.extent[1 + d] = out[3 - axes + d];
  return apply(n, {x}, what);
}
constexpr value norm_of(value x, op kind, f32 epsilon, bool affine, index_t groups,
                        label const& name) {
  node n{.kind = kind, .name = name};
  n.with.epsilon = epsilon;
  n.with.affine = affine;
  n.with.groups = groups;
  return apply(n, {x}, name_of(kind));
}
constexpr value simple(value x, op kind, label const& name) {
  return apply({.kind = kind, .name = name}, {x}, name_of(kind));
}
} // namespace detail

// ---- layers with weights ------------------------------------------------------------------------

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
/// (..., columns) to (..., units).
constexpr value dense(value x, dense_layer const& o) {
  node n{.kind = op::dense, .name = o.name};
  n.with.units = o.units;
  n.with.bias = o.bias;
  n.with.rows = o.columns;
  n.with.multiplies = o.precision;
  return apply(n, {x}, "dense");
}
/// With known statistics, per channel.
constexpr value batch_norm(value x, norm_layer const& o = {}) {
  return detail::norm_of(x, op::batch_norm, o.epsilon, o.affine, 1, o.name);
}
/// Over the last axis.
constexpr value layer_norm(value x, norm_layer const& o = {}) {
  return detail::norm_of(x, op::layer_norm, o.epsilon, o.affine, 1, o.name);
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
/// s32 indices to rows of a table: (batch, n) to (batch, n, width), (batch, 1) to (batch, width).
constexpr value embedding(value x, embedding_layer const& o) {
  node n{.kind = op::embedding, .name = o.name};
  n.with.rows = o.rows;
  n.with.units = o.width;
  return apply(n, {x}, "embedding");
}
namespace detail {
constexpr value rnn_of(value x, rnn_layer const& o, op kind) {
  char const* const stray =
      o.projection != 0 && kind != op::lstm            ? "an lstm alone has a projection"
      : o.reset_before && kind != op::gru              ? "a gru alone has reset_before"
      : kind == op::rnn && o.activation != function::tanh && o.activation != function::relu
          ? "the activation is tanh or relu"
      : kind != op::rnn && o.activation != function::tanh ? "an rnn alone has another activation"
                                                          : nullptr;
  if (x.id >= 0 && stray) return x.owner->fail(about(name_of(kind), o.name), stray);
  node n{.kind = kind, .name = o.name};
  n.with.units = o.hidden;
  n.with.layers = o.layers;
  n.with.way = o.direction;
  n.with.last_only = o.last_only;
  n.with.bias = o.bias;
  if (kind == op::lstm) n.with.rows = o.projection;
  if (kind == op::gru) n.with.reset_before = o.reset_before;
  if (kind == op::rnn) n.with.act = o.activation;
  return apply(n, {x}, name_of(kind));
}
} // namespace detail
/// A stack of layers: (batch, time, features) to (batch, time, hidden), twice as wide in both
/// directions; or to (batch, hidden), the final states of the last layer.
constexpr value lstm(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::lstm); }
constexpr value gru(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::gru); }
constexpr value rnn(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::rnn); }

// ---- layers without -----------------------------------------------------------------------------

constexpr value max_pool(value x, pool_layer const& o) {
  return detail::pool_of(x, o, op::max_pool, "max_pool");
}
constexpr value average_pool(value x, pool_layer const& o) {
  return detail::pool_of(x, o, op::average_pool, "average_pool");
}
/// To an image of a given size.
constexpr value adaptive_max_pool(value x, adaptive_pool_layer const& o) {
  return detail::adaptive_of(x, o, op::max_pool, "adaptive_max_pool");
}
constexpr value adaptive_average_pool(value x, adaptive_pool_layer const& o) {
  return detail::adaptive_of(x, o, op::average_pool, "adaptive_average_pool");
}
/// (batch, ..., channels) to (batch, channels).
constexpr value global_average_pool(value x, named const& o = {}) {
  if (x.id < 0) return x;
  dims const s = x.shape();
  node n{.kind = op::average_pool, .name = o.name};
  n.with.win.kernel = n.with.win.stride = detail::image_of(s);
  value const y = apply(n, {x}, "global_average_pool");
  return s.rank < 3 ? y : flatten(y);
}
constexpr value softmax(value x, named const& o = {}) {
  return detail::simple(x, op::softmax, o.name);
}
constexpr value log_softmax(value x, named const& o = {}) {
  return detail::simple(x, op::log_softmax, o.name);
}
/// Normalisation across neighbouring channels.
constexpr value lrn(value x, lrn_layer const& o = {}) {
  node n{.kind = op::lrn, .name = o.name};
  n.with.rows = o.size;
  n.with.a = o.alpha, n.with.b = o.beta, n.with.c = o.bias;
  n.with.sums = o.window;
  return apply(n, {x}, "lrn");
}
/// Nothing happens at inference.
constexpr value dropout(value x, named const& o = {}) {
  return detail::simple(x, op::dropout, o.name);
}
constexpr value identity(value x, named const& o = {}) {
  return detail::simple(x, op::identity, o.name);
}

/// The mean along axes first .. last behind the batch, which fall away or stay as 1. An average
/// pool of a reshaped value.
struct mean_layer {
  int first = 1, last = 1; ///< negative: from the end
  bool keep = false;       ///< the axes stay, with extent 1
  label name{};
};
constexpr value reduce_mean(value x, mean_layer const& o) {
  if (x.id < 0) return x;
  dims const s = x.shape();
  int const first = o.first < 0 ? o.first + s.rank : o.first;
  int const last = o.last < 0 ? o.last + s.rank : o.last;
  if (first < 1 || last < first || last >= s.rank)
    return x.owner->fail(detail::say(about("reduce_mean", o.name), "axes ", first, " to ", last,
                                     " are none of input ", s, " behind the batch"),
                         "");
  index_t in_front = 1, together = 1, behind = 1;
  dims to{s[0]};
  for (int d = 1; d < s.rank; ++d) {
    bool const reduced = d >= first && d <= last;
    (reduced ? together : d < first ? in_front : behind) *= s[d];
    if (!reduced || o.keep) to.extent[to.rank++] = reduced ? 1 : s[d];
  }
  value const rows = detail::relabelled(x, dims{s[0], in_front, together, behind}, meaning::image,
                                        "reshape");
  value const y = average_pool(rows, {.kernel = {1, together}, .name = o.name});
  if (y.id < 0) return y;
  meaning const means = last == s.rank - 1 || to.rank < 3 ? meaning::rows : x.owner->net[x.id].means;
  return detail::relabelled(y, to, means, "reshape");
}

} // namespace graph
IA_NN_END
