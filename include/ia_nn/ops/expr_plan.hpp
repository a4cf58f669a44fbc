// SPDX-License-Identifier: Apache-2.0
//
// From shapes and strides to a loop nest: dimensions are put into the order of memory, those of
// extent 1 fall away and neighbours that every operand walks in one stride are merged, so that
// contiguous operands of one shape become one flat loop. Nothing here knows element types; strides
// are in bytes.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/meta.hpp>
#include <ia_nn/ops/expr_shape.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Loops over `Count` operands, outermost first. After `collapse` there is at least one loop.
template <int Count> struct loop_nest {
  int rank = 0;
  index_t extent[max_expression_rank + 1]; // [0, rank); the arrays are not cleared: plans are short
  struct operand {
    unsigned char const* data = nullptr;
    index_t element = 0;                     // bytes of one element
    index_t stride[max_expression_rank + 1]; // bytes; 0 where the operand is stretched
  } operands[Count];

  constexpr index_t size() const noexcept {
    index_t n = 1;
    for (int d = 0; d < rank; ++d) n *= extent[d];
    return n;
  }
  constexpr index_t inner() const noexcept { return extent[rank - 1]; }

  constexpr void exchange(int a, int b) noexcept {
    index_t const e = extent[a];
    extent[a] = extent[b], extent[b] = e;
    for (operand& o : operands) {
      index_t const s = o.stride[a];
      o.stride[a] = o.stride[b], o.stride[b] = s;
    }
  }
  constexpr void erase(int at) noexcept {
    --rank;
    for (int d = at; d < rank; ++d) {
      extent[d] = extent[d + 1];
      for (operand& o : operands) o.stride[d] = o.stride[d + 1];
    }
  }
  // Loop d and the one inside it are one loop for every operand.
  constexpr bool mergeable(int d) const noexcept {
    for (operand const& o : operands)
      if (o.stride[d] != o.stride[d + 1] * extent[d + 1]) return false;
    return true;
  }
  constexpr void merge(int d) noexcept {
    extent[d + 1] *= extent[d];
    erase(d);
  }
  constexpr void append(index_t n) noexcept {
    extent[rank] = n;
    for (operand& o : operands) o.stride[rank] = o.element;
    ++rank;
  }
};

constexpr index_t magnitude_of(index_t a) noexcept { return a < 0 ? -a : a; }

/// Sorts loops [from, to) by the strides of one operand, the largest outermost, without the loops
/// of extent 1, and merges what can be merged. Returns the new end of the range.
template <int Count>
constexpr int collapse(loop_nest<Count>& nest, int from, int to, int reference) noexcept {
  for (int d = to - 1; d >= from; --d)
    if (nest.extent[d] == 1) nest.erase(d), --to;
  auto const& stride = nest.operands[reference].stride;
  for (int d = from + 1; d < to; ++d)
    for (int i = d; i > from && magnitude_of(stride[i - 1]) < magnitude_of(stride[i]); --i)
      nest.exchange(i - 1, i);
  for (int d = to - 2; d >= from; --d)
    if (nest.mergeable(d)) nest.merge(d), --to;
  return to;
}

// ---- overlap -----------------------------------------------------------------------------------

/// Decides whether steps * counts can sum to a distance, each count within its range.
class sum_search {
public:
  void add(index_t step, index_t lowest, index_t highest) noexcept {
    if (step == 0 || lowest == highest) {
      base_ += step * lowest;
      return;
    }
    if (step < 0) {
      index_t const l = lowest;
      step = -step, lowest = -highest, highest = -l;
    }
    int i = size_++;
    for (; i > 0 && terms_[i - 1].step > step; --i) terms_[i] = terms_[i - 1]; // largest last
    terms_[i] = {step, lowest, highest};
  }
  /// True if the distance is reachable, or if the search was given up.
  bool reaches(index_t distance) noexcept {
    budget_ = 512;
    return reach(size_, distance - base_);
  }

private:
  struct term {
    index_t step, lowest, highest;
  };

  bool reach(int terms, index_t distance) noexcept {
    if (terms == 0) return distance == 0;
    if (--budget_ < 0) return true;
    index_t least = 0, most = 0; // what the smaller steps can add
    for (int i = 0; i < terms - 1; ++i) {
      least += terms_[i].step * terms_[i].lowest;
      most += terms_[i].step * terms_[i].highest;
    }
    term const& t = terms_[terms - 1];
    index_t const first = max_of(t.lowest, up(distance - most, t.step));
    index_t const last = min_of(t.highest, -up(least - distance, t.step));
    for (index_t k = first; k <= last; ++k)
      if (reach(terms - 1, distance - k * t.step)) return true;
    return false;
  }
  // a / b rounded up, b > 0.
  static index_t up(index_t a, index_t b) noexcept { return a / b + (a % b > 0); }

