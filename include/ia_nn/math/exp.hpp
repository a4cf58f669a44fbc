// SPDX-License-Identifier: Apache-2.0
//
// e^x.
//
//   precise: x = n ln 2 + r in two parts, e^r - 1 by a polynomial of degree 6, two factors 2^(n/2)
//   fast:    x log2 e = n + r, 2 * 2^r by a polynomial of degree 4, one factor 2^(n-1) that is
//            made by shifting the sum of the reduction: 0 for the smallest n, which flushes
#pragma once

#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// 2 * 2^r for |r| <= 0.5; exactly 2 at 0, relative error 2^-18.1.
template <f32_register V> IA_NN_INLINE V twice_exp2_core(V r) noexcept {
  return polynomial(r, 2.0F, 0x1.62dfcap0F, 0x1.ebf1b6p-2F, 0x1.ca8fe4p-4F, 0x1.4090e8p-6F);
}
/// 2^r for |r| <= 0.5.
template <f32_register V> IA_NN_INLINE V exp2_core(V r) noexcept {
  return polynomial(r, 1.0F, 0x1.62dfcap-1F, 0x1.ebf1b6p-3F, 0x1.ca8fe4p-5F, 0x1.4090e8p-7F);
}

} // namespace detail

namespace math {

/// e^x. NaN passes through, exp(-inf) = 0, overflow gives inf. precise: 0.9 ulp over all f32; fast:
/// relative error 2^-17.6, results below 2^-125 may be 0.
template <precision_policy Policy = precise, f32_register V> IA_NN_INLINE V exp(V x) noexcept {
  using namespace ia_nn::detail;
  if constexpr (std::same_as<Policy, precise>) {
    V const inside = max(V::broadcast(-104.0F), min(V::broadcast(89.0F), x));
    auto const [r, shifted] = reduce_exponent(inside);
    return times_pow2(exp_core(r), shifted);
  } else {
    V const inside = max(V::broadcast(-87.5F), min(V::broadcast(89.0F), x));
    V const shifted = fma(inside, V::broadcast(log2_e), V::broadcast(shifter + 126.0F));
    V const r = fma(inside, V::broadcast(log2_e), V::broadcast(shifter + 126.0F) - shifted);
    return twice_exp2_core(r) * bits(bits(shifted) << 23);
  }
}

} // namespace math

IA_NN_END
