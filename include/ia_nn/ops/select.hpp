// SPDX-License-Identifier: Apache-2.0
//
// The best of many numbers. Numbers become integers of the same order, with their index behind it:
//
//   key = [ order of the number, 32 bits ][ index, inverted, 32 bits ]
//
// so that no two keys are equal, of equal numbers the lower index comes first, and the result does not
// depend on how keys are sorted. -0 and 0 are equal. A NaN is above everything, as in PyTorch's sort.
//
// The best k of n go through a heap of k keys whose lowest one is on top: most numbers are compared with
// it and go. O(n) where the best come early, O(n log k) at most.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Unsigned integers in the order of f32.
constexpr std::uint32_t order_of(f32 x) noexcept {
  if (x != x) return 0xffffffffU;
  if (x == 0) return 0x80000000U; // either zero
  auto const u = __builtin_bit_cast(std::uint32_t, x);
  return (u >> 31) != 0 ? ~u : u | 0x80000000U;
}

using sort_key = std::uint64_t;

/// Larger for larger numbers (smaller ones if not `highest_first`), then for lower indices below 2^32.
constexpr sort_key key_of(f32 x, index_t index, bool highest_first = true) noexcept {
  std::uint32_t const order = highest_first ? order_of(x) : ~order_of(x);
  return static_cast<sort_key>(order) << 32 | static_cast<std::uint32_t>(~index);
}
constexpr index_t index_of(sort_key k) noexcept {
  return static_cast<index_t>(static_cast<std::uint32_t>(~k));
}

/// The largest of the keys that are offered, in memory for `capacity` of them.
class best_keys {
public:
  constexpr best_keys(sort_key* memory, index_t capacity) noexcept
      : keys_(memory), capacity_(capacity) {}

  constexpr index_t size() const noexcept { return size_; }
  constexpr sort_key operator[](index_t i) const noexcept { return keys_[i]; }

  constexpr void offer(sort_key k) noexcept {
    if (size_ == capacity_) {
      if (size_ > 0 && k > keys_[0]) sink(k, 0, size_);
      return;
    }
    index_t at = size_++; // rises to its place
    while (at > 0 && keys_[(at - 1) / 2] > k) keys_[at] = keys_[(at - 1) / 2], at = (at - 1) / 2;
    keys_[at] = k;
  }
  /// Largest first. Nothing can be offered any more.
  constexpr void sort() noexcept {
    for (index_t end = size_; end > 1; --end) {
      sort_key const last = keys_[end - 1];
      keys_[end - 1] = keys_[0];
      sink(last, 0, end - 1);
    }
  }
  /// Lowest index first; nothing can be offered any more.
  constexpr void sort_by_index() noexcept {
    auto const turn = [&] { // the halves of each key change places
      for (index_t i = 0; i < size_; ++i) keys_[i] = keys_[i] << 32 | keys_[i] >> 32;
    };
    turn();
    for (index_t at = size_ / 2; at-- > 0;) sink(keys_[at], at, size_);
    sort();
    turn();
  }

private:
  // Puts k where `at` is free, and the lowest on top.
  constexpr void sink(sort_key k, index_t at, index_t end) noexcept {
    for (index_t child = 2 * at + 1; child < end; child = 2 * at + 1) {
      if (child + 1 < end && keys_[child + 1] < keys_[child]) ++child;
      if (keys_[child] >= k) break;
      keys_[at] = keys_[child], at = child;
    }
    keys_[at] = k;
  }

  sort_key* keys_;
  index_t capacity_, size_ = 0;
};

} // namespace detail

IA_NN_END
