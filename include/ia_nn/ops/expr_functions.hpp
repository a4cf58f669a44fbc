// SPDX-License-Identifier: Apache-2.0
//
// How expressions are written: operators and functions of tensors, views, scalars and expressions.
//
//   + - * / unary -            element by element; unary + makes an expression of a tensor
//   min max fma                a NaN on either side gives NaN
//   abs sqrt round             round to nearest even
//   < <= > >= == != && || !    1 or 0 as a value, a mask as the condition of select
//   select(c, x, y)            x where c holds, else y
//   map(f, a, ...)             any function of registers: an activation, a lambda
//
// Arithmetic is f32 whatever the elements are: bf16, s8 and u8 convert exactly, s32 is rounded to
// 24 bits. Scalars may be of any arithmetic type and are converted to f32 once.
#pragma once

#include <ia_nn/ops/expr_node.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class X> inline constexpr bool is_tensor = false;
template <class T, class S, class L> inline constexpr bool is_tensor<tensor<T, S, L>> = true;
template <class T, class S, class L> inline constexpr bool is_tensor<tensor_view<T, S, L>> = true;

template <class T, class S, class L>
constexpr tensor_view<T, S, L> view_of(tensor_view<T, S, L> const& v) noexcept {
  return v;
}
template <class T, class S, class L> tensor_view<T, S, L> view_of(tensor<T, S, L>& t) noexcept {
  return t.view();
}
template <class T, class S, class L>
tensor_view<T const, S, L> view_of(tensor<T, S, L> const& t) noexcept {
  return t.view();
}

template <class X>
concept tensor_or_node = is_tensor<X> || expression<X>;
template <class X>
concept number = std::is_arithmetic_v<X> || std::same_as<X, bf16>;

} // namespace detail

/// What an operator takes: at least one argument has to be a tensor, a view or an expression, the
/// others may be numbers.
template <class... Xs>
concept expression_operands =
    ((detail::tensor_or_node<std::remove_cvref_t<Xs>> || detail::number<std::remove_cvref_t<Xs>>) &&
     ...) &&
    (detail::tensor_or_node<std::remove_cvref_t<Xs>> || ...);

/// The node that stands for a tensor, a view, a number or a node.
template <class T, class S, class L>
constexpr auto as_node(tensor_view<T, S, L> const& v) noexcept {
  using value_type = std::remove_const_t<T>;
  return tensor_leaf<value_type, S, L>{tensor_view<T const, S, L>(v)};
}
template <class T, class S, class L> auto as_node(tensor<T, S, L> const& t) noexcept {
  return tensor_leaf<T, S, L>{t.view()};
}
template <detail::number X> constexpr scalar_node as_node(X x) noexcept {
  return {static_cast<f32>(x)};
}
template <expression E> constexpr E const& as_node(E const& e) noexcept {
  static_assert(
      !requires { E::is_reduction; },
      "ia_nn: a reduction along axes cannot stand inside an expression, it would need "
      "memory; assign it to a tensor first");
  static_assert(
      !requires { typename E::isa_type; },
      "ia_nn: with<isa> belongs around the whole expression, not inside it");
  return e;
}

template <class X> using node_t = std::remove_cvref_t<decltype(as_node(std::declval<X const&>()))>;

/// f(a, ...) element by element: f takes and returns registers of f32.
template <class F, class... Xs>
  requires expression_operands<Xs...>
constexpr auto map(F const& f, Xs const&... xs) noexcept {
  return apply_node<F, node_t<Xs>...>{{detail::pack(as_node(xs)...)}, f};
}

