// SPDX-License-Identifier: Apache-2.0
//
// vec for portable C++: one lane. Also the readable definition of what the other ISAs compute.
#pragma once

#include <ia_nn/arch/vec.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

// Adding and subtracting 1.5 * 2^23 rounds to the nearest even integer without touching the mode.
IA_NN_INLINE f32 round_nearest_even(f32 x) noexcept { return __builtin_rintf(x); }

// Saturating conversion to an 8-bit integer; a NaN becomes the lowest value.
template <byte_element T> IA_NN_INLINE T saturate(f32 x) noexcept {
  constexpr f32 lo = std::same_as<T, u8> ? 0.0F : -128.0F, hi = std::same_as<T, u8> ? 255.0F : 127.0F;
  f32 const low = x > lo ? x : lo;
  return static_cast<T>(round_nearest_even(low < hi ? low : hi));
}

// Nearest even; out of range and NaN give INT_MIN, as cvtps2dq does.
IA_NN_INLINE s32 nearest_s32(f32 x) noexcept {
  bool const fits = x >= -2147483648.0F && x < 2147483648.0F;
  return fits ? static_cast<s32>(round_nearest_even(x)) : INT32_MIN;
}

template <> struct vec_impl<f32, isa::scalar> {
  using value_type = f32;
  using mask = bool;
  static constexpr int size = 1;
  f32 r;

  static IA_NN_INLINE vec_impl zero() noexcept { return {0.0F}; }
  static IA_NN_INLINE vec_impl broadcast(f32 x) noexcept { return {x}; }
  template <class T> static IA_NN_INLINE vec_impl load(T const* p) noexcept {
    return {static_cast<f32>(*p)};
  }
  template <class T> static IA_NN_INLINE vec_impl load(T const* p, index_t n) noexcept {
    return {n > 0 ? static_cast<f32>(*p) : 0.0F};
  }
  template <class T> IA_NN_INLINE void store(T* p) const noexcept {
    if constexpr (byte_element<T>) *p = saturate<T>(r);
    else if constexpr (std::same_as<T, s32>) *p = nearest_s32(r);
    else *p = static_cast<T>(r);
  }
  template <class T> IA_NN_INLINE void store(T* p, index_t n) const noexcept {
    if (n > 0) store(p);
  }
  template <class T> IA_NN_INLINE void stream(T* p) const noexcept { store(p); }
  IA_NN_INLINE f32 native() const noexcept { return r; }
  IA_NN_INLINE void pin() noexcept {}

  friend IA_NN_INLINE vec_impl operator+(vec_impl a, vec_impl b) noexcept { return {a.r + b.r}; }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a, vec_impl b) noexcept { return {a.r - b.r}; }
  friend IA_NN_INLINE vec_impl operator*(vec_impl a, vec_impl b) noexcept { return {a.r * b.r}; }
  friend IA_NN_INLINE vec_impl operator/(vec_impl a, vec_impl b) noexcept { return {a.r / b.r}; }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a) noexcept { return {-a.r}; }
  friend IA_NN_INLINE vec_impl fma(vec_impl a, vec_impl b, vec_impl c) noexcept {
    return {__builtin_fmaf(a.r, b.r, c.r)};
  }
  friend IA_NN_INLINE vec_impl min(vec_impl a, vec_impl b) noexcept { return a.r < b.r ? a : b; }
  friend IA_NN_INLINE vec_impl max(vec_impl a, vec_impl b) noexcept { return a.r > b.r ? a : b; }
  friend IA_NN_INLINE vec_impl abs(vec_impl a) noexcept { return {__builtin_fabsf(a.r)}; }
  friend IA_NN_INLINE vec_impl sqrt(vec_impl a) noexcept { return {__builtin_sqrtf(a.r)}; }
  friend IA_NN_INLINE vec_impl round(vec_impl a) noexcept { return {round_nearest_even(a.r)}; }
  friend IA_NN_INLINE mask operator<(vec_impl a, vec_impl b) noexcept { return a.r < b.r; }
  friend IA_NN_INLINE mask operator<=(vec_impl a, vec_impl b) noexcept { return a.r <= b.r; }
  friend IA_NN_INLINE mask operator==(vec_impl a, vec_impl b) noexcept { return a.r == b.r; }
  friend IA_NN_INLINE vec_impl select(mask m, vec_impl a, vec_impl b) noexcept { return m ? a : b; }
  friend IA_NN_INLINE void store_high(bf16* p, vec_impl a, vec_impl b) noexcept {
    auto const high = [](f32 x) {
      return bf16::from_bits(static_cast<std::uint16_t>(__builtin_bit_cast(std::uint32_t, x) >> 16));
    };
    p[0] = high(a.r), p[1] = high(b.r);
  }
  friend IA_NN_INLINE bool any_nan(vec_impl a) noexcept { return a.r != a.r; }
  friend IA_NN_INLINE f32 sum(vec_impl a) noexcept { return a.r; }
  friend IA_NN_INLINE f32 highest(vec_impl a) noexcept { return a.r; }
  friend IA_NN_INLINE f32 lowest(vec_impl a) noexcept { return a.r; }
};

