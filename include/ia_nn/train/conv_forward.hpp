// SPDX-License-Identifier: Apache-2.0
//
// A convolution forward, for a layer that learns: f32 arrays and f32 master weights, which are packed in
// each call, and rounded to bf16 there if products are of bf16. (`conv` keeps packed weights, which
// `set_weights` replaces, and reads images of the type of its products.)
#pragma once

#include <ia_nn/train/conv_called.hpp>
#include <ia_nn/train/conv_weights.hpp>

#include <ia_nn/begin.hpp>

/// src (batch, in, channels); weights [filters][channels / groups][depth][height][width]; dst (batch, out,
/// filters) = stages(convolution). All are f32; products are of type E, as those of
/// conv_backward_weights.
///
/// Errors at construction: those of conv_backward_weights.
template <isa::tag I, element E = f32> class conv_forward {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>,
                "ia_nn: conv_forward: products are of f32 or bf16");

public:
  explicit conv_forward(conv_shape const& s, conv_backward_options const& o = {})
      : s_(checked(s, o)), max_batch_(o.max_batch), layer_(s, o.workers) {}

  conv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept { return layer_.workspace_bytes(); }

  /// A stage sees the number of the pixel in the batch as its row and the filter as its column; it does not
  /// read dst.
  template <class Epilogue = chain<>, executor X = sequential>
  void run(index_t batch, f32 const* src, f32 const* weights, f32* dst, Epilogue const& epilogue,
           workspace_view scratch, X&& e = {}) const noexcept {
    if (batch <= 0) return;
    IA_NN_REQUIRE(batch <= max_batch_, "conv_forward: a batch of ", batch, ", planned for at most ", max_batch_);
    IA_NN_ASSERT(src && weights && dst, "conv_forward: src, weights or dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "conv_forward: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const taps = s_.win.kernel.size(), filter = s_.group_channels() * taps;
    layer_.run(batch, src, weights, {s_.group_filters() * filter, filter, taps}, dst, true, epilogue,
               scratch.data, e);
  }

private:
  static conv_shape const& checked(conv_shape const& s, conv_backward_options const& o) {
    detail::check_conv_backward("conv_forward", s, o);
    isa::require<typename detail::kernel_for<I, E, E, standard>::main::isa_type>();
    return s;
  }

  conv_shape s_;
  index_t max_batch_;
  detail::called_conv<I, E> layer_;
};

IA_NN_END
