// SPDX-License-Identifier: Apache-2.0
//
// The Gaussian error linear unit x Phi(x) (Hendrycks and Gimpel) and its tanh form.
//
// With t = |x| and h(t) = t Phi(-t), which is small and positive, both signs are one formula:
//
//   gelu(x) = max(x, 0) - h(|x|)
//
// and no digit is lost in the negative tail, unlike in x/2 (1 + erf).
//
//   precise: Phi(-t) = e^(-t^2/2) R(t), R rational of degrees 4 and 5, t^2 in two parts
//   fast:    Phi(-t) = 2^-G(t), G of degree 4: no division; absolute accuracy only
#pragma once

#include <ia_nn/math/exp.hpp>
#include <ia_nn/math/sigmoid.hpp>

#include <ia_nn/begin.hpp>

namespace math {

/// x/2 (1 + erf(x / sqrt 2)). NaN passes through, gelu(-inf) = 0. precise: 6.9 ulp over all f32;
/// fast: absolute error 2^-17.1.
template <precision_policy Policy = precise, f32_register V> IA_NN_INLINE V gelu(V x) noexcept {
  using namespace ia_nn::detail;
  if constexpr (std::same_as<Policy, precise>) {
    V const t = min(V::broadcast(14.4F), abs(x));
    V const t2 = t * t, t2_low = fma(t, t, -t2);
    V const minus_half = V::broadcast(-0.5F);
    V const shifted = fma(t2, V::broadcast(-0.5F * log2_e), V::broadcast(pow2_bias));
    V const minus_n = V::broadcast(pow2_bias) - shifted;
    V r = fma(minus_n, V::broadcast(ln2_high), t2 * minus_half);
    r = fma(minus_n, V::broadcast(ln2_low), r);
    r = fma(t2_low, minus_half, r);
    V const p = polynomial(t, -0x1.0p-1F, -0x1.c064f0p-2F, -0x1.76a4b2p-3F, -0x1.4c072ap-5F,
                           -0x1.0cc4c8p-8F);
    V const q = polynomial(t, 1.0F, 0x1.ac74a8p+0F, 0x1.33849p+0F, 0x1.dfeaa4p-2F, 0x1.a0299p-4F,
                           0x1.50d8fap-7F);
    V const minus_tail = exp_core(r) * (t * (p / q));
    auto const [first, second] = pow2_factors(shifted);
    return fma(minus_tail * first, second, max(V::zero(), x));
  } else {
    constexpr f32 offset = shifter + 127.0F;
    V const t = min(V::broadcast(8.0F), abs(x));
    V const g = polynomial(t, -0x1.001b94p+0F, -0x1.25cb8ep+0F, -0x1.dede86p-2F, -0x1.6ab65ap-5F,
                           0x1.ff5a84p-9F);
    V const shifted = g + V::broadcast(offset);
    V const r = g + (V::broadcast(offset) - shifted);
    V const scale = -bits(bits(shifted) << 23);
    return fma(t * exp2_core(r), scale, max(V::zero(), x));
  }
}

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), computed as x sigmoid(2u). NaN passes through,
/// gelu_tanh(-inf) = 0. precise: 1.8 ulp or an absolute error of 2^-22; fast: 2^-16.
template <precision_policy Policy = precise, f32_register V>
IA_NN_INLINE V gelu_tanh(V x) noexcept {
  // Below -11 the result rounds to 0; the clamp keeps -inf * 0 and x^3 out.
  V const a = max(V::broadcast(-16.0F), x), b = min(V::broadcast(16.0F), a);
  V const slope = fma(b * b, V::broadcast(0x1.2444f2p-4F), V::broadcast(0x1.988454p+0F));
  return a * sigmoid<Policy>(b * slope);
}

} // namespace math

IA_NN_END
