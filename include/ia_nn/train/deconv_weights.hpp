// SPDX-License-Identifier: Apache-2.0
//
// The gradients of a transposed convolution for its weights and its bias. Those of the weights are
// those of the convolution that was transposed, whose source is diff_dst and whose diff_dst is the source:
//
//   diff_weights[c][f][k] = sum of src[i][c] * diff_dst[i * stride - pad + k * dilation][f]
//   diff_bias[f]          = sum of diff_dst[o][f]
#pragma once

#include <ia_nn/train/deconv_src.hpp>

#include <ia_nn/begin.hpp>

/// One call. The weights are in PyTorch's order: [channels][filters / groups][depth][height][width].
struct deconv_backward_weights_call {
  index_t batch = 0;
  f32 const* src = nullptr;      ///< (batch, in, channels); may be null without diff_weights
  f32 const* diff_dst = nullptr; ///< (batch, out, filters)
  gradient diff_weights{};
  gradient diff_bias{}; ///< (filters)
};

/// Arrays are f32, products of type E, as those of conv_backward_weights.
///
/// Errors at construction: those of deconv_shape::check and of conv_backward_weights.
template <isa::tag I, element E = f32> class deconv_backward_weights {
public:
  explicit deconv_backward_weights(deconv_shape const& s, conv_backward_options const& o = {})
      : s_(s), max_batch_(o.max_batch), turned_(checked(s, o), o) {}

  deconv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept { return bias_bytes() + turned_.workspace_bytes(); }

  template <executor X = sequential>
  void run(deconv_backward_weights_call const& call, workspace_view scratch, X&& e = {}) const noexcept {
    auto const [batch, src, diff_dst, diff_weights, diff_bias] = call;
    IA_NN_REQUIRE(batch >= 0 && batch <= max_batch_, "deconv_backward_weights: a batch of ", batch,
                  ", planned for at most ", max_batch_);
    IA_NN_ASSERT(batch == 0 || (diff_dst && (src || !diff_weights)),
                 "deconv_backward_weights: src or diff_dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "deconv_backward_weights: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    if (diff_bias)
      detail::bias_gradient<I>(batch * s_.out().size(), s_.filters, diff_dst, diff_bias,
                               reinterpret_cast<f32*>(scratch.data), e);
    turned_.run({batch, diff_dst, src, diff_weights, {}},
                {scratch.data + bias_bytes(), scratch.size - bias_bytes()}, e);
  }

private:
  index_t bias_bytes() const noexcept { return detail::f32_bytes(detail::column_sum_cells(s_.filters)); }
  static conv_shape checked(deconv_shape const& s, conv_backward_options const& o) {
    conv_shape const like = detail::transposed_shape("deconv_backward_weights", s);
    detail::check_conv_backward("deconv_backward_weights", like, o);
    return like;
  }

  deconv_shape s_;
  index_t max_batch_;
  conv_backward_weights<I, E> turned_;
};

IA_NN_END
