// SPDX-License-Identifier: Apache-2.0
//
// What layers are told, as aggregates: conv2d(x, {.filters = 64, .kernel = 3, .pad = 1}).
#pragma once

#include <ia_nn/graph/builder.hpp>

#include <ia_nn/begin.hpp>
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

struct dense_layer {
  index_t units = 1;
  bool bias = true;
  index_t columns = 0; ///< what the weights expect; 0: whatever the input has
  graph::precision precision = graph::precision::of_net;
  label name{};
};

struct pool_layer {
  per_axis kernel = 1;
  per_axis stride{}; ///< as `kernel` unless given
  per_axis pad = 0;
  bool ceil_mode = false;
  bool count_padding = true; ///< averages divide by what of the window lies in the padded image
  label name{};
};

/// Element o of an axis takes the elements from floor(o in / out) to ceil((o + 1) in / out).
struct adaptive_pool_layer {
  per_axis out = 1;
  label name{};
};

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

/// Without weights unless said, as PyTorch has it.
struct instance_norm_layer {
  f32 epsilon = 1e-5F;
  bool affine = false; ///< has weight (scale) and bias (shift)
  label name{};
};

struct embedding_layer {
  index_t rows = 1, width = 1;
  label name{};
};

struct lrn_layer {
  index_t size = 5;
  f32 alpha = 1e-4F, beta = 0.75F, bias = 1.0F;
  lrn_window window = lrn_window::pytorch; ///< of an even size
  label name{};
};

struct rnn_layer {
  index_t hidden = 1;
  int layers = 1;
  graph::direction direction = graph::direction::forward;
  bool last_only = false;    ///< the final states of the last layer instead of all its outputs
  bool bias = true;          ///< two for each gate, as PyTorch has them
  index_t projection = 0;    ///< lstm: outputs are this wide; 0: as wide as `hidden`
  bool reset_before = false; ///< gru: r h is multiplied by the weights, instead of r (h by them)
  function activation = function::tanh; ///< rnn: tanh or relu
  label name{};
};

struct named {
  label name{};
};

} // namespace graph
IA_NN_END
