// SPDX-License-Identifier: Apache-2.0
//
// In which order the channels of a value lie, the elements of its last axis. What a network counts
// as channels 0, 1, ... n - 1 may lie in another order in memory, if whatever makes and reads the
// value knows it (passes/orders.hpp).
//
// Two things reorder channels in published networks: the shuffle of c by n / c, which is a
// transposition,
//
//   view (c, n / c), transposed       place i holds channel i % c (n / c) + i / c
//
// and the reversal, after which place i holds channel n - 1 - i. n is 1 modulo n - 1, so a shuffle
// is a multiplication there: place i holds channel i (n / c) modulo n - 1, and the last place the
// last channel. A reversal is the multiplication by -1 that also exchanges the first place and the
// last. So whatever shuffles and reversals make one behind the other is a factor and a sign, and
// their sequence does not matter.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct channel_order {
  index_t factor = 1; ///< modulo n - 1, at least 1; 0: as in what is read
  bool reversed = false;

  static constexpr channel_order as_read() { return {0, false}; }
  static constexpr channel_order backwards() { return {1, true}; }
  /// Of n channels, seen as c rows of n / c and transposed. The columns of a flattened image of c
  /// channels lie so: pixel by pixel, and are counted channel by channel.
  static constexpr channel_order shuffled(index_t c, index_t n) {
    return {n > 2 && c > 1 ? n / c : 1}; // n itself is 1
  }

  constexpr bool is_read() const { return factor == 0; }
  constexpr bool as_counted() const { return factor == 1 && !reversed; }
  /// The channel that lies in place i of n.
  constexpr index_t at(index_t i, index_t n) const {
    index_t const k = i == n - 1 ? i : i * factor % (n - 1);
    return reversed ? n - 1 - k : k;
  }
  /// Place i holds channel x.at(y.at(i)) of n.
  static constexpr channel_order product(channel_order x, channel_order y, index_t n) {
    if (y.as_counted()) return x;
    return {n > 2 ? x.factor * y.factor % (n - 1) : 1, x.reversed != y.reversed};
  }
  /// What gives `whole` behind `part`.
  static constexpr channel_order quotient(channel_order whole, channel_order part, index_t n) {
    if (part.as_counted()) return whole;
    return product(whole, {inverse(part.factor, n), part.reversed}, n);
  }
  friend constexpr bool operator==(channel_order const&, channel_order const&) = default;

private:
  /// By Euclid's algorithm: b = y factor modulo n - 1 in each step, until b is 1.
  static constexpr index_t inverse(index_t factor, index_t n) {
    if (n <= 2) return 1;
    index_t a = n - 1, b = factor, x = 0, y = 1;
    while (b != 0) {
      index_t const q = a / b, c = a - q * b, z = x - q * y;
      a = b, b = c, x = y, y = z;
    }
    return x < 0 ? x + n - 1 : x;
  }
};

} // namespace graph
IA_NN_END
