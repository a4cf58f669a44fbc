// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a transposed convolution for its source: the convolution that was transposed, of
// diff_dst.
//
//   diff_src[i][c] = sum over filters f and taps k of  diff_dst[i * stride - pad + k * dilation][f]
//                                                      * weights[c][f][k]
#pragma once

#include <ia_nn/ops/deconv.hpp>
#include <ia_nn/train/conv_called.hpp>
#include <ia_nn/train/conv_weights.hpp>
#include <ia_nn/train/slope_tail.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// The convolution that is transposed, from out to in. Elements that output_padding adds beyond the
/// last window belong to its image all the same.
inline conv_shape transposed_shape(char const* who, deconv_shape const& s) {
  s.check(who);
  conv_shape c{s.filters, s.channels, s.groups, s.out(), s.win};
  for (int d = 0; d < 3; ++d) c.win.pad_end[d] -= s.output_padding[d];
  return c;
}

} // namespace detail

/// diff_dst (batch, out, filters); weights in the order [channels][filters / groups][depth][height]
/// [width], as `deconv` takes them; diff_src (batch, in, channels). All are f32, products of type E.
///
/// Errors at construction: those of deconv_shape::check and of conv_backward_src.
template <isa::tag I, element E = f32> class deconv_backward_src {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>,
                "ia_nn: deconv_backward_src: products are of f32 or bf16");

public:
  explicit deconv_backward_src(deconv_shape const& s, conv_backward_options const& o = {})
      : s_(s), like_(checked(s, o)), max_batch_(o.max_batch), layer_(like_, o.workers) {}

  deconv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept { return layer_.workspace_bytes(); }

  /// With a tail (train/slope_tail.hpp): diff_src = slope(value, gradient), or is added that.
  template <class Tail, executor X = sequential>
    requires detail::is_tail<Tail>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient diff_src, Tail const& tail,
           workspace_view scratch, X&& e = {}) const noexcept {
    if (!diff_src || batch <= 0) return;
    IA_NN_REQUIRE(batch <= max_batch_, "deconv_backward_src: a batch of ", batch, ", planned for at most ",
                  max_batch_);
    IA_NN_ASSERT(diff_dst && weights, "deconv_backward_src: diff_dst or the weights are null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "deconv_backward_src: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const taps = s_.win.kernel.size(), channel = s_.filters / s_.groups * taps;
    detail::weights_order const order{like_.group_filters() * channel, channel, taps};
    detail::with_source_chain(tail, diff_src, [&](auto const& chain_at) {
      layer_.run(batch, diff_dst, weights, order, diff_src.data, !diff_src.add, chain_at(0, s_.channels),
                 scratch.data, e);
    });
  }
  template <executor X = sequential>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient diff_src,
           workspace_view scratch, X&& e = {}) const noexcept {
    run(batch, diff_dst, weights, diff_src, no_tail{}, scratch, e);
  }

private:
  static conv_shape checked(deconv_shape const& s, conv_backward_options const& o) {
    conv_shape const like = detail::transposed_shape("deconv_backward_src", s);
    detail::check_conv_backward("deconv_backward_src", like, o);
    isa::require<typename detail::kernel_for<I, E, E, standard>::main::isa_type>();
    return like;
  }

  deconv_shape s_;
  conv_shape like_;
  index_t max_batch_;
  detail::called_conv<I, E> layer_;
};

IA_NN_END
