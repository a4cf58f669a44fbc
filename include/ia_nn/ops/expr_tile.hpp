// SPDX-License-Identifier: Apache-2.0
//
// An expression as the epilogue of a kernel: the values of one leaf come in a register, the others
// are read from memory at the place that the register stands for.
//
//   relu(matmul(x, w) + bias)     walks as   relu(accumulator + load(bias + column))
//
// The destination is seen as a matrix of `rows` x `columns`; the kernel names its row and its first
// column. A leaf that does not lie in the direction of the columns is gathered lane by lane.
#pragma once

#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/ops/expr_functions.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Where a leaf lies, in elements: 0 in a direction in which it is stretched.
struct tile_leaf {
  void const* data = nullptr;
  index_t row = 0, column = 0;
};

template <class V, bool Whole> struct tile_lanes {
  tile_leaf const* leaves;
  index_t row, column;
  lanes<Whole> at;
  V given;

  template <class R, int K> IA_NN_INLINE R computed() const noexcept { return given; }

  template <class R, int K, class Leaf> IA_NN_INLINE R leaf(Leaf const&) const noexcept {
    using T = typename Leaf::value_type;
    tile_leaf const& l = leaves[K];
    T const* const p = static_cast<T const*>(l.data) + row * l.row + column * l.column;
    if (l.column == 1) return at.template load<R>(p);
    T copy[R::size] = {};
    for (index_t i = 0; i < R::size && i < at.count; ++i) copy[i] = p[i * l.column];
    return R::load(copy);
  }
};

} // namespace detail

/// An expression with one computed leaf, prepared for evaluation in registers. Made once per
/// statement; `value` neither throws nor allocates.
template <expression E> class tile_expression {
  static_assert(E::computed == 1, "ia_nn: an expression can take the result of one matrix product "
                                  "in registers; assign the others to tensors first");

public:
  /// Every other leaf has to broadcast to rows x columns.
  /// Errors: errc::bad_shape, errc::bad_pointer.
  tile_expression(E const& e, index_t rows, index_t columns) : expression_(e) {
    e.template each_leaf<0>([&](auto index, auto const& leaf) {
      constexpr int k = decltype(index)::value;
      if constexpr (requires { leaf.view; }) {
        auto const& v = leaf.view;
        constexpr int rank = std::remove_cvref_t<decltype(v)>::rank;
        static_assert(rank <= 2, "ia_nn: operands beside a matrix product have up to 2 dimensions");
        index_t const n[2] = {rank < 2 ? 1 : v.extent(0), rank < 1 ? 1 : v.extent(rank - 1)};
        if ((n[0] != 1 && n[0] != rows) || (n[1] != 1 && n[1] != columns)) {
          index_t const to[2] = {rows, columns};
          detail::throw_no_broadcast(k, v.extents().to_string(), detail::extents_to_string(to, 2));
        }
        if (!v.data() && rows > 0 && columns > 0)
          throw_error(errc::bad_pointer,
                      "expression: the data of operand " + std::to_string(k + 1) + " is null");
        leaves_[k] = {v.data(), n[0] == 1 ? 0 : v.stride(0), n[1] == 1 ? 0 : v.stride(rank - 1)};
      }
    });
  }

  /// The values at (row, column) and the columns behind it, given those of the computed leaf in the
  /// same lanes. Lanes that do not exist are undefined and nothing is read for them.
  template <vector_register V, bool Whole>
  IA_NN_INLINE V value(index_t row, index_t column, detail::lanes<Whole> at, V computed) const noexcept {
    return expression_.template value<V, 0>(
        detail::tile_lanes<V, Whole>{leaves_, row, column, at, computed});
  }

  E const& expression() const noexcept { return expression_; }

private:
  E expression_;
  detail::tile_leaf leaves_[E::leaves];
};

namespace detail {
template <class... Es> constexpr auto find_computed(children<Es...> const& c) noexcept;
} // namespace detail

/// The computed leaf of an expression, by value: its class is known to the header that defines it.
template <expression E> constexpr auto computed_leaf_of(E const& e) noexcept {
  static_assert(E::computed == 1, "ia_nn: the expression has no single computed leaf");
  if constexpr (requires { e.args; }) return detail::find_computed(e.args);
  else return e;
}

namespace detail {
template <class... Es> constexpr auto find_computed(children<Es...> const& c) noexcept {
  using head = decltype(c.head);
  if constexpr (head::computed == 1) return computed_leaf_of(c.head);
  else return find_computed(c.tail);
}
} // namespace detail

IA_NN_END
