// SPDX-License-Identifier: Apache-2.0
//
// The layers a network is built from. All of them are found by their arguments, so a network needs
// no using-directive (with `using namespace ia_nn` the run-time classes of the same names would
// stand in the way).
#pragma once

#include <ia_nn/graph/builder.hpp>

IA_NN_BEGIN
namespace graph {

/// One number for every image axis, or one for each: 3, {3, 5}, {1, 3, 3}.
struct per_axis {
  index_t n[3]{};
  int count = 0;

  constexpr per_axis() = default;
  constexpr per_axis(index_t all) : n{all}, count(1) {}
  constexpr per_axis(int all) : n{all}, count(1) {}
  constexpr per_axis(index_t height, index_t width) : n{height, width}, count(2) {}
  constexpr per_axis(index_t depth, index_t height, index_t width)
      : n{depth, height, width}, count(3) {}

  /// For an image of `axes` axes; the ones it lacks get `lacking`.
  constexpr spatial of(int axes, index_t lacking) const {
    spatial s{lacking, lacking, lacking};
    for (int d = 0; d < axes; ++d) s[3 - axes + d] = count == 1 ? n[0] : n[d];
    return s;
  }
};

struct conv_layer {
  index_t filters = 1;
  per_axis kernel = 1, stride = 1, pad = 0, dilation = 1;
  per_axis pad_end{}; ///< as `pad` unless given
  index_t groups = 1;
  bool bias = true;
  index_t channels = 0; ///< what the weights expect; 0: whatever the input has
  label name{};
};

struct dense_layer {
  index_t units = 1;
  bool bias = true;
  index_t columns = 0; ///< what the weights expect; 0: whatever the input has
  label name{};
};

struct pool_layer {
  per_axis kernel = 1;
  per_axis stride{}; ///< as `kernel` unless given
  per_axis pad = 0;
  bool ceil_mode = false;
  bool count_padding = false; ///< averages divide by the whole window
  label name{};
};

struct norm_layer {
  f32 epsilon = 1e-5F;
  bool affine = true; ///< has weight (scale) and bias (shift)
  label name{};
};

struct embedding_layer {
  index_t rows = 1, width = 1;
  label name{};
};

struct lrn_layer {
  index_t size = 5;
  f32 alpha = 1e-4F, beta = 0.75F, bias = 1.0F;
  label name{};
};

struct rnn_layer {
  index_t hidden = 1;
  bool last_only = false;
  label name{};
};

struct named {
  label name{};
};

namespace detail {
constexpr int image_axes(value x) {
  int const n = x.id < 0 ? 0 : x.shape().rank - 2;
  return n < 1 ? 1 : n > 3 ? 3 : n;
}
constexpr value conv_of(value x, conv_layer const& o, int axes, char const* what) {
  if (x.id >= 0 && x.shape().rank != axes + 2) {
    sentence s = about(what, o.name);
    s += "input ";
    x.shape().write(s);
    s += axes == 1   ? " must be (batch, width, channels)"
         : axes == 2 ? " must be (batch, height, width, channels)"
                     : " must be (batch, depth, height, width, channels)";
    return x.owner->fail(s, "");
  }
  node n{.kind = op::conv, .name = o.name};
  spatial const begin = o.pad.of(axes, 0);
  n.with.win = {.kernel = o.kernel.of(axes, 1),
                .stride = o.stride.of(axes, 1),
                .dilation = o.dilation.of(axes, 1),
                .pad_begin = begin,
                .pad_end = o.pad_end.count > 0 ? o.pad_end.of(axes, 0) : begin};
  n.with.units = o.filters;
  n.with.groups = o.groups;
  n.with.bias = o.bias;
  n.with.rows = o.channels;
  return apply(n, {x}, what);
}
constexpr value pool_of(value x, pool_layer const& o, op kind, char const* what) {
  int const axes = image_axes(x);
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
constexpr value simple(value x, op kind, label const& name) {
  return apply({.kind = kind, .name = name}, {x}, name_of(kind));
}
} // namespace detail

// ---- layers with weights ------------------------------------------------------------------------

constexpr value conv1d(value x, conv_layer const& o) { return detail::conv_of(x, o, 1, "conv1d"); }
constexpr value conv2d(value x, conv_layer const& o) { return detail::conv_of(x, o, 2, "conv2d"); }
constexpr value conv3d(value x, conv_layer const& o) { return detail::conv_of(x, o, 3, "conv3d"); }
/// One filter for each channel.
constexpr value depthwise_conv2d(value x, conv_layer o) {
  if (x.id >= 0) o.filters = o.groups = x.shape().last();
  return detail::conv_of(x, o, 2, "conv2d");
}
/// (..., columns) to (..., units).
constexpr value dense(value x, dense_layer const& o) {
  node n{.kind = op::dense, .name = o.name};
  n.with.units = o.units;
  n.with.bias = o.bias;
  n.with.rows = o.columns;
  return apply(n, {x}, "dense");
}
/// With known statistics, per channel.
constexpr value batch_norm(value x, norm_layer const& o = {}) {
  node n{.kind = op::batch_norm, .name = o.name};
  n.with.epsilon = o.epsilon;
  n.with.affine = o.affine;
  return apply(n, {x}, "batch_norm");
}
/// Over the last axis.
constexpr value layer_norm(value x, norm_layer const& o = {}) {
  node n{.kind = op::layer_norm, .name = o.name};
  n.with.epsilon = o.epsilon;
  n.with.affine = o.affine;
  return apply(n, {x}, "layer_norm");
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
  node n{.kind = kind, .name = o.name};
  n.with.units = o.hidden;
  n.with.last_only = o.last_only;
  return apply(n, {x}, name_of(kind));
}
} // namespace detail
/// (batch, time, features) to (batch, time, hidden), or to (batch, hidden) of the last step.
constexpr value lstm(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::lstm); }
constexpr value gru(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::gru); }

