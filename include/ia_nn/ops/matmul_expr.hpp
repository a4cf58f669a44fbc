// SPDX-License-Identifier: Apache-2.0
//
// A matrix product inside an expression: y = relu(matmul(x, w) + bias). The rest of the statement
// becomes the epilogue of the product, so that nothing is stored between them.
#pragma once

#include <ia_nn/gemm/matmul.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/ops/expr_tile.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class A, class B> constexpr auto product_shape() noexcept {
  constexpr int last = 1;
  if constexpr (is_packed<B>) return std::type_identity<shape<static_extent_of<A>(0), dyn>>{};
  else
    return std::type_identity<shape<static_extent_of<A>(0), static_extent_of<B>(last)>>{};
}

/// The leaf that `matmul(a, b)` makes: views of both operands.
template <class Policy, class A, class B>
struct product_leaf : computed_leaf<typename decltype(product_shape<A, B>())::type> {
  using policy = Policy;
  A a;
  B b;
  constexpr product_leaf(A const& a_view, B const& b_view) noexcept : a(a_view), b(b_view) {}
};

/// The rest of the expression, as a stage.
template <class E> struct expression_stage {
  tile_expression<E> const* rest;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    auto const given = as_f32(v);
    using F = std::remove_cvref_t<decltype(given)>;
    return rest->value(at.row, at.column, at.lanes, F(given));
  }
};

template <isa::tag I, class T, class Shape, class Layout, class E, class Executor>
void evaluate_computed(tensor_view<T, Shape, Layout> const& y, E const& e, Executor& executor) {
  static_assert(Shape::rank == 2, "ia_nn: a matrix product is assigned to a tensor of 2 dimensions");
  auto const product = computed_leaf_of(e);
  using policy = typename decltype(product)::policy;
  tile_expression<E> const rest(e, y.extent(0), y.extent(1));
  matmul<I, policy>(product.a, product.b, y, chain{expression_stage<E>{&rest}}, {}, executor);
}

} // namespace detail

/// a (m, k) times b (k, n), for use in an expression that is assigned to an (m, n) tensor. Operands
/// and errors are those of the statement `matmul(a, b, c)`; integer products enter the expression as
/// f32. The operands must outlive the statement.
template <class Policy = standard, class A, class B> constexpr auto matmul(A const& a, B const& b) {
  auto const a_view = detail::view_of(a);
  auto const b_view = detail::view_of(b);
  using Av = std::remove_cvref_t<decltype(a_view)>;
  using Bv = std::remove_cvref_t<decltype(b_view)>;
  static_assert(Av::rank == 2, "ia_nn: matmul: an operand in an expression must have 2 dimensions");
  if constexpr (!detail::is_packed<Bv>)
    static_assert(may_equal(detail::static_extent_of<Av>(1), detail::static_extent_of<Bv>(0)),
                  "ia_nn: matmul: columns of a and rows of b differ");
  return detail::product_leaf<Policy, Av, Bv>(a_view, b_view);
}

IA_NN_END
