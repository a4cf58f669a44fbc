// SPDX-License-Identifier: Apache-2.0
//
// The error function.
//
//   precise: |x| < 0.875: x + x P(x^2); beyond: 1 - e^(-|x| G(|x|)), since -log(erfc) is smooth
//   fast:    x P(x^2) / Q(x^2), degrees 3 and 3, minimax on |x| <= 3.1, constant beyond
#pragma once

#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

namespace math {

/// erf x. NaN passes through; never beyond +-1. precise: 1.03 ulp over all f32; fast: relative
/// error 2^-16.2.
template <precision_policy Policy = precise, f32_register V> IA_NN_INLINE V erf(V x) noexcept {
  using namespace ia_nn::detail;
  if constexpr (std::same_as<Policy, precise>) {
    V const x2 = x * x;
    V const p = polynomial(x2, 0x1.06eba6p-3F, -0x1.81270ap-2F, 0x1.ce20d2p-4F, -0x1.b6ee98p-6F,
                           0x1.49a92ap-8F, -0x1.44a3e8p-11F);
    V const near = fma(x, p, x);
    V const t = min(V::broadcast(4.0F), abs(x));
    V const g = polynomial(t, 0x1.20ed86p+0F, 0x1.453f8ap-1F, 0x1.b2784cp-4F, -0x1.82f892p-6F,
                           0x1.d47e1ap-9F, -0x1.40cff4p-12F, 0x1.4013f2p-17F);
    V const minus_t = negative_abs(t);
    auto const [r, shifted] = reduce_exponent(minus_t * g);
    // e^-s = 2^n + 2^n (e^r - 1), here with the sign changed and 1 added in the sums themselves.
    V const pow2 = bits((bits(shifted) << 23) - s32_broadcast<V>(127 << 23));
    V const far = fma(-pow2, expm1_core(r), V::broadcast(1.0F) - pow2);
    return select(t < V::broadcast(0.875F), near, with_sign_of(far, x));
  } else {
    V const a = max(V::broadcast(-3.1F), min(V::broadcast(3.1F), x));
    V const a2 = a * a;
    V const p = polynomial(a2, -0x1.0c9eb4p+2F, -0x1.253ce4p-1F, -0x1.49b5f6p-3F, -0x1.6fa242p-9F);
    V const q = polynomial(a2, 1.0F, 0x1.e11a7cp-2F, 0x1.845edap-4F, 0x1.31b042p-7F);
    return a * p * scaled_reciprocal(q);
  }
}

} // namespace math

IA_NN_END
