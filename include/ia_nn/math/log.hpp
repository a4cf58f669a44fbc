// SPDX-License-Identifier: Apache-2.0
//
// Natural logarithm: x = 2^e m with m in [sqrt(1/2), sqrt 2), f = m - 1,
// log x = e ln 2 + f + f^2 Q(f).
#pragma once

#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

namespace math {

/// log x. NaN passes through, log(+-0) = -inf, log(inf) = inf, NaN for x < 0. precise: 0.89 ulp
/// over all f32; fast: relative error 2^-16.9.
template <precision_policy Policy = precise, f32_register V> IA_NN_INLINE V log(V x) noexcept {
  using namespace ia_nn::detail;
  constexpr s32 sqrt_half = 0x3f3504f3;
  auto const denormal = x < V::broadcast(0x1p-126F);
  V const scaled = select(denormal, x * V::broadcast(0x1p23F), x);
  V const bias = select(denormal, V::broadcast(-23.0F), V::zero());
  auto const i = bits(scaled) - s32_broadcast<V>(sqrt_half);
  V const m = bits((i & s32_broadcast<V>(0x7fffff)) + s32_broadcast<V>(sqrt_half));
  V const f = m - V::broadcast(1.0F);
  V const e = to_f32(i >> 23) + bias;
  V result;
  if constexpr (std::same_as<Policy, precise>) {
    V const q = polynomial(f, -0x1.fffff8p-2F, 0x1.55555p-2F, -0x1.000426p-2F, 0x1.99a3f2p-3F,
                           -0x1.54276ep-3F, 0x1.22719ep-3F, -0x1.0f3764p-3F, 0x1.084854p-3F,
                           -0x1.382ffcp-4F);
    V const low = fma(f * f, q, e * V::broadcast(ln2_low));
    result = fma(e, V::broadcast(ln2_high), f + low);
  } else {
    V const q = polynomial(f, 0x1.00004cp+0F, -0x1.ffe5cp-2F, 0x1.54939cp-2F, -0x1.044624p-2F,
                           0x1.c33f2cp-3F, -0x1.220ec4p-3F);
    result = fma(e, V::broadcast(0x1.62e43p-1F), f * q);
  }
  result = select(x < V::broadcast(infinity), result, x);
  result = select(x < V::zero(), V::broadcast(__builtin_nanf("")), result);
  return select(x == V::zero(), V::broadcast(-infinity), result);
}

} // namespace math

IA_NN_END
