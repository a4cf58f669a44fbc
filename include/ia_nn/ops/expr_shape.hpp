// SPDX-License-Identifier: Apache-2.0
//
// Broadcasting, by the rule of NumPy and ONNX: shapes are aligned at their last dimensions, a
// missing dimension counts as extent 1, and extent 1 stretches to whatever stands opposite.
// What the types know is decided here at compile time; the rest is checked when a statement starts.
#pragma once

#include <ia_nn/core/shape.hpp>

#include <utility>

#include <ia_nn/begin.hpp>

/// The highest number of dimensions in an expression.
inline constexpr int max_expression_rank = 8;

namespace detail {

// The static extent of Shape in dimension d of `rank` dimensions.
template <class Shape> constexpr index_t aligned_static_extent(int d, int rank) noexcept {
  int const own = d - (rank - Shape::rank);
  return own < 0 ? 1 : Shape::static_extent(own);
}

// Two extents that meet: 1 yields, a run-time extent may turn out to be 1 and yields to a known
// one.
constexpr index_t broadcast_extent(index_t a, index_t b) noexcept {
  if (a == 1) return b;
  if (b == 1) return a;
  return a == dyn ? b : a;
}
constexpr bool extents_meet(index_t a, index_t b) noexcept {
  return a == 1 || b == 1 || may_equal(a, b);
}

template <class A, class B> constexpr bool shapes_meet() noexcept {
  constexpr int rank = A::rank > B::rank ? A::rank : B::rank;
  for (int d = 0; d < rank; ++d)
    if (!extents_meet(aligned_static_extent<A>(d, rank), aligned_static_extent<B>(d, rank)))
      return false;
  return true;
}

template <class A, class B, class Sequence> struct broadcast_of;
template <class A, class B, int... D> struct broadcast_of<A, B, std::integer_sequence<int, D...>> {
  static constexpr int rank = sizeof...(D);
  using type = shape<broadcast_extent(aligned_static_extent<A>(D, rank),
                                      aligned_static_extent<B>(D, rank))...>;
};
template <class A, class B>
using broadcast_t = typename broadcast_of<
    A, B, std::make_integer_sequence<int, (A::rank > B::rank ? A::rank : B::rank)>>::type;

template <class... Shapes> struct broadcast_all {
  using type = shape<>;
};
template <class First, class... Rest> struct broadcast_all<First, Rest...> {
  using rest = typename broadcast_all<Rest...>::type;
  static_assert(shapes_meet<First, rest>(),
                "ia_nn: the operands of an expression do not broadcast: two extents at the same "
                "place, counted from the last dimension, differ and neither is 1");
  using type = broadcast_t<First, rest>;
};

// True if the types allow From to stretch to To; To itself does not stretch.
template <class From, class To> constexpr bool stretches_to() noexcept {
  if (From::rank > To::rank) return false;
  for (int d = 0; d < To::rank; ++d) {
    index_t const from = aligned_static_extent<From>(d, To::rank);
    if (from != 1 && !may_equal(from, To::static_extent(d))) return false;
  }
  return true;
}

[[noreturn]] IA_NN_NOINLINE inline void throw_no_broadcast(int operand, std::string const& from,
                                                           std::string const& to) {
  throw_error(errc::bad_shape, "expression: operand " + std::to_string(operand + 1) + " of shape " +
                                   from + " does not broadcast to " + to);
}

inline std::string extents_to_string(index_t const* extent, int rank) {
  std::string s = "(";
  for (int d = 0; d < rank; ++d) s += (d ? ", " : "") + std::to_string(extent[d]);
  return s + ")";
}

} // namespace detail

IA_NN_END