namespace detail {

namespace element_function {

struct divide {
  static constexpr int weight = 4;
  template <class V> IA_NN_INLINE V operator()(V a, V b) const noexcept { return a / b; }
};
struct negate {
  static constexpr int weight = 1;
  template <class V> IA_NN_INLINE V operator()(V a) const noexcept { return -a; }
};
struct minimum {
  static constexpr int weight = 3;
  template <class V> IA_NN_INLINE V operator()(V a, V b) const noexcept {
    return detail::minimum(a, b);
  }
};
struct maximum {
  static constexpr int weight = 3;
  template <class V> IA_NN_INLINE V operator()(V a, V b) const noexcept {
    return detail::maximum(a, b);
  }
};
struct multiply_add {
  static constexpr int weight = 1;
  template <class V> IA_NN_INLINE V operator()(V a, V b, V c) const noexcept {
    return fma(a, b, c);
  }
};
struct nearest_integer {
  static constexpr int weight = 1;
  template <class V> IA_NN_INLINE V operator()(V a) const noexcept { return round(a); }
};

} // namespace element_function

template <template <class...> class Node, class... Xs>
constexpr auto make_node(Xs const&... xs) noexcept {
  return Node<node_t<Xs>...>{{pack(as_node(xs)...)}};
}
template <relation Relation, class A, class B>
constexpr auto make_compare(A const& a, B const& b) noexcept {
  return compare_node<Relation, node_t<A>, node_t<B>>{{{pack(as_node(a), as_node(b))}}};
}

} // namespace detail

// ---- arithmetic --------------------------------------------------------------------------------

/// The tensor itself as an expression: `y = +a` copies and converts.
template <class A>
  requires expression_operands<A>
constexpr auto operator+(A const& a) noexcept {
  return node_t<A>(as_node(a));
}
template <class A>
  requires expression_operands<A>
constexpr auto operator-(A const& a) noexcept {
  return map(detail::element_function::negate{}, a);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator+(A const& a, B const& b) noexcept {
  return detail::make_node<sum_node>(a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator-(A const& a, B const& b) noexcept {
  return detail::make_node<difference_node>(a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator*(A const& a, B const& b) noexcept {
  return detail::make_node<product_node>(a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator/(A const& a, B const& b) noexcept {
  return map(detail::element_function::divide{}, a, b);
}

template <class A, class B>
  requires expression_operands<A, B>
constexpr auto min(A const& a, B const& b) noexcept {
  return map(detail::element_function::minimum{}, a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto max(A const& a, B const& b) noexcept {
  return map(detail::element_function::maximum{}, a, b);
}
/// a * b + c with one rounding.
template <class A, class B, class C>
  requires expression_operands<A, B, C>
constexpr auto fma(A const& a, B const& b, C const& c) noexcept {
  return map(detail::element_function::multiply_add{}, a, b, c);
}
template <class A>
  requires expression_operands<A>
constexpr auto round(A const& a) noexcept {
  return map(detail::element_function::nearest_integer{}, a);
}

// ---- conditions --------------------------------------------------------------------------------

template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator<(A const& a, B const& b) noexcept {
  return detail::make_compare<relation::less>(a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator>(A const& a, B const& b) noexcept {
  return detail::make_compare<relation::less>(b, a);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator<=(A const& a, B const& b) noexcept {
  return detail::make_compare<relation::less_equal>(a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator>=(A const& a, B const& b) noexcept {
  return detail::make_compare<relation::less_equal>(b, a);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator==(A const& a, B const& b) noexcept {
  return detail::make_compare<relation::equal>(a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator!=(A const& a, B const& b) noexcept {
  return detail::make_compare<relation::not_equal>(a, b);
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator&&(A const& a, B const& b) noexcept {
  return and_node<node_t<A>, node_t<B>>{{{detail::pack(as_node(a), as_node(b))}}};
}
template <class A, class B>
  requires expression_operands<A, B>
constexpr auto operator||(A const& a, B const& b) noexcept {
  return or_node<node_t<A>, node_t<B>>{{{detail::pack(as_node(a), as_node(b))}}};
}
template <class A>
  requires expression_operands<A>
constexpr auto operator!(A const& a) noexcept {
  return not_node<node_t<A>>{{{detail::pack(as_node(a))}}};
}
/// x where the condition is not zero, else y. Both sides are computed in every lane.
template <class C, class X, class Y>
  requires expression_operands<C, X, Y>
constexpr auto select(C const& condition, X const& x, Y const& y) noexcept {
  return detail::make_node<select_node>(condition, x, y);
}

IA_NN_END
