// SPDX-License-Identifier: Apache-2.0
//
// The logistic function 1 / (1 + e^-x).
//
//   precise: with z = e^-|x| <= 1: 1 / (1 + z) for x >= 0, z / (1 + z) for x < 0, so that neither
//            tail overflows or loses accuracy
//   fast:    1 + e^-x directly, by the polynomial of exp<fast>, and `scaled_reciprocal`: 15
//            operations, relatively accurate in both tails
#pragma once

#include <ia_nn/math/exp.hpp>

#include <ia_nn/begin.hpp>

namespace math {

/// 1 / (1 + e^-x). NaN passes through. precise: 2.41 ulp over all f32; fast: relative error
/// 2^-17.7, constant 1.6e-38 for x <= -87.
template <precision_policy Policy = precise, f32_register V> IA_NN_INLINE V sigmoid(V x) noexcept {
  using namespace ia_nn::detail;
  V const one = V::broadcast(1.0F);
  if constexpr (std::same_as<Policy, precise>) {
    V const z = exp_nonpositive(negative_abs(x));
    return select(x < V::zero(), z, one) / (one + z);
  } else {
    constexpr f32 offset = shifter + 127.0F;
    V const a = max(V::broadcast(-87.0F), min(V::broadcast(87.0F), x));
    V const shifted = fma(a, V::broadcast(-log2_e), V::broadcast(offset));
    V const r = fma(a, V::broadcast(-log2_e), V::broadcast(offset) - shifted);
    // 2^r / -K instead of exp2_core: the reciprocal then comes out as it should be.
    V const power = polynomial(r, -0x1.134b60p-2F, -0x1.7d9ee2p-3F, -0x1.0882c0p-4F,
                               -0x1.ed1f96p-7F, -0x1.58ba0cp-9F);
    V const d = fma(power, bits(bits(shifted) << 23), V::broadcast(-0x1.134b60p-2F));
    return scaled_reciprocal(d);
  }
}

} // namespace math

IA_NN_END
