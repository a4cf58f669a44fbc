// SPDX-License-Identifier: Apache-2.0
//
// Hyperbolic tangent.
//
//   precise: |x| < 0.55: x + x^3 P(x^2); beyond: 1 - 2z / (1 + z) with z = e^(-2|x|). A quotient for
//            all x, of e^(-2|x|) - 1, needs no polynomial, but its three roundings reach 2.4 ulp.
//   fast:    x P(x^2) / Q(x^2), degrees 2 and 3, minimax on |x| <= 6.1, constant beyond; the
//            division by `scaled_reciprocal`, so 15 operations in all
#pragma once

#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

namespace math {

/// tanh x. NaN passes through; never beyond +-1. precise: 1.5 ulp over all f32; fast: relative
/// error 2^-15.7, reached where it is constant.
template <precision_policy Policy = precise, f32_register V> IA_NN_INLINE V tanh(V x) noexcept {
  using namespace ia_nn::detail;
  if constexpr (std::same_as<Policy, precise>) {
    V const x2 = x * x;
    V const p = polynomial(x2, -0x1.55554cp-2F, 0x1.110dacp-3F, -0x1.b93e0ap-5F, 0x1.59da2p-6F,
                           -0x1.9e1fp-8F);
    V const near = fma(x2 * p, x, x);
    V const one = V::broadcast(1.0F);
    V const z = exp_nonpositive(negative_abs(x) * V::broadcast(2.0F));
    V const far = one - (z + z) / (one + z);
    return with_sign_of(select(abs(x) < V::broadcast(0.55F), near, far), x); // -0 as well
  } else {
    V const a = max(V::broadcast(-6.1F), min(V::broadcast(6.1F), x));
    V const a2 = a * a;
    V const p = polynomial(a2, -0x1.dc1cap1F, -0x1.b4a946p-2F, -0x1.6e3902p-8F);
    V const q = polynomial(a2, 1.0F, 0x1.caab7ap-2F, 0x1.1f5d6cp-6F, 0x1.d17fd2p-15F);
    return a * p * scaled_reciprocal(q);
  }
}

} // namespace math

IA_NN_END
