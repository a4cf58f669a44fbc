// SPDX-License-Identifier: Apache-2.0
//
// How inputs and hidden states of an 8-bit layer are quantized (int8/schemes.hpp has the formula; the
// kernels multiply by 1 / scale):
//
//   static    both are given, from calibration
//   dynamic   symmetric: x(t) of each sequence by its largest value; hidden states by 1 where the cell
//             is bounded, else h(t) of each sequence by its largest value
#pragma once

#include <ia_nn/core/text.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// The zero point of symmetric quantization.
template <byte_element A> inline constexpr s32 middle_of = std::same_as<A, u8> ? 128 : 0;

} // namespace detail

/// Covers a range that was observed: u8 asymmetric, s8 symmetric.
template <byte_element A> constexpr quantization rnn_quantization_of(value_range const& r) {
  return quantization_of<A>(r, std::same_as<A, u8> ? scheme::asymmetric : scheme::symmetric);
}

/// Scales of 0 are not given.
struct rnn_quantization {
  quantization input{0}, hidden{0};
  quantization unprojected{0}; ///< o * tanh(c) of a layer with a projection
  bool dynamic = false;

  /// Fills in what dynamic quantization fixes and checks the rest.
  template <byte_element A> void complete(std::string const& name, bool bounded, bool projects) {
    constexpr s32 middle = detail::middle_of<A>;
    quantization const unit{1.0F / 127.0F, middle}; // 127 steps on either side of zero, for u8 too
    if (projects && !bounded)
      throw_error(errc::bad_parameter,
                  name + ": an 8-bit layer with a projection needs a cell that is bounded");
    if (dynamic) {
      hidden = bounded && !projects ? unit : quantization{0, middle};
      unprojected = unit;
      return;
    }
    auto const check = [&](quantization const& a, char const* what) {
      if (!(a.scale > 0) || !(a.scale < 3.4e38F) || !(1 / a.scale < 3.4e38F))
        throw_error(errc::bad_parameter,
                    name + ": the scale of " + what + " is " + detail::number_text(a.scale) +
                        ", it must be positive and finite; calibrate the layer "
                        "or choose dynamic quantization");
      if (a.zero_point < detail::lowest_byte<A> || a.zero_point > detail::highest_byte<A>)
        throw_error(errc::bad_parameter, name + ": the zero point of " + what + " is " +
                                             std::to_string(a.zero_point) + ", outside of " +
                                             name_of<A>());
    };
    check(input, "inputs");
    check(hidden, "hidden states");
    if (projects && unprojected.scale == 0) unprojected = unit;
    if (projects) check(unprojected, "unprojected states");
  }
  /// True if the scales of h are found at every step.
  bool follows_range() const noexcept { return dynamic && hidden.scale == 0; }
};

IA_NN_END
