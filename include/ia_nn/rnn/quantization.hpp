// SPDX-License-Identifier: Apache-2.0
//
// How inputs and hidden states of an 8-bit layer are quantized:
//
//   q = saturate(round(x * (1 / scale)) + zero_point)     to nearest even; x = scale * (q -
//   zero_point)
//
// static    both are given, from calibration
// dynamic   symmetric: inputs by the largest value of each call; hidden states by 1 where the cell
// is
//           bounded, else by the largest value of h at every step
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/meta.hpp>

IA_NN_BEGIN

struct affine {
  f32 scale = 0; ///< 0: not given
  s32 zero_point = 0;
};

namespace detail {

template <byte_element A> inline constexpr s32 lowest_of = std::same_as<A, u8> ? 0 : -128;
template <byte_element A> inline constexpr s32 highest_of = std::same_as<A, u8> ? 255 : 127;
/// The zero point of symmetric quantization.
template <byte_element A> inline constexpr s32 middle_of = std::same_as<A, u8> ? 128 : 0;

} // namespace detail

/// Covers [low, high], extended to contain 0, with the values of A. u8: asymmetric, as ONNX
/// DynamicQuantizeLinear; s8: symmetric. An empty range gives scale 1.
template <byte_element A> constexpr affine affine_of_range(f32 low, f32 high) noexcept {
  low = low < 0 ? low : 0, high = high > 0 ? high : 0;
  if constexpr (std::same_as<A, s8>) {
    f32 const largest = -low > high ? -low : high;
    return {largest > 0 ? largest / 127.0F : 1.0F, 0};
  } else {
    if (!(high - low > 0)) return {1.0F, 0};
    f32 const scale = (high - low) / 255.0F;
    f32 const zero = -low / scale;
    return {scale, static_cast<s32>(zero < 255 ? zero + 0.5F : 255.0F)};
  }
}

struct rnn_quantization {
  affine input{}, hidden{};
  affine unprojected{}; ///< o * tanh(c) of a layer with a projection
  bool dynamic = false;

  /// Fills in what dynamic quantization fixes and checks the rest.
  template <byte_element A> void complete(std::string const& name, bool bounded, bool projects) {
    constexpr s32 middle = detail::middle_of<A>;
    affine const unit{1.0F / 127.0F, middle}; // 127 steps on either side of zero, for u8 too
    if (projects && !bounded)
      throw error(errc::bad_parameter,
                  name + ": an 8-bit layer with a projection needs a cell that is bounded");
    if (dynamic) {
      hidden = bounded && !projects ? unit : affine{0, middle};
      unprojected = unit;
      return;
    }
    auto const check = [&](affine const& a, char const* what) {
      if (!(a.scale > 0) || !(a.scale < 3.4e38F) || !(1 / a.scale < 3.4e38F))
        throw error(errc::bad_parameter,
                    name + ": the scale of " + what + " is " + std::to_string(a.scale) +
                        ", it must be positive and finite; calibrate the layer "
                        "or choose dynamic quantization");
      if (a.zero_point < detail::lowest_of<A> || a.zero_point > detail::highest_of<A>)
        throw error(errc::bad_parameter, name + ": the zero point of " + what + " is " +
                                             std::to_string(a.zero_point) + ", outside of " +
                                             name_of<A>());
    };
    check(input, "inputs");
    check(hidden, "hidden states");
    if (projects && unprojected.scale == 0) unprojected = unit;
    if (projects) check(unprojected, "unprojected states");
  }
  /// True if the scale of h is found at every step.
  bool follows_range() const noexcept { return dynamic && hidden.scale == 0; }
};

IA_NN_END
