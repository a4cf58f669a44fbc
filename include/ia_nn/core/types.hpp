// SPDX-License-Identifier: Apache-2.0
//
// Element types and the accumulator that belongs to each.
#pragma once

#include <ia_nn/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <ia_nn/begin.hpp>

using index_t = std::ptrdiff_t;

using f32 = float;
using s32 = std::int32_t;
using s8 = std::int8_t;
using u8 = std::uint8_t;

/// bfloat16: the upper half of an f32. Conversion rounds to nearest even; a NaN stays a NaN.
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  constexpr explicit bf16(f32 value) noexcept : bits(round(__builtin_bit_cast(std::uint32_t, value))) {}
  constexpr operator f32() const noexcept {
    return __builtin_bit_cast(f32, static_cast<std::uint32_t>(bits) << 16);
  }
  static constexpr bf16 from_bits(std::uint16_t b) noexcept {
    bf16 r;
    r.bits = b;
    return r;
  }
  friend constexpr bool operator==(bf16 a, bf16 b) noexcept {
    return static_cast<f32>(a) == static_cast<f32>(b);
  }

private:
  static constexpr std::uint16_t round(std::uint32_t u) noexcept {
    if ((u & 0x7fffffffU) > 0x7f800000U) // NaN: keep the payload's head, make it quiet
      return static_cast<std::uint16_t>((u >> 16) | 0x40U);
    return static_cast<std::uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
  }
};

template <class T>
concept element = std::same_as<T, f32> || std::same_as<T, bf16> || std::same_as<T, s32> ||
                  std::same_as<T, s8> || std::same_as<T, u8>;

/// 8-bit integers, the operands of exact integer arithmetic.
template <class T>
concept byte_element = std::same_as<T, s8> || std::same_as<T, u8>;

namespace detail {
template <class T> struct accumulator { using type = f32; };
template <> struct accumulator<s8> { using type = s32; };
template <> struct accumulator<u8> { using type = s32; };
template <> struct accumulator<s32> { using type = s32; };
} // namespace detail

/// What products of T are summed in: s32 for 8-bit integers, else f32.
template <element T> using accumulator_t = typename detail::accumulator<T>::type;

template <element T> constexpr char const* name_of() noexcept {
  if constexpr (std::same_as<T, f32>) return "f32";
  else if constexpr (std::same_as<T, bf16>) return "bf16";
  else if constexpr (std::same_as<T, s32>) return "s32";
  else if constexpr (std::same_as<T, s8>) return "s8";
  else return "u8";
}

IA_NN_END