// ---- layers without -----------------------------------------------------------------------------

constexpr value max_pool(value x, pool_layer const& o) {
  return detail::pool_of(x, o, op::max_pool, "max_pool");
}
constexpr value average_pool(value x, pool_layer const& o) {
  return detail::pool_of(x, o, op::average_pool, "average_pool");
}
/// (batch, ..., channels) to (batch, channels).
constexpr value global_average_pool(value x, named const& o = {}) {
  if (x.id < 0) return x;
  dims const s = x.shape();
  node n{.kind = op::average_pool, .name = o.name};
  n.with.win.kernel = n.with.win.stride = detail::image_of(s);
  value const y = apply(n, {x}, "global_average_pool");
  node flat{.kind = op::reshape, .shape = dims{s[0], s.last()}};
  return s.rank < 3 ? y : apply(flat, {y}, "flatten");
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
  return apply(n, {x}, "lrn");
}
/// Nothing happens at inference.
constexpr value dropout(value x, named const& o = {}) {
  return detail::simple(x, op::dropout, o.name);
}
constexpr value identity(value x, named const& o = {}) {
  return detail::simple(x, op::identity, o.name);
}
/// (batch, everything else).
constexpr value flatten(value x, named const& o = {}) {
  return apply({.kind = op::reshape, .name = o.name, .shape = dims{0, -1}}, {x}, "flatten");
}
/// The extents behind the batch; one of them may be -1: what is left.
constexpr value reshape(value x, std::initializer_list<index_t> extents, named const& o = {}) {
  dims to{0};
  for (index_t const n : extents) {
    if (to.rank < 5) to.extent[to.rank] = n;
    ++to.rank;
  }
  return apply({.kind = op::reshape, .name = o.name, .shape = to}, {x}, "reshape");
}

