// SPDX-License-Identifier: Apache-2.0
//
// A convolution of 8-bit images, dense, grouped or depthwise:
//
//   dst = epilogue(conv(src - zero_point))        the formula is in quantized_epilogue.hpp
//
// Padding holds the zero point of the source, so it counts as 0.
#pragma once

#include <ia_nn/int8/quantized_epilogue.hpp>
#include <ia_nn/ops/conv.hpp>

#include <ia_nn/begin.hpp>

/// src [batch][in][channels] u8 or s8, weights [filters][channels / groups][depth][height][width]
/// as `quantize_weights` makes them, dst [batch][out][filters] u8, s8, s32, f32 or bf16.
///
/// Errors at construction: those of `conv`, and errc::bad_parameter (scales, zero points, biases
/// for another scale, sums that may not fit s32). `run` is const and noexcept and allocates
/// nothing; concurrent calls need a workspace each.
template <isa::tag I, byte_element A, element C> class quantized_conv {
  using plan_type = conv<I, A, s8, C>;

public:
  quantized_conv(conv_shape const& s, quantized_weights const& w, quantized_options const& o = {})
      : epilogue_("quantized_conv", checked(s, w), o),
        conv_(s, std::span<s8 const>(w.values.data(), static_cast<std::size_t>(w.values.size())),
              {.max_batch = o.max_rows, .workers = o.workers, .zero_point = o.src.zero_point,
               .weight_zero_points = w.zeros()}) {}

  conv_shape const& shape() const noexcept { return conv_.shape(); }
  spatial out() const noexcept { return conv_.out(); }
  index_t workspace_bytes() const noexcept { return conv_.workspace_bytes(); }
  quantized_options const& options() const noexcept { return epilogue_.options(); }

  /// ld: elements from pixel to pixel of dst, 0 for as many as filters.
  template <executor E = sequential>
  void run(index_t batch, A const* src, C* dst, index_t ld, workspace_view scratch,
           E&& e = {}) const noexcept {
    conv_.run(batch, src, dst, ld, chain{epilogue_.stage()}, scratch, e);
  }
  template <executor E = sequential>
  void run(index_t batch, A const* src, C* dst, workspace_view scratch, E&& e = {}) const noexcept {
    run(batch, src, dst, 0, scratch, e);
  }
  /// The same plus residual [batch][out][filters] u8 or s8, which may be dst.
  template <byte_element R, executor E = sequential>
  void run_add(index_t batch, A const* src, R const* residual, C* dst, workspace_view scratch,
               E&& e = {}) const noexcept {
    conv_.run(batch, src, dst, 0, chain{epilogue_.stage(residual, shape().filters)}, scratch, e);
  }

private:
  static quantized_weights const& checked(conv_shape const& s, quantized_weights const& w) {
    s.check("quantized_conv");
    if (w.filters != s.filters || w.filters * w.each != s.weights())
      throw_error(errc::bad_shape, "quantized_conv: the weights are " + std::to_string(w.filters) +
                                       " filters of " + std::to_string(w.each) +
                                       " elements, expected " + std::to_string(s.filters) + " of " +
                                       std::to_string(s.weights() / s.filters));
    return w;
  }

  detail::quantized_epilogue<A, C> epilogue_;
  plan_type conv_;
};

IA_NN_END
