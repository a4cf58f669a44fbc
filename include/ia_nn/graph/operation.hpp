// SPDX-License-Identifier: Apache-2.0
//
// Operations of a network and their parameters, as plain values.
#pragma once

#include <ia_nn/ops/pad.hpp>
#include <ia_nn/ops/window.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

enum class op : unsigned char {
  input,
  output,
  constant,
  conv,
  deconv,
  dense,
  batch_norm,
  activation,
  add,
  subtract,
  multiply,
  divide,
  minimum,
  maximum,
  max_pool,
  average_pool,
  softmax,
  log_softmax,
  lrn,
  layer_norm,
  group_norm,
  concat,
  reshape,
  pad,
  transpose,
  slice,
  embedding,
  dropout,
  identity,
  lstm,
  gru,
  rnn,
  custom
};

constexpr char const* name_of(op k) {
  constexpr char const* names[] = {
      "input",      "output",       "constant", "conv",        "deconv", "dense",      "batch_norm",
      "activation", "add",          "subtract", "multiply",    "divide", "minimum",    "maximum",
      "max_pool",   "average_pool", "softmax",  "log_softmax", "lrn",    "layer_norm", "group_norm",
      "concat",     "reshape",      "pad",      "transpose",   "slice",  "embedding",  "dropout",
      "identity",   "lstm",         "gru",      "rnn",         "custom"};
  static_assert(sizeof(names) / sizeof(names[0]) == static_cast<int>(op::custom) + 1);
  return names[static_cast<int>(k)];
}

/// The functions of math/activation.hpp, by name.
enum class function : unsigned char {
  identity,
  relu,
  leaky_relu,
  clip,
  elu,
  selu,
  celu,
  sigmoid,
  hard_sigmoid,
  tanh,
  softplus,
  softsign,
  gelu,
  gelu_tanh,
  swish,
  hard_swish,
  mish,
  square,
  sqrt,
  abs,
  exp,
  log,
  linear
};

constexpr char const* name_of(function f) {
  constexpr char const* names[] = {"identity",   "relu",     "leaky_relu", "clip",         "elu",
                                   "selu",       "celu",     "sigmoid",    "hard_sigmoid", "tanh",
                                   "softplus",   "softsign", "gelu",       "gelu_tanh",    "swish",
                                   "hard_swish", "mish",     "square",     "sqrt",         "abs",
                                   "exp",        "log",      "linear"};
  return names[static_cast<int>(f)];
}

/// Weights that a node reads beside its inputs. What they are called is in docs/graph.md.
constexpr bool has_weights(op k) {
  return k == op::conv || k == op::deconv || k == op::dense || k == op::batch_norm ||
         k == op::layer_norm || k == op::group_norm || k == op::embedding || k == op::lstm ||
         k == op::gru || k == op::rnn;
}
constexpr bool is_binary(op k) {
  return k == op::add || k == op::subtract || k == op::multiply || k == op::divide ||
         k == op::minimum || k == op::maximum;
}
constexpr bool is_recurrent(op k) { return k == op::lstm || k == op::gru || k == op::rnn; }

/// How a layer multiplies.
enum class precision : unsigned char {
  of_net,      ///< as the policy of `compiled` says
  f32,         ///< f32
  bf16,        ///< operands rounded to bf16, sums in f32
  bf16_parts2, ///< f32 as the sum of two bf16 terms, three products
  bf16_parts3  ///< of three, six products
};

enum class direction : unsigned char {
  forward,
  reverse,
  both ///< side by side: features of the forward direction first
};

/// In which order a reshape counts elements; graph/shapes_order.hpp.
enum class order : unsigned char {
  of_value,       ///< images as PyTorch does, rows as they lie
  channels_first, ///< PyTorch's of images: (batch, channels, height, width)
  channels_last   ///< as elements lie in memory: Keras'
};

struct custom_call; // graph/custom.hpp
using custom_function = void (*)(custom_call const&) noexcept;

/// All parameters there are; an operation uses some of them.
struct attributes {
  window win{};                        ///< conv, deconv, pools
  spatial output_padding = no_padding; ///< deconv: outputs added at the end
  index_t units = 0;  ///< filters of conv, columns of dense, width of embedding, hidden size
  index_t groups = 1; ///< conv, deconv; group_norm: of channels
  index_t rows = 0;   ///< embedding: rows of the table; lrn: channels of a sum; lstm: projection
  function act = function::identity; ///< activation; rnn: tanh or relu
  f32 a = 0, b = 0, c = 0; ///< parameters of a function; constant, pad: a; lrn: alpha, beta, bias
  f32 epsilon = 0;         ///< norms
  int axis = 0;            ///< concat
  int layers = 1;          ///< lstm, gru, rnn
  int before[5]{};         ///< see below
  int after[5]{};          ///< of each axis; the batch is axis 0
  bool bias = true;        ///< conv, deconv, dense, lstm, gru, rnn
  bool affine = true;      ///< norms: scale and shift
  bool ceil_mode = false;  ///< pools
  bool count_padding = false;         ///< average_pool
  bool adaptive = false;              ///< pools: windows divide the image evenly, `win` is not used
  bool last_only = false;             ///< lstm, gru, rnn: final states of the last layer
  bool reset_before = false;          ///< gru: the reset gate multiplies h in front of the product
  bool thread_safe = false;           ///< custom
  direction way = direction::forward; ///< lstm, gru, rnn
  precision multiplies = precision::of_net; ///< conv, deconv, dense
  order reads = order::of_value;            ///< reshape: what it is given
  order writes = order::of_value;           ///< reshape: what it makes
  /// How the columns of (batch, columns) lie, graph/orders.hpp: 0 as they are counted; c as an image
  /// of c channels, channels last; -1 as in what is read.
  index_t channels = 0;
  pad_mode fill = pad_mode::constant;       ///< pad
  lrn_window sums = lrn_window::pytorch;    ///< lrn
  custom_function run = nullptr;

  //            before                      after
  //   pad      elements in front           elements behind
  //   slice    first element               step, may be negative
  //   transpose  the axis of the source

  friend constexpr bool operator==(attributes const& x, attributes const& y) {
    window const &v = x.win, &w = y.win;
    for (int d = 0; d < 5; ++d)
      if (x.before[d] != y.before[d] || x.after[d] != y.after[d]) return false;
    return v.kernel == w.kernel && v.stride == w.stride && v.dilation == w.dilation &&
           v.pad_begin == w.pad_begin && v.pad_end == w.pad_end &&
           x.output_padding == y.output_padding && x.units == y.units && x.groups == y.groups &&
           x.rows == y.rows && x.act == y.act && x.a == y.a && x.b == y.b && x.c == y.c &&
           x.epsilon == y.epsilon && x.axis == y.axis && x.layers == y.layers && x.bias == y.bias &&
           x.affine == y.affine && x.ceil_mode == y.ceil_mode &&
           x.count_padding == y.count_padding && x.adaptive == y.adaptive &&
           x.last_only == y.last_only && x.reset_before == y.reset_before && x.way == y.way &&
           x.multiplies == y.multiplies && x.fill == y.fill && x.sums == y.sums &&
           x.reads == y.reads && x.writes == y.writes && x.channels == y.channels && x.run == y.run;
  }
};

} // namespace graph
IA_NN_END