struct concat_layer {
  int axis = -1;
  label name{};
};
/// Side by side along an axis behind the batch, the last one unless said.
constexpr value concat(value const* from, int count, concat_layer const& o = {}) {
  if (count < 1 || !from->owner) return {};
  node n{.kind = op::concat, .name = o.name};
  n.with.axis = o.axis;
  return from->owner->add(n, from, count, "concat");
}
constexpr value concat(std::initializer_list<value> from, concat_layer const& o = {}) {
  return concat(from.begin(), static_cast<int>(from.size()), o);
}

// ---- element by element
// ---------------------------------------------------------------------------

/// A function of math/activation.hpp with its parameters.
constexpr value activation(value x, function f, f32 a = 0, f32 b = 0, named const& o = {}) {
  node n{.kind = op::activation, .name = o.name};
  n.with.act = f;
  n.with.a = a, n.with.b = b;
  return apply(n, {x}, name_of(f));
}
constexpr value relu(value x, named const& o = {}) {
  return activation(x, function::relu, 0, 0, o);
}
constexpr value relu6(value x) { return activation(x, function::clip, 0, 6); }
constexpr value clip(value x, f32 low, f32 high) {
  return activation(x, function::clip, low, high);
}
constexpr value leaky_relu(value x, f32 alpha = 0.01F) {
  return activation(x, function::leaky_relu, alpha);
}
constexpr value elu(value x, f32 alpha = 1) { return activation(x, function::elu, alpha); }
constexpr value selu(value x) { return activation(x, function::selu, 1.67326324F, 1.05070102F); }
constexpr value celu(value x, f32 alpha = 1) { return activation(x, function::celu, alpha); }
constexpr value sigmoid(value x) { return activation(x, function::sigmoid); }
constexpr value hard_sigmoid(value x, f32 alpha = 0.2F, f32 beta = 0.5F) {
  return activation(x, function::hard_sigmoid, alpha, beta);
}
constexpr value tanh(value x) { return activation(x, function::tanh); }
constexpr value softplus(value x) { return activation(x, function::softplus); }
constexpr value softsign(value x) { return activation(x, function::softsign); }
constexpr value gelu(value x) { return activation(x, function::gelu); }
constexpr value gelu_tanh(value x) { return activation(x, function::gelu_tanh); }
constexpr value silu(value x) { return activation(x, function::swish, 1); }
constexpr value swish(value x, f32 beta = 1) { return activation(x, function::swish, beta); }
constexpr value hard_swish(value x) { return activation(x, function::hard_swish); }
constexpr value mish(value x) { return activation(x, function::mish); }
constexpr value square(value x) { return activation(x, function::square); }
constexpr value sqrt(value x) { return activation(x, function::sqrt); }
constexpr value abs(value x) { return activation(x, function::abs); }
constexpr value exp(value x) { return activation(x, function::exp); }
constexpr value log(value x) { return activation(x, function::log); }
/// a x + b
constexpr value linear(value x, f32 a, f32 b) { return activation(x, function::linear, a, b); }

constexpr value add(value x, value y, named const& o = {}) {
  return apply({.kind = op::add, .name = o.name}, {x, y}, "add");
}
constexpr value operator+(value x, value y) { return add(x, y); }
constexpr value operator-(value x, value y) {
  return apply({.kind = op::subtract}, {x, y}, "subtract");
}
constexpr value operator*(value x, value y) {
  return apply({.kind = op::multiply}, {x, y}, "multiply");
}
constexpr value operator+(value x, f32 b) { return linear(x, 1, b); }
constexpr value operator-(value x, f32 b) { return linear(x, 1, -b); }
constexpr value operator*(value x, f32 a) { return linear(x, a, 0); }
constexpr value operator*(f32 a, value x) { return linear(x, a, 0); }

/// A number in the shape of `like`: constant folding turns what reads it into parameters.
constexpr value constant(value like, f32 number, named const& o = {}) {
  if (like.id < 0) return like;
  node n{.kind = op::constant, .name = o.name, .shape = like.shape()};
  n.with.a = number;
  return like.owner->add(n, {}, "constant");
}

} // namespace graph
IA_NN_END
