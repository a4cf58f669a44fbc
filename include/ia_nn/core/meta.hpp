// SPDX-License-Identifier: Apache-2.0
//
// The little meta-programming that the library needs, without <tuple>.
#pragma once

#include <ia_nn/core/types.hpp>

#include <type_traits>

#include <ia_nn/begin.hpp>

template <class... Ts> struct type_list {
  static constexpr int size = sizeof...(Ts);
};

namespace detail {
template <class List> struct front;
template <class T, class... Ts> struct front<type_list<T, Ts...>> { using type = T; };
template <class T, class List> struct prepend;
template <class T, class... Ts> struct prepend<T, type_list<Ts...>> {
  using type = type_list<T, Ts...>;
};
} // namespace detail

template <class T, class List> inline constexpr bool contains = false;
template <class T, class... Ts>
inline constexpr bool contains<T, type_list<Ts...>> = (std::same_as<T, Ts> || ...);

template <class List> using front_t = typename detail::front<List>::type;

/// The list with T put before it if Condition holds.
template <bool Condition, class T, class List>
using prepend_if_t =
    typename std::conditional_t<Condition, detail::prepend<T, List>, std::type_identity<List>>::type;

/// A value as a type, to hand compile-time numbers to generic lambdas.
template <auto V> using constant = std::integral_constant<decltype(V), V>;

/// Calls f(Ts{}) for each type of the list, in order.
template <class... Ts, class F> constexpr void for_each_type(type_list<Ts...>, F&& f) {
  (f(Ts{}), ...);
}

constexpr index_t ceil_div(index_t a, index_t b) noexcept { return (a + b - 1) / b; }
constexpr index_t round_up(index_t a, index_t b) noexcept { return ceil_div(a, b) * b; }
constexpr index_t min_of(index_t a, index_t b) noexcept { return a < b ? a : b; }
constexpr index_t max_of(index_t a, index_t b) noexcept { return a < b ? b : a; }

IA_NN_END
