// SPDX-License-Identifier: Apache-2.0
//
// Buffers that live at different times share bytes: they are placed by size, largest first, each at the
// lowest offset at which nothing lives at its time. Offsets and sizes are multiples of 64 bytes.
#pragma once

#include <ia_nn/core/types.hpp>

#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

struct buffer {
  index_t bytes = 0; ///< of one item, if the batch is open
  int first = 0, last = 0;
  index_t offset = 0;
  int node = -1; ///< the first value in it

  constexpr bool lives_with(buffer const& o) const { return first <= o.last && o.first <= last; }
  constexpr bool touches(buffer const& o) const {
    return offset < o.offset + o.bytes && o.offset < offset + bytes;
  }
};

/// True if no two buffers share a byte and a moment, and all lie within the workspace.
template <class Buffers> constexpr bool never_overlaps(Buffers const& all, index_t bytes) {
  bool in_order = true; // by the time they begin: then those that live together are close
  for (auto a = all.begin(); a != all.end(); ++a) {
    if (a->offset < 0 || a->offset % 64 != 0 || a->offset + a->bytes > bytes) return false;
    auto const next = a + 1;
    in_order = in_order && (next == all.end() || a->first <= next->first);
  }
  for (auto a = all.begin(); a != all.end(); ++a)
    for (auto b = a + 1; b != all.end(); ++b) {
      if (in_order && b->first > a->last) break;
      if (a->lives_with(*b) && a->touches(*b)) return false;
    }
  return true;
}

namespace detail {

/// Buffer numbers, largest first; of equal ones the first comes first.
constexpr std::vector<int> by_size(std::vector<buffer> const& all) {
  std::vector<int> from, to;
  for (std::size_t i = 0; i < all.size(); ++i) from.push_back(static_cast<int>(i));
  to = from;
  auto const bytes = [&](std::size_t i) { return all[static_cast<std::size_t>(from[i])].bytes; };
  for (std::size_t run = 1; run < from.size(); run *= 2) { // merge sort
    for (std::size_t begin = 0; begin < from.size(); begin += 2 * run) {
      std::size_t const middle = begin + run < from.size() ? begin + run : from.size(),
                        end = middle + run < from.size() ? middle + run : from.size();
      std::size_t l = begin, r = middle;
      for (std::size_t k = begin; k < end; ++k) {
        bool const left = r == end || (l < middle && bytes(l) >= bytes(r));
        to[k] = left ? from[l++] : from[r++];
      }
    }
    from.swap(to);
  }
  return from;
}

} // namespace detail

/// Sets the offsets of buffers that are numbered by the time at which they begin; returns the bytes of
/// all. Those that live at some time of buffer i lie between the first that is still alive when it begins
/// and the last that begins before it ends.
constexpr index_t arrange(std::vector<buffer>& all) {
  std::size_t const count = all.size();
  index_t bytes = 0;
  std::vector<char> placed(count, 0);
  std::vector<std::size_t> from(count, 0), to(count, 0);
  for (std::size_t i = 0, oldest = 0; i < count; ++i) {
    while (all[oldest].last < all[i].first) ++oldest;
    from[i] = oldest;
    std::size_t low = i, high = count; // the first that begins behind its end
    while (low < high) {
      std::size_t const middle = (low + high) / 2;
      if (all[middle].first <= all[i].last) low = middle + 1;
      else high = middle;
    }
    to[i] = low;
  }
  std::vector<std::size_t> near; // by offset
  for (int const number : detail::by_size(all)) {
    auto const i = static_cast<std::size_t>(number);
    buffer& b = all[i];
    near.clear();
    for (std::size_t k = from[i]; k < to[i]; ++k) {
      if (!placed[k] || !b.lives_with(all[k])) continue;
      near.push_back(k);
      for (std::size_t p = near.size() - 1; p > 0; --p) {
        if (all[near[p - 1]].offset <= all[near[p]].offset) break;
        std::size_t const t = near[p];
        near[p] = near[p - 1];
        near[p - 1] = t;
      }
    }
    index_t offset = 0;
    for (std::size_t const p : near) {
      buffer const& other = all[p];
      if (offset + b.bytes <= other.offset) break;
      if (offset < other.offset + other.bytes) offset = other.offset + other.bytes;
    }
    b.offset = offset;
    if (bytes < offset + b.bytes) bytes = offset + b.bytes;
    placed[i] = 1;
  }
  return bytes;
}

} // namespace graph
IA_NN_END
