// SPDX-License-Identifier: Apache-2.0
//
// What an 8-bit integer stands for, and how a range of values becomes scale and zero point.
//
//   x = scale * (q - zero_point)        q = saturate(round(x / scale) + zero_point), ties to even
//
//                 values of q        zero_point       scale of the range [low, high]
//   symmetric     s8 [-127, 127]     0                max(-low, high) / 127
//                 u8 [0, 255]        0                high / 255; low must be 0
//   asymmetric    s8 [-128, 127]     0 is exact       (high - low) / 255
//                 u8 [0, 255]        0 is exact       (high - low) / 255
//   automatic     u8 if low is 0, else s8; both symmetric
//
// Ranges always contain 0, so that zero (padding, what relu cuts off) is exact. Everything is
// constexpr: a program whose ranges are known may have its parameters as constants.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/meta.hpp>
#include <ia_nn/core/text.hpp>

#include <ia_nn/begin.hpp>

/// The smallest and the largest value that something takes. Always contains 0.
struct value_range {
  f32 low = 0, high = 0;

  constexpr void add(value_range const& o) noexcept {
    low = o.low < low ? o.low : low;
    high = o.high > high ? o.high : high;
  }
  /// The largest absolute value.
  constexpr f32 largest() const noexcept { return -low > high ? -low : high; }
  friend constexpr bool operator==(value_range const&, value_range const&) noexcept = default;
};

enum class scheme { symmetric, asymmetric };

/// The largest absolute value of quantized weights. With `reduced`, 7 bits, the products of two
/// weights by u8 always fit 16 bits, which AVX2 and AVX-512 without VNNI multiply faster; results are
/// exact with either, but weights are rounded to steps twice as large.
enum class weight_range : s32 { full = 127, reduced = 64 };

namespace detail {

template <byte_element Q> inline constexpr s32 lowest_byte = std::same_as<Q, u8> ? 0 : -128;
template <byte_element Q> inline constexpr s32 highest_byte = std::same_as<Q, u8> ? 255 : 127;

/// Smaller scales are raised to this, the smallest normal number: 1 / scale stays finite, and
/// threads that flush denormals divide by the same scale as others.
inline constexpr f32 smallest_scale = 0x1p-126F;

/// Nearest integer, ties to even, for |x| < 2^22.
constexpr f32 nearest_even(f32 x) noexcept {
  constexpr f32 whole = 0x1.8p23F; // next to it, floats are integers
  return (x + whole) - whole;
}

constexpr bool usable_scale(f32 s) noexcept { return s > 0 && s <= 0x1.fffffep127F; }

// The scale s of a range of this width, where it may have underflowed; 1 for a range of zeros, where
// any will do.
constexpr f32 positive_scale(f32 s, f32 width) noexcept {
  return width > 0 ? (s > smallest_scale ? s : smallest_scale) : 1.0F;
}

} // namespace detail

/// Scale and zero point of a tensor.
struct quantization {
  f32 scale = 1;
  s32 zero_point = 0;

  /// Errors: errc::bad_parameter if the scale is 0, negative, infinite or NaN, or if the zero point
  /// is no value of Q. `who` begins the sentence.
  template <byte_element Q> constexpr void check(char const* who) const {
    check_scale(who, scale);
    check_zero_point<Q>(who, zero_point);
  }
  static constexpr void check_scale(char const* who, f32 scale) {
    if (!detail::usable_scale(scale))
      throw_error(errc::bad_parameter, std::string(who) + ": a scale is " +
                                           detail::number_text(scale) +
                                           ", it must be positive and finite");
  }
  template <byte_element Q> static constexpr void check_zero_point(char const* who, s32 zero) {
    if (zero < detail::lowest_byte<Q> || zero > detail::highest_byte<Q>)
      throw_error(errc::bad_parameter, std::string(who) + ": the zero point " +
                                           std::to_string(zero) + " is no value of " +
                                           name_of<Q>());
  }
  friend constexpr bool operator==(quantization const&, quantization const&) noexcept = default;
};

/// Scale and zero point of a range as the table above says. A range of zeros has scale 1; scales
/// below 2^-126 become 2^-126. u8 asymmetric is ONNX DynamicQuantizeLinear.
///
/// Errors: errc::bad_parameter if a bound is NaN or infinite, if low > 0 or high < 0 (ranges
/// contain 0), or if low < 0 with a symmetric u8.
template <byte_element Q>
constexpr quantization quantization_of(value_range const& r, scheme s = scheme::symmetric) {
  constexpr f32 most = 0x1.fffffep127F;
  if (!(r.low <= 0 && r.low >= -most && r.high >= 0 && r.high <= most))
    throw_error(errc::bad_parameter, "quantization_of: the range " + detail::number_text(r.low) +
                                         " to " + detail::number_text(r.high) +
                                         " must be finite and contain 0");
  if (s == scheme::symmetric) {
    if constexpr (std::same_as<Q, u8>) {
      if (r.low < 0)
        throw_error(errc::bad_parameter, "quantization_of: the range begins at " +
                                             detail::number_text(r.low) +
                                             ", a symmetric u8 holds no negative values; take s8 "
                                             "or an asymmetric scheme");
      return {detail::positive_scale(r.high / 255.0F, r.high), 0};
    } else {
      return {detail::positive_scale(r.largest() / 127.0F, r.largest()), 0};
    }
  }
  f32 const width = r.high - r.low;
  f32 const scale = detail::positive_scale(
      width <= most ? width / 255.0F : r.high / 255.0F - r.low / 255.0F, width);
  // 0 - low / scale is within [0, 255] but for rounding, and where a tiny scale was raised.
  f32 const steps = 0.0F - r.low / scale;
  f32 const zero = detail::nearest_even(steps < 255.0F ? steps : 255.0F);
  return {scale, static_cast<s32>(zero) + detail::lowest_byte<Q>};
}

/// What `automatic` chose.
struct automatic_quantization {
  bool is_unsigned;
  quantization q;
};

/// u8 if nothing is negative, else s8. Source: MXNet's `quantized_dtype=auto`.
constexpr automatic_quantization automatic(value_range const& r) {
  if (r.low < 0) return {false, quantization_of<s8>(r)};
  return {true, quantization_of<u8>(r)};
}

IA_NN_END
