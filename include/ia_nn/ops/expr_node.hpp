// SPDX-License-Identifier: Apache-2.0
//
// The nodes of an expression. Building one computes nothing: `a * b + c` is a small value that
// holds views, scalars and functions. A node has
//
//   shape_type                      what the types know of its extents (see expr_shape.hpp)
//   leaves                          the number of leaves below it; they are numbered left to right
//   computed                        how many of them are computed elsewhere (see below)
//   weight                          rough cost of one value, in vector instructions
//   each_leaf<First>(f)             calls f(constant<index>, leaf) for each leaf, the first of
//                                   which has number First
//   value<V, First>(context)        one register of its values
//
// and knows neither addresses nor loops: a leaf asks the context, `context.leaf<V, Index>(leaf)`.
// So the same tree runs in a flat loop, in a nest with broadcasts, or on the accumulators of a
// matrix product, whose node is a leaf that asks `context.computed<V, Index>(leaf)`.
//
// A product that meets a sum is one fma, rounded once, on every ISA and compiler: the choice is
// made here and not left to contraction, so that bits depend on neither.
#pragma once

#include <ia_nn/arch/vec.hpp>
#include <ia_nn/core/tensor.hpp>
#include <ia_nn/ops/expr_shape.hpp>

#include <ia_nn/begin.hpp>

/// A leaf that reads memory.
template <class T, class Shape, class Layout> struct tensor_leaf {
  using expression_tag = void;
  using value_type = T;
  using shape_type = Shape;
  static constexpr int leaves = 1, computed = 0, weight = 1;

  tensor_view<T const, Shape, Layout> view;

  template <int First, class F> constexpr void each_leaf(F&& f) const {
    f(constant<First>{}, *this);
  }
  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    return context.template leaf<V, First>(*this);
  }
};

/// Base of a leaf whose values are made elsewhere and handed over in registers: a matrix product
/// that takes the rest of the expression as its epilogue. An expression with such a leaf is
/// evaluated by `evaluate_computed<I>(destination, expression, executor)`, which the header of the
/// leaf overloads; `tile_expression` (expr_tile.hpp) is the tool for that.
template <class Shape> struct computed_leaf {
  using expression_tag = void;
  using shape_type = Shape;
  static constexpr int leaves = 1, computed = 1, weight = 1;

  template <int First, class F> constexpr void each_leaf(F&& f) const {
    f(constant<First>{}, *this);
  }
  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    return context.template computed<V, First>();
  }
};

/// The same number everywhere.
struct scalar_node {
  using expression_tag = void;
  using shape_type = shape<>;
  static constexpr int leaves = 0, computed = 0, weight = 0;

  f32 number = 0;

  template <int First, class F> constexpr void each_leaf(F&&) const {}
  template <class V, int First, class Context> IA_NN_INLINE V value(Context const&) const noexcept {
    return V::broadcast(number);
  }
};

namespace detail {

template <class... Es> struct children {};
template <class Head, class... Tail> struct children<Head, Tail...> {
  Head head;
  [[no_unique_address]] children<Tail...> tail;
};

template <int First, class F> constexpr void each_leaf_of(children<> const&, F&) {}
template <int First, class F, class Head, class... Tail>
constexpr void each_leaf_of(children<Head, Tail...> const& c, F& f) {
  c.head.template each_leaf<First>(f);
  each_leaf_of<First + Head::leaves>(c.tail, f);
}

// What nodes with children have in common.
template <class... Es> struct inner_node {
  using expression_tag = void;
  using shape_type = typename broadcast_all<typename Es::shape_type...>::type;
  static constexpr int leaves = (Es::leaves + ... + 0), computed = (Es::computed + ... + 0);

  children<Es...> args;

  template <int First, class F> constexpr void each_leaf(F&& f) const {
    each_leaf_of<First>(args, f);
  }
};

constexpr children<> pack() noexcept { return {}; }
template <class Head, class... Tail>
constexpr children<Head, Tail...> pack(Head const& head, Tail const&... tail) noexcept {
  return {head, pack(tail...)};
}

// A function's weight, which it may state itself. Others are taken to be long, so that loops do not
// unroll them.
template <class F> inline constexpr int function_weight = 16;
template <class F>
  requires requires { F::weight; }
inline constexpr int function_weight<F> = F::weight;

} // namespace detail

/// A function of registers applied to the values of its arguments: F is called with as many
/// registers as there are arguments and returns one.
template <class F, class... Es> struct apply_node : detail::inner_node<Es...> {
  static constexpr int weight = (Es::weight + ... + detail::function_weight<F>);

  [[no_unique_address]] F function;

  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    return call<V, First>(context, this->args);
  }

private:
  template <class V, int First, class Context, class Head, class... Tail, class... Vs>
  IA_NN_INLINE V call(Context const& context, detail::children<Head, Tail...> const& c,
                      Vs... values) const noexcept {
    V const next = c.head.template value<V, First>(context);
    if constexpr (sizeof...(Tail) == 0) return function(values..., next);
    else return call<V, First + Head::leaves>(context, c.tail, values..., next);
  }
};

template <class L, class R> struct product_node : detail::inner_node<L, R> {
  static constexpr int weight = L::weight + R::weight + 1, left_leaves = L::leaves;

  constexpr L const& left() const noexcept { return this->args.head; }
  constexpr R const& right() const noexcept { return this->args.tail.head; }
  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    return left().template value<V, First>(context) *
           right().template value<V, First + L::leaves>(context);
  }
};

