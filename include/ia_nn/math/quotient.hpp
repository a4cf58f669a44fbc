// SPDX-License-Identifier: Apache-2.0
//
// tanh and the logistic function as quotients that are not divided yet.
//
//   tanh x    = x P(x^2) / Q(x^2)                  degrees 3 and 4, minimax on |x| <= 7.9
//   sigmoid x = (Q + y P) / 2 Q, y = x / 2         because sigmoid x = (1 + tanh(x / 2)) / 2
//
// Recurrent cells multiply and add such values: f * c + i * g. Calculated with numerators and
// denominators, an LSTM step divides twice instead of five times, a GRU step twice instead of three
// times, and the chain from one step to the next is shorter by as much: division is the slowest
// operation there is, and exponentials are not needed at all.
//
// Error, over all f32: tanh 6.0e-7, sigmoid 2.8e-7 absolute (tanh: also relative). Denominators lie
// in [1, 370], so products of a few of them stay far from overflow. NaN passes through.
#pragma once

#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

namespace math {

/// n / d. Converts to a register by dividing; sums and products of quotients are quotients.
template <f32_register V> struct quotient {
  V n, d;
  IA_NN_INLINE operator V() const noexcept { return n / d; }

  friend IA_NN_INLINE quotient operator*(quotient a, quotient b) noexcept {
    return {a.n * b.n, a.d * b.d};
  }
  friend IA_NN_INLINE quotient operator*(quotient a, V b) noexcept { return {a.n * b, a.d}; }
  friend IA_NN_INLINE quotient operator*(V a, quotient b) noexcept { return {a * b.n, b.d}; }
  friend IA_NN_INLINE quotient operator+(quotient a, quotient b) noexcept {
    return {ia_nn_fma(a.n, b.d, b.n * a.d), a.d * b.d};
  }
  friend IA_NN_INLINE quotient operator+(quotient a, V b) noexcept {
    return {ia_nn_fma(b, a.d, a.n), a.d};
  }
  friend IA_NN_INLINE quotient operator+(V a, quotient b) noexcept { return b + a; }
  friend IA_NN_INLINE quotient operator-(quotient a) noexcept { return {-a.n, a.d}; }
  friend IA_NN_INLINE quotient operator-(quotient a, quotient b) noexcept { return a + (-b); }
  friend IA_NN_INLINE quotient operator-(quotient a, V b) noexcept { return a + (-b); }
  friend IA_NN_INLINE quotient operator-(V a, quotient b) noexcept { return a + (-b); }

private:
  // Found beside the members, which hide the function of registers.
  static IA_NN_INLINE V ia_nn_fma(V a, V b, V c) noexcept { return fma(a, b, c); }
};

namespace detail {

template <f32_register V> struct tanh_parts {
  V p, q;
};
// P and Q of y^2.
template <f32_register V> IA_NN_INLINE tanh_parts<V> tanh_polynomials(V y) noexcept {
  using ia_nn::detail::polynomial;
  V const u = y * y;
  return {polynomial(u, 0x1.fffffcp-1F, 0x1.08e596p-3F, 0x1.8408e6p-9F, 0x1.82f178p-17F),
          polynomial(u, 1.0F, 0x1.d9c7d8p-2F, 0x1.86d33ap-6F, 0x1.f75744p-13F, 0x1.0ba25cp-22F)};
}
template <f32_register V> IA_NN_INLINE V tanh_range(V y) noexcept {
  return max(V::broadcast(-7.9F), min(V::broadcast(7.9F), y));
}

} // namespace detail

template <f32_register V> IA_NN_INLINE quotient<V> tanh_quotient(V x) noexcept {
  V const y = detail::tanh_range(x);
  auto const [p, q] = detail::tanh_polynomials(y);
  return {y * p, q};
}

template <f32_register V> IA_NN_INLINE quotient<V> sigmoid_quotient(V x) noexcept {
  V const y = detail::tanh_range(x * V::broadcast(0.5F));
  auto const [p, q] = detail::tanh_polynomials(y);
  return {fma(y, p, q), q + q};
}

/// The value of a quotient or of a register, as a register.
template <f32_register V> IA_NN_INLINE V register_of(V v) noexcept { return v; }
template <f32_register V> IA_NN_INLINE V register_of(quotient<V> q) noexcept { return q; }

/// a * b + c, and a * b + (1 - a) * c, for registers and quotients alike.
template <class A, class B, class C> IA_NN_INLINE auto multiply_add(A a, B b, C c) noexcept {
  if constexpr (std::same_as<A, B> && std::same_as<B, C> && f32_register<A>) return fma(a, b, c);
  else return a * b + c;
}
template <class A, class V, class C> IA_NN_INLINE auto interpolate(A a, V b, C c) noexcept {
  if constexpr (f32_register<A> && f32_register<C>) return fma(a, b - c, c);
  else if constexpr (f32_register<A>) return a * b + (V::broadcast(1.0F) - a) * c;
  else if constexpr (f32_register<C>) return quotient<V>{fma(a.n, b, (a.d - a.n) * c), a.d};
  else return quotient<V>{fma(a.n * b, c.d, (a.d - a.n) * c.n), a.d * c.d};
}

} // namespace math

IA_NN_END
