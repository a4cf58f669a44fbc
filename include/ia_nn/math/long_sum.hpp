// SPDX-License-Identifier: Apache-2.0
//
// Sums of many numbers. A running sum of n numbers in f32 may be off by n 2^-24 of the sum of their
// magnitudes, and stops growing at 2^24 ones. Here each addition also yields what it rounded away
// (Knuth's two-sum), and those rests have a sum of their own:
//
//   total   1000.0 | 0.1 -> 1000.1 rounded      left   1000.0 + 0.1 - that
//
// Six operations instead of one, so what is added are sums of few numbers, made in the plain way:
// of m numbers they are off by (m - 1) 2^-24 of the magnitudes at most, and so is the whole.
#pragma once

#include <ia_nn/math/reduce.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <f32_register V> struct long_sum {
  V total = V::zero(), left = V::zero();

  IA_NN_INLINE void add(V x) noexcept {
    V const next = total + x, added = next - total;
    left = left + ((total - (next - added)) + (x - added));
    total = next;
  }
  IA_NN_INLINE void add(long_sum const& other) noexcept {
    add(other.total);
    left = left + other.left;
  }
  /// Rounded once. A total that is not finite has a NaN beside it and stands for itself.
  IA_NN_INLINE V value() const noexcept {
    return select(total - total == V::zero(), total + left, total);
  }
};

} // namespace detail

IA_NN_END