namespace detail {
template <class E> inline constexpr bool is_product = false;
template <class L, class R> inline constexpr bool is_product<product_node<L, R>> = true;

// factor * factor + addend of a product node whose leaves begin at First.
template <class V, int First, class L, class R, class Context>
IA_NN_INLINE V fma_of(product_node<L, R> const& p, Context const& context, V addend) noexcept {
  return fma(p.left().template value<V, First>(context),
             p.right().template value<V, First + L::leaves>(context), addend);
}
} // namespace detail

template <class L, class R> struct sum_node : detail::inner_node<L, R> {
  static constexpr int weight = L::weight + R::weight + 1;

  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    auto const& left = this->args.head;
    auto const& right = this->args.tail.head;
    constexpr int second = First + L::leaves;
    if constexpr (detail::is_product<L>)
      return detail::fma_of<V, First>(left, context, right.template value<V, second>(context));
    else if constexpr (detail::is_product<R>)
      return detail::fma_of<V, second>(right, context, left.template value<V, First>(context));
    else return left.template value<V, First>(context) + right.template value<V, second>(context);
  }
};

template <class L, class R> struct difference_node : detail::inner_node<L, R> {
  static constexpr int weight = L::weight + R::weight + 1;

  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    auto const& left = this->args.head;
    auto const& right = this->args.tail.head;
    constexpr int second = First + L::leaves;
    if constexpr (detail::is_product<L>) {
      return detail::fma_of<V, First>(left, context, -right.template value<V, second>(context));
    } else if constexpr (detail::is_product<R>) {
      V const a = right.left().template value<V, second>(context);
      V const b = right.right().template value<V, second + R::left_leaves>(context);
      return fma(-a, b, left.template value<V, First>(context));
    } else {
      return left.template value<V, First>(context) - right.template value<V, second>(context);
    }
  }
};

// ---- conditions --------------------------------------------------------------------------------

namespace detail {

// Lanes of x where the condition holds, of y elsewhere. Any node is a condition: not equal to zero,
// as in C++, which a NaN is not either.
template <class V, int First, class E, class Context>
IA_NN_INLINE V choose(E const& condition, Context const& context, V x, V y) noexcept {
  if constexpr (requires { E::is_condition; })
    return condition.template choose<V, First>(context, x, y);
  else return select(condition.template value<V, First>(context) == V::zero(), y, x);
}

// Conditions as numbers: 1 where they hold, else 0.
template <class Self, class... Es> struct condition_node : inner_node<Es...> {
  static constexpr bool is_condition = true;
  static constexpr int weight = (Es::weight + ... + 2);

  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    return static_cast<Self const*>(this)->template choose<V, First>(context, V::broadcast(1.0F),
                                                                     V::zero());
  }
};

} // namespace detail

enum class relation { less, less_equal, equal, not_equal };

/// a < b, a <= b, a == b, a != b with a NaN comparing as IEEE 754 says. `a > b` is built as b < a.
template <relation Relation, class L, class R>
struct compare_node : detail::condition_node<compare_node<Relation, L, R>, L, R> {
  template <class V, int First, class Context>
  IA_NN_INLINE V choose(Context const& context, V x, V y) const noexcept {
    V const a = this->args.head.template value<V, First>(context);
    V const b = this->args.tail.head.template value<V, First + L::leaves>(context);
    if constexpr (Relation == relation::less) return select(a < b, x, y);
    else if constexpr (Relation == relation::less_equal) return select(a <= b, x, y);
    else if constexpr (Relation == relation::equal) return select(a == b, x, y);
    else return select(a == b, y, x);
  }
};

template <class L, class R> struct and_node : detail::condition_node<and_node<L, R>, L, R> {
  template <class V, int First, class Context>
  IA_NN_INLINE V choose(Context const& context, V x, V y) const noexcept {
    V const inner = detail::choose<V, First + L::leaves>(this->args.tail.head, context, x, y);
    return detail::choose<V, First>(this->args.head, context, inner, y);
  }
};

template <class L, class R> struct or_node : detail::condition_node<or_node<L, R>, L, R> {
  template <class V, int First, class Context>
  IA_NN_INLINE V choose(Context const& context, V x, V y) const noexcept {
    V const inner = detail::choose<V, First + L::leaves>(this->args.tail.head, context, x, y);
    return detail::choose<V, First>(this->args.head, context, x, inner);
  }
};

template <class E> struct not_node : detail::condition_node<not_node<E>, E> {
  template <class V, int First, class Context>
  IA_NN_INLINE V choose(Context const& context, V x, V y) const noexcept {
    return detail::choose<V, First>(this->args.head, context, y, x);
  }
};

/// X where the condition holds, Y elsewhere. Both are computed in every lane.
template <class C, class X, class Y> struct select_node : detail::inner_node<C, X, Y> {
  static constexpr int weight = C::weight + X::weight + Y::weight + 1;

  template <class V, int First, class Context>
  IA_NN_INLINE V value(Context const& context) const noexcept {
    V const x = this->args.tail.head.template value<V, First + C::leaves>(context);
    V const y = this->args.tail.tail.head.template value<V, First + C::leaves + X::leaves>(context);
    return detail::choose<V, First>(this->args.head, context, x, y);
  }
};

IA_NN_END
