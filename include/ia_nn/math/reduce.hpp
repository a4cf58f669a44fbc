// SPDX-License-Identifier: Apache-2.0
//
// What the elementary functions share: polynomials, splitting x into n ln 2 + r, multiplying by
// 2^n, a reciprocal without division.
//
// Everything under math/ is written so that each ISA and each compiler gives the same bits: sums of
// products are an explicit fma, and no rounded product is handed to + or -, because GCC would
// contract the two and clang would not. Exempt are products that are exact, by powers of two.
#pragma once

#include <ia_nn/math/precision.hpp>

#include <ia_nn/begin.hpp>

/// A register of f32.
template <class V>
concept f32_register = vector_register<V> && std::same_as<typename V::value_type, f32>;

namespace detail {

inline constexpr f32 infinity = __builtin_inff();
inline constexpr s32 sign_bit = INT32_MIN;

/// c0 + c1 x + c2 x^2 ... by Horner's rule. Estrin's has a shorter chain and more multiplications;
/// these functions run over arrays, where neighbouring registers hide the chain.
template <f32_register V> IA_NN_INLINE V polynomial(V, f32 c0) noexcept { return V::broadcast(c0); }
template <f32_register V, class... C> IA_NN_INLINE V polynomial(V x, f32 c0, C... c) noexcept {
  return fma(x, polynomial(x, c...), V::broadcast(c0));
}

template <f32_register V> IA_NN_INLINE auto s32_broadcast(s32 x) noexcept {
  return decltype(bits(V::zero()))::broadcast(x);
}

/// -|x|, with one operation.
template <f32_register V> IA_NN_INLINE V negative_abs(V x) noexcept {
  return bits(bits(x) | s32_broadcast<V>(sign_bit));
}
/// `magnitude` >= 0 with the sign of x.
template <f32_register V> IA_NN_INLINE V with_sign_of(V magnitude, V x) noexcept {
  return bits(bits(magnitude) | (bits(x) & s32_broadcast<V>(sign_bit)));
}

// Adding 1.5 * 2^23 to a number |y| < 2^22 leaves the nearest integer to it in the low bits of the
// sum, so the same register is the integer (its bits) and, after subtracting, the float. What is
// added on top biases the bits: `pow2_bias` by twice the exponent bias for two factors below.
inline constexpr f32 shifter = 0x1.8p23F;
inline constexpr f32 pow2_bias = shifter + 254.0F;
inline constexpr f32 log2_e = 0x1.715476p+0F;
// ln 2 in two parts; the first has 15 bits, so n times it is exact for the n that occur.
inline constexpr f32 ln2_high = 0x1.62e4p-1F, ln2_low = 0x1.7f7d1cp-20F;

/// x = n ln 2 + r with |r| <= 0.3466, and n in the form that `times_pow2` wants.
template <f32_register V> struct reduced {
  V r;
  V shifted;
};
template <f32_register V> IA_NN_INLINE reduced<V> reduce_exponent(V x) noexcept {
  V const shifted = fma(x, V::broadcast(log2_e), V::broadcast(pow2_bias));
  V const minus_n = V::broadcast(pow2_bias) - shifted;
  V const r = fma(minus_n, V::broadcast(ln2_high), x);
  return {fma(minus_n, V::broadcast(ln2_low), r), shifted};
}

/// 2^n for -252 <= n <= 254 as a product of two normal numbers.
template <f32_register V> struct factors {
  V first;
  V second;
};
template <f32_register V> IA_NN_INLINE factors<V> pow2_factors(V shifted) noexcept {
  auto const n = bits(shifted), half = n >> 1; // low bits: n + 254, and half of that
  return {bits(half << 23), bits((n - half) << 23)};
}
/// y 2^n, rounded once, gradual underflow included. Not to be added to something: where it
/// underflows, a contracted sum would differ.
template <f32_register V> IA_NN_INLINE V times_pow2(V y, V shifted) noexcept {
  auto const [first, second] = pow2_factors(shifted);
  return y * first * second;
}

/// e^r - 1 for |r| <= 0.3466; relative error of the polynomial 2^-25.8.
template <f32_register V> IA_NN_INLINE V expm1_core(V r) noexcept {
  V const q = polynomial(r, 0x1.fffffep-2F, 0x1.555494p-3F, 0x1.55574ep-5F, 0x1.123e48p-7F,
                         0x1.6b3a1cp-10F);
  return fma(r * r, q, r);
}

/// e^r for |r| <= 0.3466; relative error of the polynomial 2^-28.2.
template <f32_register V> IA_NN_INLINE V exp_core(V r) noexcept {
  return polynomial(r, 1.0F, 1.0F, 0x1.fffffcp-2F, 0x1.555494p-3F, 0x1.5558bep-5F, 0x1.12385ep-7F,
                    0x1.6a3d3ap-10F);
}

/// e^x for x <= 0 (or NaN).
template <f32_register V> IA_NN_INLINE V exp_nonpositive(V x) noexcept {
  auto const [r, shifted] = reduce_exponent(max(V::broadcast(-104.0F), x));
  return times_pow2(exp_core(r), shifted);
}

/// e^x - 1 for x <= 0 (or NaN), relatively accurate near 0.
template <f32_register V> IA_NN_INLINE V expm1_nonpositive(V x) noexcept {
  V const shifted =
      fma(max(V::broadcast(-20.0F), x), V::broadcast(log2_e), V::broadcast(shifter + 127.0F));
  V const minus_n = V::broadcast(shifter + 127.0F) - shifted;
  V const r = fma(minus_n, V::broadcast(ln2_low),
                  fma(minus_n, V::broadcast(ln2_high), max(V::broadcast(-20.0F), x)));
  V const pow2 = bits(bits(shifted) << 23);
  return fma(pow2, expm1_core(r), pow2 - V::broadcast(1.0F));
}

// -1 / (K d), K = 3.71965, with a relative error of 2^-23: subtracting the bits of d from a
// constant gives a reciprocal within 1.5 %, up to a factor that the constant chooses; each of two
// Newton steps, with constants that spread its error evenly over both signs, squares that and
// quarters it. Five operations; a division takes 16 cycles per zmm on Intel. -K goes into the
// coefficients of the numerator or of d. |d| from 2^-100 to 2^125.
template <f32_register V> IA_NN_INLINE V scaled_reciprocal(V d) noexcept {
  V const guess = bits(s32_broadcast<V>(-0x14a8000) - bits(d));
  V const once = guess * fma(d, guess, V::broadcast(1.44F));
  return once * fma(d, once, V::broadcast(1.037F));
}

} // namespace detail

IA_NN_END
