// SPDX-License-Identifier: Apache-2.0
//
// The functions of stages on a register: known to the compiler, or by number at run time.
#pragma once

#include <ia_nn/graph/ir/attributes.hpp>
#include <ia_nn/math/activation.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// v kept in lo .. hi, as activation::clip does.
template <f32_register V> IA_NN_INLINE V clipped(V v, f32 lo, f32 hi) noexcept {
  return min(V::broadcast(hi), max(V::broadcast(lo), v));
}

namespace detail {

/// The function of a stage with its parameters, for one that is known to the compiler.
template <function F> IA_NN_INLINE constexpr auto activation_of(f32 a, f32 b) noexcept {
  namespace act = ::ia_nn::activation;
  if constexpr (F == function::leaky_relu) return act::leaky_relu{a};
  else if constexpr (F == function::elu) return act::elu{a};
  else if constexpr (F == function::selu) return act::selu{a, b};
  else if constexpr (F == function::celu) return act::celu{a};
  else if constexpr (F == function::sigmoid) return act::sigmoid<>{};
  else if constexpr (F == function::hard_sigmoid) return act::hard_sigmoid{a, b};
  else if constexpr (F == function::tanh) return act::tanh<>{};
  else if constexpr (F == function::softplus) return act::softplus{};
  else if constexpr (F == function::softsign) return act::softsign{};
  else if constexpr (F == function::gelu) return act::gelu<>{};
  else if constexpr (F == function::gelu_tanh) return act::gelu_tanh<>{};
  else if constexpr (F == function::swish) return act::swish<>{a};
  else if constexpr (F == function::hard_swish) return act::hard_swish{};
  else if constexpr (F == function::mish) return act::mish{};
  else if constexpr (F == function::square) return act::square{};
  else if constexpr (F == function::sqrt) return act::sqrt{};
  else if constexpr (F == function::abs) return act::abs{};
  else if constexpr (F == function::exp) return act::exp<>{};
  else if constexpr (F == function::log) return act::log<>{};
  else return act::linear{a, b};
}

// Not inlined: one copy of all functions for each register type.
template <f32_register V> IA_NN_NOINLINE V apply_function(function f, V x, f32 a, f32 b) noexcept {
  switch (f) {
  case function::leaky_relu:
    return activation_of<function::leaky_relu>(a, b)(x);
  case function::elu:
    return activation_of<function::elu>(a, b)(x);
  case function::selu:
    return activation_of<function::selu>(a, b)(x);
  case function::celu:
    return activation_of<function::celu>(a, b)(x);
  case function::sigmoid:
    return activation_of<function::sigmoid>(a, b)(x);
  case function::hard_sigmoid:
    return activation_of<function::hard_sigmoid>(a, b)(x);
  case function::tanh:
    return activation_of<function::tanh>(a, b)(x);
  case function::softplus:
    return activation_of<function::softplus>(a, b)(x);
  case function::softsign:
    return activation_of<function::softsign>(a, b)(x);
  case function::gelu:
    return activation_of<function::gelu>(a, b)(x);
  case function::gelu_tanh:
    return activation_of<function::gelu_tanh>(a, b)(x);
  case function::swish:
    return activation_of<function::swish>(a, b)(x);
  case function::hard_swish:
    return activation_of<function::hard_swish>(a, b)(x);
  case function::mish:
    return activation_of<function::mish>(a, b)(x);
  case function::square:
    return activation_of<function::square>(a, b)(x);
  case function::sqrt:
    return activation_of<function::sqrt>(a, b)(x);
  case function::abs:
    return activation_of<function::abs>(a, b)(x);
  case function::exp:
    return activation_of<function::exp>(a, b)(x);
  case function::log:
    return activation_of<function::log>(a, b)(x);
  case function::linear:
    return activation_of<function::linear>(a, b)(x);
  case function::relu:
    return clipped(x, 0, __builtin_inff());
  case function::clip:
    return clipped(x, a, b);
  case function::identity:
    break;
  }
  return x;
}

} // namespace detail
} // namespace graph
IA_NN_END
