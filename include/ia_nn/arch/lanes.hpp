// SPDX-License-Identifier: Apache-2.0
//
// The lanes of a register that stand for elements: all of them, which is known when compiled and
// makes plain loads and stores, or a number of the first ones, which makes masked ones.
//
//   each_register<V>(begin, end, [&](index_t i, auto at) IA_NN_LAMBDA {
//     at.store(at.template load<V>(x + i) * factor, y + i);      at: lanes<true> ..., lanes<false>
//   });
#pragma once

#include <ia_nn/arch/vec.hpp>
#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// As many as the widest register has lanes.
inline constexpr f32 sixteen_ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

template <bool Whole> struct lanes {
  static constexpr bool whole = Whole;
  index_t count = 0; ///< all the register has, if Whole

  constexpr lanes() noexcept = default;
  constexpr lanes(index_t n) noexcept : count(n) {}

  /// From p[0] on; zero in lanes that stand for no element.
  template <vector_register V, class T> IA_NN_INLINE V load(T const* p) const noexcept {
    if constexpr (Whole) return V::load(p);
    else return V::load(p, count);
  }
  template <vector_register V, class T> IA_NN_INLINE void store(V v, T* p) const noexcept {
    if constexpr (Whole) v.store(p);
    else v.store(p, count);
  }
  template <vector_register V, class T> IA_NN_INLINE void store_low(V v, T* p) const noexcept {
    if constexpr (Whole) v.store_low(p);
    else v.store_low(p, count);
  }
  /// v, and `otherwise` in lanes that stand for no element.
  template <vector_register V> IA_NN_INLINE V keep(V v, V otherwise) const noexcept {
    if constexpr (Whole) return v;
    else return select(V::load(sixteen_ones, count) == V::zero(), otherwise, v);
  }
};

/// f(i, lanes) for registers of V over elements [begin, end).
template <vector_register V, class F>
IA_NN_INLINE void each_register(index_t begin, index_t end, F&& f) noexcept {
  index_t i = begin;
  for (; i + V::size <= end; i += V::size) f(i, lanes<true>{V::size});
  if (i < end) f(i, lanes<false>{end - i});
}

} // namespace detail

IA_NN_END
