// SPDX-License-Identifier: Apache-2.0
//
// One of two numbers, as a third one says.
//
//   dst = x comparison number ? a : b          element by element; bits of a and b are copied
//
// A NaN is not equal to anything, and neither less nor greater. Each operand may be repeated along the rows
// of an item, along the columns of a row, or both.
#pragma once

#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/math/reduce.hpp>
#include <ia_nn/ops/where_kinds.hpp>

#include <ia_nn/begin.hpp>

/// The element of item i, row r and column c is at i * item + r * row + c * column; column is 0 or 1.
struct where_operand {
  f32 const* data = nullptr;
  index_t item = 0, row = 0, column = 0;
};

struct where_call {
  index_t items = 1, rows = 1, columns = 1; ///< items of so many rows
  where_operand x{}, a{}, b{};
  f32* dst = nullptr;
  index_t dst_ld = 0; ///< elements from row to row of dst; 0: columns
  comparison is = comparison::not_equal;
  f32 number = 0;
};

namespace detail {

template <comparison R, f32_register V> IA_NN_INLINE V where_of(V x, V n, V a, V b) noexcept {
  if constexpr (R == comparison::equal) return select(x == n, a, b);
  else if constexpr (R == comparison::not_equal) return select(x == n, b, a);
  else if constexpr (R == comparison::less) return select(x < n, a, b);
  else if constexpr (R == comparison::less_equal) return select(x <= n, a, b);
  else if constexpr (R == comparison::greater) return select(n < x, a, b);
  else return select(n <= x, a, b);
}
template <isa::tag I, comparison R> void where_rows(where_call const& c, index_t begin, index_t end) noexcept {
  using V = vec<f32, I>;
  index_t const ld = c.dst_ld ? c.dst_ld : c.columns;
  V const number = V::broadcast(c.number);
  for (index_t r = begin; r < end; ++r) {
    auto const row = [&](where_operand const& o) { return o.data + r / c.rows * o.item + r % c.rows * o.row; };
    f32 const *const x = row(c.x), *const a = row(c.a), *const b = row(c.b);
    each_register<V>(0, c.columns, [&](index_t i, auto at) IA_NN_LAMBDA {
      auto const load = [&](f32 const* p, where_operand const& o) IA_NN_LAMBDA {
        return o.column ? at.template load<V>(p + i) : V::broadcast(*p);
      };
      at.store(where_of<R>(load(x, c.x), number, load(a, c.a), load(b, c.b)), c.dst + r * ld + i);
    });
  }
}

} // namespace detail

/// dst may be an operand that has all elements, where rows of both are dense.
template <isa::tag I, executor E = sequential> void where(where_call const& c, E&& e = {}) noexcept {
  IA_NN_ASSERT(c.dst_ld == 0 || c.dst_ld >= c.columns, "where: rows of dst ", c.dst_ld, " elements apart hold ", c.columns);
  parallel_blocks(e, c.items * c.rows, ceil_div(8192, max_of(1, c.columns)), [&](index_t begin, index_t end, int) {
    switch (c.is) {
    case comparison::not_equal: return detail::where_rows<I, comparison::not_equal>(c, begin, end);
    case comparison::equal: return detail::where_rows<I, comparison::equal>(c, begin, end);
    case comparison::less: return detail::where_rows<I, comparison::less>(c, begin, end);
    case comparison::less_equal: return detail::where_rows<I, comparison::less_equal>(c, begin, end);
    case comparison::greater: return detail::where_rows<I, comparison::greater>(c, begin, end);
    case comparison::greater_equal: return detail::where_rows<I, comparison::greater_equal>(c, begin, end);
    }
  });
}

IA_NN_END
