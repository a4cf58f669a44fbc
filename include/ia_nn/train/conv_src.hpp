// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a convolution for its source.
//
//   diff_src[i][c] = sum over filters f and all (o, k) with at(o, k) = i of
//                    weights[f][c][k] * diff_dst[o][f]
//
// Kernels of which set-up chooses one by the shape:
//
//   conv_called.hpp          stride 1: a convolution of diff_dst by the turned weights
//   conv_src_phases.hpp      other strides: one for each phase of the source
//   conv_depthwise_src.hpp   the same where each channel has one filter
//   conv_src_scatter.hpp     few channels: a product, added to the image
//
// The weights are packed in each call: they change after each.
#pragma once

#include <ia_nn/train/conv_called.hpp>
#include <ia_nn/train/conv_depthwise_src.hpp>
#include <ia_nn/train/conv_src_phases.hpp>
#include <ia_nn/train/conv_src_scatter.hpp>
#include <ia_nn/train/conv_weights.hpp>

#include <ia_nn/begin.hpp>

/// diff_dst (batch, out, filters); weights in the order [filters][channels / groups][depth][height]
/// [width]; diff_src (batch, in, channels). All are f32; products are of type E, as those of
/// conv_backward_weights.
///
/// Errors at construction: those of conv_backward_weights.
template <isa::tag I, element E = f32> class conv_backward_src {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>,
                "ia_nn: conv_backward_src: products are of f32 or bf16");

public:
  explicit conv_backward_src(conv_shape const& s, conv_backward_options const& o = {})
      : s_((detail::check_conv_backward("conv_backward_src", s, o), s)), max_batch_(o.max_batch) {
    isa::require<typename detail::kernel_for<I, E, E, standard>::main::isa_type>();
    bool const depthwise = s.depthwise() && s.filters == s.channels;
    if (!depthwise && scatters(s)) scattered_.emplace(s, o.max_batch, o.workers);
    else if (s.win.stride.size() == 1) {
      turned_ = std::move(detail::conv_phases(s)[0]);
      called_.emplace(turned_.layer, o.workers);
    } else if (depthwise) depthwise_.emplace(s);
    else phased_.emplace(s, o.workers);
  }

  conv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept {
    return called_      ? called_->workspace_bytes()
           : depthwise_ ? depthwise_->workspace_bytes()
           : scattered_ ? scattered_->workspace_bytes()
                        : phased_->workspace_bytes();
  }

  /// With a tail (train/slope_tail.hpp): diff_src = slope(value, gradient), or is added that.
  template <class Tail, executor X = sequential>
    requires detail::is_tail<Tail>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient diff_src, Tail const& tail,
           workspace_view scratch, X&& e = {}) const noexcept {
    if (!diff_src || batch <= 0) return;
    IA_NN_REQUIRE(batch <= max_batch_, "conv_backward_src: a batch of ", batch, ", planned for at most ",
                  max_batch_);
    IA_NN_ASSERT(diff_dst && weights, "conv_backward_src: diff_dst or the weights are null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "conv_backward_src: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    if (called_)
      detail::with_source_chain(tail, diff_src, [&](auto const& chain_at) {
        called_->run(batch, diff_dst, weights, detail::turned_weights(s_, turned_), diff_src.data,
                     !diff_src.add, chain_at(0, s_.channels), scratch.data, e);
      });
    else if (depthwise_) depthwise_->run(batch, diff_dst, weights, diff_src, tail, scratch.data, e);
    else if (scattered_) scattered_->run(batch, diff_dst, weights, diff_src, tail, scratch.data, e);
    else phased_->run(batch, diff_dst, weights, diff_src, tail, scratch.data, e);
  }
  template <executor X = sequential>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient diff_src,
           workspace_view scratch, X&& e = {}) const noexcept {
    run(batch, diff_dst, weights, diff_src, no_tail{}, scratch, e);
  }

private:
  // Products of a pixel of diff_dst, what tiles leave empty and moving what is scattered included: an
  // element that is added costs about as much as 8 products.
  static bool scatters(conv_shape const& s) noexcept {
    constexpr index_t nr = detail::kernel_for<I, E, E, standard>::main::nr;
    index_t const taps = s.win.kernel.size(), channels = s.group_channels();
    index_t const used = channels <= nr / 2 ? nr / 2 : round_up(channels, nr);
    index_t const phased = s.group_filters() * taps * used;
    index_t const scattered = s.group_filters() * round_up(taps * channels, nr) + 8 * taps * channels;
    return scattered * 4 < phased * 3;
  }

  conv_shape s_;
  index_t max_batch_;
  detail::conv_phase turned_;
  std::optional<detail::called_conv<I, E>> called_;
  std::optional<detail::depthwise_backward_src<I>> depthwise_;
  std::optional<detail::scattered_backward_src<I, E>> scattered_;
  std::optional<detail::phased_backward_src<I, E>> phased_;
};

IA_NN_END