  int size_ = 0, budget_ = 0;
  index_t base_ = 0;
  term terms_[2 * max_expression_rank + 1] = {};
};

enum class sharing { none, same, some };

/// How operand `b` shares memory with operand `a` (the destination): not at all, element for
/// element (as in y = y + 1), or otherwise. Exact for operands of one stride pattern and for
/// anything whose ranges lie apart; a search that grows long says `some`.
template <int Count>
IA_NN_NOINLINE sharing shared_memory(loop_nest<Count> const& nest, int a, int b) noexcept {
  auto const &x = nest.operands[a], &y = nest.operands[b];
  bool same = x.data == y.data && x.element == y.element;
  for (int d = 0; d < nest.rank; ++d)
    same = same && (x.stride[d] == y.stride[d] || nest.extent[d] == 1);
  if (same) return sharing::same;
  sum_search search; // bytes of x minus bytes of y, seen from their first elements
  search.add(1, -(y.element - 1), x.element - 1);
  for (int d = 0; d < nest.rank; ++d) {
    index_t const last = nest.extent[d] - 1;
    if (x.stride[d] == y.stride[d]) search.add(x.stride[d], -last, last);
    else {
      search.add(x.stride[d], 0, last);
      search.add(-y.stride[d], 0, last);
    }
  }
  auto const distance =
      reinterpret_cast<std::uintptr_t>(y.data) - reinterpret_cast<std::uintptr_t>(x.data);
  return search.reaches(static_cast<index_t>(distance)) ? sharing::some : sharing::none;
}

/// The bytes from `low` to `high` that an operand may touch, as addresses.
struct byte_range {
  std::uintptr_t low, high;
};
template <int Count> byte_range range_of(loop_nest<Count> const& nest, int k) noexcept {
  auto const& o = nest.operands[k];
  index_t low = 0, high = o.element;
  for (int d = 0; d < nest.rank; ++d)
    (o.stride[d] < 0 ? low : high) += o.stride[d] * (nest.extent[d] - 1);
  auto const base = reinterpret_cast<std::uintptr_t>(o.data);
  return {base + static_cast<std::uintptr_t>(low), base + static_cast<std::uintptr_t>(high)};
}

[[noreturn]] IA_NN_NOINLINE inline void throw_overlap(int operand) {
  throw_error(errc::overlap,
              "expression: the destination overlaps operand " + std::to_string(operand) +
                  " and is not the same elements in the same places; write to another tensor");
}
[[noreturn]] IA_NN_NOINLINE inline void throw_null(int operand) {
  throw_error(errc::bad_pointer,
              operand == 0
                  ? std::string("expression: the destination's data is null")
                  : "expression: the data of operand " + std::to_string(operand) + " is null");
}

/// Checks a nest without zero extents whose operand 0 is the destination. Only `in_place` may an
/// operand be the destination itself. Errors: errc::bad_pointer, errc::overlap.
template <int Count> void check_memory(loop_nest<Count> const& nest, bool in_place) {
  for (int k = 0; k < Count; ++k)
    if (!nest.operands[k].data) throw_null(k);
  byte_range const to = range_of(nest, 0);
  for (int k = 1; k < Count; ++k) {
    byte_range const from = range_of(nest, k);
    if (from.high <= to.low || to.high <= from.low) continue;
    sharing const s = shared_memory(nest, 0, k);
    if (s == sharing::some || (s == sharing::same && !in_place)) throw_overlap(k);
  }
}

/// Checks that a destination with free strides has one place per element: in the order of their
/// sizes, each stride has to step over what the smaller ones reach. Errors: errc::overlap.
inline void check_destination(index_t const* extent, index_t const* stride, int rank) {
  index_t span = 1;
  for (index_t done = 0; done < rank; ++done) {
    index_t lowest = PTRDIFF_MAX,
            steps = 0; // the smallest stride that does not lie inside the span
    int taken = 0;
    for (int d = 0; d < rank; ++d) {
      if (extent[d] == 1) continue;
      index_t const step = magnitude_of(stride[d]);
      if (step < span) ++taken;
      else if (step < lowest) lowest = step, steps = extent[d] - 1;
    }
    if (taken > done)
      throw_error(errc::overlap, "expression: elements of the destination overlap one another");
    if (steps == 0) return;
    span += lowest * steps;
  }
}

} // namespace detail

IA_NN_END