template <> struct vec_impl<s32, isa::scalar> {
  using value_type = s32;
  using mask = bool;
  static constexpr int size = 1;
  s32 r;

  static IA_NN_INLINE vec_impl zero() noexcept { return {0}; }
  static IA_NN_INLINE vec_impl broadcast(s32 x) noexcept { return {x}; }
  template <class T> static IA_NN_INLINE vec_impl load(T const* p) noexcept {
    return {static_cast<s32>(*p)};
  }
  template <class T> static IA_NN_INLINE vec_impl load(T const* p, index_t n) noexcept {
    return {n > 0 ? static_cast<s32>(*p) : 0};
  }
  IA_NN_INLINE void store(s32* p) const noexcept { *p = r; }
  IA_NN_INLINE void store(s32* p, index_t n) const noexcept {
    if (n > 0) *p = r;
  }
  template <byte_element T> IA_NN_INLINE void store_low(T* p) const noexcept {
    *p = static_cast<T>(r);
  }
  template <byte_element T> IA_NN_INLINE void store_low(T* p, index_t n) const noexcept {
    if (n > 0) store_low(p);
  }
  IA_NN_INLINE s32 native() const noexcept { return r; }
  IA_NN_INLINE void pin() noexcept {}

  // Sums and products wrap, as they do in vector registers.
  friend IA_NN_INLINE vec_impl operator+(vec_impl a, vec_impl b) noexcept {
    return {static_cast<s32>(static_cast<std::uint32_t>(a.r) + static_cast<std::uint32_t>(b.r))};
  }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a, vec_impl b) noexcept {
    return {static_cast<s32>(static_cast<std::uint32_t>(a.r) - static_cast<std::uint32_t>(b.r))};
  }
  friend IA_NN_INLINE vec_impl operator*(vec_impl a, vec_impl b) noexcept {
    return {static_cast<s32>(static_cast<std::uint32_t>(a.r) * static_cast<std::uint32_t>(b.r))};
  }
  friend IA_NN_INLINE vec_impl operator&(vec_impl a, vec_impl b) noexcept { return {a.r & b.r}; }
  friend IA_NN_INLINE vec_impl operator|(vec_impl a, vec_impl b) noexcept { return {a.r | b.r}; }
  friend IA_NN_INLINE vec_impl operator^(vec_impl a, vec_impl b) noexcept { return {a.r ^ b.r}; }
  friend IA_NN_INLINE vec_impl operator<<(vec_impl a, int n) noexcept {
    return {static_cast<s32>(static_cast<std::uint32_t>(a.r) << n)};
  }
  friend IA_NN_INLINE vec_impl operator>>(vec_impl a, int n) noexcept { return {a.r >> n}; }
  friend IA_NN_INLINE vec_impl min(vec_impl a, vec_impl b) noexcept { return a.r < b.r ? a : b; }
  friend IA_NN_INLINE vec_impl max(vec_impl a, vec_impl b) noexcept { return a.r > b.r ? a : b; }
  friend IA_NN_INLINE mask operator<(vec_impl a, vec_impl b) noexcept { return a.r < b.r; }
  friend IA_NN_INLINE mask operator==(vec_impl a, vec_impl b) noexcept { return a.r == b.r; }
  friend IA_NN_INLINE vec_impl select(mask m, vec_impl a, vec_impl b) noexcept { return m ? a : b; }
  friend IA_NN_INLINE s32 sum(vec_impl a) noexcept { return a.r; }
};

IA_NN_INLINE vec_impl<f32, isa::scalar> to_f32(vec_impl<s32, isa::scalar> a) noexcept {
  return {static_cast<f32>(a.r)};
}
IA_NN_INLINE vec_impl<s32, isa::scalar> to_s32(vec_impl<f32, isa::scalar> a) noexcept {
  return {nearest_s32(a.r)};
}
IA_NN_INLINE vec_impl<s32, isa::scalar> bits(vec_impl<f32, isa::scalar> a) noexcept {
  return {__builtin_bit_cast(s32, a.r)};
}
IA_NN_INLINE vec_impl<f32, isa::scalar> bits(vec_impl<s32, isa::scalar> a) noexcept {
  return {__builtin_bit_cast(f32, a.r)};
}

} // namespace detail

IA_NN_END
