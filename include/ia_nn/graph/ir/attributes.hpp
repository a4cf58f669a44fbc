// SPDX-License-Identifier: Apache-2.0
//
// The parameters of operators, as plain values.
#pragma once

#include <ia_nn/graph/ir/channel_order.hpp>
#include <ia_nn/int8/schemes.hpp>
#include <ia_nn/ops/embedding_bag_kind.hpp>
#include <ia_nn/ops/pad.hpp>
#include <ia_nn/ops/resize_shape.hpp>
#include <ia_nn/ops/where_kinds.hpp>
#include <ia_nn/ops/window.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

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

/// How a layer multiplies.
enum class precision : unsigned char {
  of_net,      ///< as the policy of `compiled` says
  f32,         ///< f32
  bf16,        ///< operands rounded to bf16, sums in f32
  bf16_terms2, ///< f32 as the sum of two bf16 terms, three products
  bf16_terms3, ///< of three, six products
  s8,          ///< 8-bit operands, exact sums; scales from calibration
  dynamic_s8,  ///< the same from f32 to f32, scales from the numbers that there are: of each row (dense,
               ///< recurrent) or item (conv, deconv)
  weights_s8,  ///< dense: f32 by weights of 8 bits, a scale for each column
  weights_s4   ///< dense: f32 by weights of 4 bits, scale and zero point for each 32 of a column
};

/// True for what 8-bit products need instructions of their own for.
constexpr bool has_byte_products(precision p) {
  return p == precision::s8 || p == precision::dynamic_s8;
}

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

/// How an image lies in the caller's memory. Its shape has the channels last in either case.
enum class layout : unsigned char {
  channels_last, ///< (batch, height, width, channels)
  channels_first ///< (batch, channels, height, width): PyTorch's
};

struct custom_call; // graph/custom.hpp
using custom_function = void (*)(custom_call const&) noexcept;

/// All parameters there are; an operator uses some of them. Each name has one meaning.
struct attribute_set {
  graph::layout layout = graph::layout::channels_last; ///< input, output

  // conv, deconv, dense, pools
  window win{};                        ///< conv, deconv, pools
  spatial output_padding = no_padding; ///< deconv: outputs added at the end
  index_t filters = 0;                 ///< conv, deconv
  index_t units = 0;                   ///< dense
  index_t expected_channels = 0; ///< conv, deconv, dense: of the source, by the weights; 0: any
  index_t groups = 1;            ///< conv, deconv, group_norm: of channels
  bool bias = true;              ///< conv, deconv, dense, recurrent layers
  bool ceil_mode = false;        ///< pools
  bool count_padding = false;    ///< average_pool
  bool adaptive = false;         ///< pools: windows divide the image evenly, `win` is not used
  bool to_size = false;          ///< pools: the image of the result stays what it is if that of the source changes
  graph::precision precision = graph::precision::of_net; ///< of what multiplies
  bool one_weight_scale = false;                ///< 8-bit weights: all filters share theirs
  weight_range weights_up_to = weight_range::full; ///< 8-bit weights

  // matmul
  bool transposed_a = false, transposed_b = false; ///< of the last two axes

  // attention
  index_t heads = 1;
  bool causal = false;
  bool masked = false; ///< its fourth input is a mask

  // functions, norms, numbers
  function act = function::identity;      ///< activation; rnn: tanh or relu
  f32 a = 0, b = 0;                       ///< parameters of `act`; attention: scale
  f32 number = 0;                         ///< constant, pad, where; dropout: share of zeros in training
  f32 epsilon = 0;                        ///< norms
  bool affine = true;                     ///< norms: scale and shift
  int power = 2;                          ///< l2_norm: 1 or 2
  index_t neighbours = 0;                 ///< lrn: channels of a sum
  f32 alpha = 0, beta = 0, offset = 0;    ///< lrn
  lrn_window sums = lrn_window::pytorch;  ///< lrn: of an even number of neighbours

  // embedding, recurrent layers
  index_t table_rows = 0, width = 0;      ///< embedding; table_rows: what indices name elements of
  index_t hidden = 0;                     ///< units of a recurrent layer
  index_t projection = 0;                 ///< lstm: width of its outputs, or 0
  int layers = 1;                         ///< recurrent
  graph::direction direction = graph::direction::forward; ///< recurrent
  bool last_only = false;                 ///< recurrent: final states of the last layer
  bool reset_before = false;              ///< gru: the reset gate multiplies h before the product

  // detection
  index_t limits[3]{};       ///< suppress: candidates and detections of a class, detections of an image
  index_t passed_over = -1;  ///< suppress: a class
  index_t sampling = 0;      ///< roi_align
  bool aligned = false;      ///< roi_align

  // selection
  bool smallest = false;      ///< arg_max, top_k
  bool last_of_equal = false; ///< arg_max
  bool keeps_axis = false;    ///< arg_max
  bool sorted = true;         ///< top_k
  bool adds = false;          ///< scatter
  bag_kind bag = bag_kind::sum; ///< embedding_bag

  // moves; axis 0 is the batch
  int axis = 0;                           ///< concat, slice, cumulative_sum, gather, scatter, top_k, arg_max
  index_t first = 0, step = 1, taken = 0; ///< slice: along `axis`; top_k, one_hot: taken
  index_t front[5]{}, back[5]{};          ///< pad: elements of each axis, negative: cut off
  int from_axis[5]{};                     ///< transpose: the axis of the source
  pad_mode fill = pad_mode::constant;     ///< pad
  order reads = order::of_value;          ///< reshape: what it is given; conv: how it lies
  order writes = order::of_value;         ///< reshape: what it makes

  // resize, pixel shuffles
  index_t resized[3]{};                                 ///< depth, height, width; where the factor is 0
  f32 factors[3]{};
  resize_places places = resize_places::asymmetric;
  resize_rounding rounding = resize_rounding::down;     ///< nearest
  index_t block = 1;
  shuffle_order shuffled = shuffle_order::column_row_depth;

  // where, cumulative_sum (along `axis`)
  comparison is = comparison::not_equal;         ///< where: of x and `number`
  bool exclusive = false, backwards = false;     ///< cumulative_sum

  bool rounded_weights = false; ///< of what multiplies, in training: as they will be in 8 bits

  // every operator
  channel_order lies{};                   ///< how the channels of the result lie

  // custom
  custom_function run = nullptr;
  bool thread_safe = false;

  friend constexpr bool operator==(attribute_set const&, attribute_set const&) = default;
};

} // namespace graph
IA_NN_END
