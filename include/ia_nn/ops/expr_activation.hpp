// SPDX-License-Identifier: Apache-2.0
//
// The functions of math/activation.hpp on expressions: `y = relu(a * b + c)`, `sigmoid<fast>(x)`.
// A function with parameters is written as what it is, `map(activation::elu{0.5F}, x)`, or by one
// of the short forms at the end.
#pragma once

#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/expr_functions.hpp>

#include <ia_nn/begin.hpp>

namespace detail {
template <> inline constexpr int function_weight<activation::identity> = 0;
template <> inline constexpr int function_weight<activation::relu> = 1;
template <> inline constexpr int function_weight<activation::leaky_relu> = 3;
template <> inline constexpr int function_weight<activation::clip> = 2;
template <> inline constexpr int function_weight<activation::hard_sigmoid> = 3;
template <> inline constexpr int function_weight<activation::square> = 1;
template <> inline constexpr int function_weight<activation::sqrt> = 4;
template <> inline constexpr int function_weight<activation::abs> = 1;
template <> inline constexpr int function_weight<activation::linear> = 1;
} // namespace detail

template <class A>
  requires expression_operands<A>
constexpr auto relu(A const& a) noexcept {
  return map(activation::relu{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto selu(A const& a) noexcept {
  return map(activation::selu{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto softplus(A const& a) noexcept {
  return map(activation::softplus{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto softsign(A const& a) noexcept {
  return map(activation::softsign{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto hard_swish(A const& a) noexcept {
  return map(activation::hard_swish{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto mish(A const& a) noexcept {
  return map(activation::mish{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto square(A const& a) noexcept {
  return map(activation::square{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto sqrt(A const& a) noexcept {
  return map(activation::sqrt{}, a);
}
template <class A>
  requires expression_operands<A>
constexpr auto abs(A const& a) noexcept {
  return map(activation::abs{}, a);
}

// With the precision policy as an argument: precise unless said otherwise.
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto sigmoid(A const& a) noexcept {
  return map(activation::sigmoid<Policy>{}, a);
}
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto tanh(A const& a) noexcept {
  return map(activation::tanh<Policy>{}, a);
}
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto gelu(A const& a) noexcept {
  return map(activation::gelu<Policy>{}, a);
}
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto gelu_tanh(A const& a) noexcept {
  return map(activation::gelu_tanh<Policy>{}, a);
}
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto swish(A const& a) noexcept {
  return map(activation::swish<Policy>{}, a);
}
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto silu(A const& a) noexcept {
  return map(activation::silu<Policy>{}, a);
}
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto exp(A const& a) noexcept {
  return map(activation::exp<Policy>{}, a);
}
template <precision_policy Policy = precise, class A>
  requires expression_operands<A>
constexpr auto log(A const& a) noexcept {
  return map(activation::log<Policy>{}, a);
}

/// max(lo, min(hi, a)) with a NaN passed on.
template <class A>
  requires expression_operands<A>
constexpr auto clip(A const& a, f32 lo, f32 hi) noexcept {
  return map(activation::clip{lo, hi}, a);
}
/// a where it is positive, alpha * a elsewhere.
template <class A>
  requires expression_operands<A>
constexpr auto leaky_relu(A const& a, f32 alpha) noexcept {
  return map(activation::leaky_relu{alpha}, a);
}

IA_NN_END
