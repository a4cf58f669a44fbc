// SPDX-License-Identifier: Apache-2.0
//
// The k largest or smallest elements along an axis, [outer][n][inner] to [outer][k][inner], and where they
// were: the best first, of equal ones the lower index. -0 and 0 are equal; a NaN is above everything, so it
// is among the largest and last among the smallest, as in PyTorch.
//
// Rows (inner = 1) are read by registers: what holds nothing better than the k-th so far is passed over.
// What is better goes through a heap (ops/select.hpp).
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/workspace.hpp>
#include <ia_nn/ops/select.hpp>

#include <ia_nn/begin.hpp>

struct top_k_shape {
  index_t n = 1, k = 1, inner = 1;
  bool largest = true;
  bool sorted = true; ///< best first; else by index
};

/// Errors at construction: errc::bad_shape (n or inner below 1, n above 2^31 - 1), errc::bad_parameter (k
/// outside [1, n]), errc::unsupported_isa. The result has the same bits for any executor.
template <isa::tag I> class top_k_selection {
  using V = vec<f32, I>;

public:
  explicit top_k_selection(top_k_shape const& s, int workers = 1)
      : s_(s), workers_(workers), own_(round_up(s.k * 8, 64)) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (s.n < 1 || s.inner < 1 || s.n > INT32_MAX)
      throw_error(errc::bad_shape, "top_k: rows of " + std::to_string(s.n) + " elements, " +
                                       std::to_string(s.inner) + " side by side");
    if (s.k < 1 || s.k > s.n || workers < 1)
      throw_error(errc::bad_parameter, "top_k: " + std::to_string(s.k) + " of " + std::to_string(s.n) +
                                           " elements, " + std::to_string(workers) + " workers");
  }
  index_t workspace_bytes() const noexcept { return workers_ * own_; }

  /// src [outer][n][inner]; values and indices [outer][k][inner], null if not wanted.
  template <executor E = sequential>
  void run(index_t outer, f32 const* src, f32* values, s32* indices, workspace_view scratch,
           E&& e = {}) const noexcept {
    IA_NN_ASSERT(scratch.holds(workspace_bytes()), "top_k: a workspace of ", scratch.size,
                 " bytes, run needs ", workspace_bytes());
    run_tasks(e, workers_, outer * s_.inner, [&](index_t row, int worker) {
      index_t const o = row / s_.inner, i = row % s_.inner;
      f32 const* const x = src + o * s_.n * s_.inner + i;
      detail::best_keys best(reinterpret_cast<detail::sort_key*>(scratch.data + worker * own_), s_.k);
      if (s_.inner == 1) offer_row(x, best);
      else
        for (index_t j = 0; j < s_.n; ++j) best.offer(detail::key_of(x[j * s_.inner], j, s_.largest));
      if (s_.sorted) best.sort();
      else best.sort_by_index();
      for (index_t j = 0; j < s_.k; ++j) {
        index_t const at = (o * s_.k + j) * s_.inner + i, from = detail::index_of(best[j]);
        if (values) values[at] = x[from * s_.inner];
        if (indices) indices[at] = static_cast<s32>(from);
      }
    });
  }

private:
  void offer_row(f32 const* x, detail::best_keys& best) const noexcept {
    constexpr index_t step = 4 * V::size;
    index_t j = 0;
    auto const offer_to = [&](index_t end) {
      for (; j < end; ++j) best.offer(detail::key_of(x[j], j, s_.largest));
    };
    offer_to(s_.k); // the heap is full
    V const one = V::broadcast(1.0F), zero = V::zero();
    // 1 in lanes that hold something better than the k-th so far.
    auto const better = [&](index_t from) IA_NN_LAMBDA {
      V const v = V::load(x + from), least = V::broadcast(x[detail::index_of(best[0])]);
      return s_.largest ? select(v <= least, zero, one) : select(least <= v, zero, one);
    };
    for (index_t end = j + step; end <= s_.n; end += step) {
      V found = zero;
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) found = max(found, better(j + u * V::size));
      if (!(highest(found) > 0)) {
        j = end;
        continue;
      }
      while (j < end)
        if (highest(better(j)) > 0) offer_to(j + V::size);
        else j += V::size;
    }
    offer_to(s_.n);
  }

  top_k_shape s_;
  int workers_;
  index_t own_;
};

/// Which element along an axis is the largest (or the smallest): the first of equal ones, or the last. The
/// first (last) NaN, if there is one, as in PyTorch.
struct arg_shape {
  index_t n = 1, inner = 1;
  bool largest = true;
  bool last = false; ///< of equal ones
};

/// Errors at construction: errc::bad_shape (n or inner below 1, n above 2^31 - 1), errc::unsupported_isa.
template <isa::tag I> class arg_selection {
  using V = vec<f32, I>;
  using W = vec<s32, I>;

public:
  explicit arg_selection(arg_shape const& s) : s_(s) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (s.n < 1 || s.inner < 1 || s.n > INT32_MAX)
      throw_error(errc::bad_shape, "arg_max: rows of " + std::to_string(s.n) + " elements, " +
                                       std::to_string(s.inner) + " side by side");
  }

  /// src [outer][n][inner], dst [outer][inner].
  template <executor E = sequential>
  void run(index_t outer, f32 const* src, s32* dst, E&& e = {}) const noexcept {
    parallel_blocks(e, outer, ceil_div(4096, s_.n * s_.inner), [&](index_t begin, index_t end, int) {
      for (index_t o = begin; o < end; ++o) {
        f32 const* const x = src + o * s_.n * s_.inner;
        if (s_.inner == 1) dst[o] = row(x);
        else columns(x, dst + o * s_.inner);
      }
    });
  }

private:
  // The best so far, in each lane, and the bits of its index.
  struct best {
    V value, place;
  };
  IA_NN_INLINE void offer(best& b, V v, V here) const noexcept {
    V const place = s_.last ? select(b.value <= v, here, b.place) : select(b.value < v, here, b.place);
    V const of_nan = s_.last ? here : select(b.value == b.value, here, b.place);
    b.place = select(v == v, place, of_nan);
    b.value = select(v == v, select(b.value < v, v, b.value), v);
  }
  // The order in which the best is the largest.
  IA_NN_INLINE V load(f32 const* p) const noexcept { return s_.largest ? V::load(p) : -V::load(p); }

  s32 row(f32 const* x) const noexcept {
    detail::sort_key most = 0;
    auto const offer_one = [&](f32 v, index_t i) {
      detail::sort_key const order = detail::order_of(v);
      most = max_key(most, order << 32 | static_cast<std::uint32_t>(s_.last ? i : ~i));
    };
    if (s_.n < V::size) {
      for (index_t i = 0; i < s_.n; ++i) offer_one(s_.largest ? x[i] : -x[i], i);
    } else {
      static constexpr s32 counted[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
      W const lane = W::load(counted);
      best b{load(x), bits(lane)};
      for (index_t i = V::size; i < s_.n; i += V::size) {
        index_t const at = min_of(i, s_.n - V::size); // the last register overlaps the one before
        offer(b, load(x + at), bits(W::broadcast(static_cast<s32>(at)) + lane));
      }
      f32 value[V::size], place[V::size];
      b.value.store(value), b.place.store(place);
      for (int l = 0; l < V::size; ++l)
        offer_one(value[l], static_cast<index_t>(__builtin_bit_cast(s32, place[l])));
    }
    auto const low = static_cast<std::uint32_t>(most);
    return static_cast<s32>(s_.last ? low : ~low);
  }
  static detail::sort_key max_key(detail::sort_key a, detail::sort_key b) noexcept { return a < b ? b : a; }

  void columns(f32 const* x, s32* dst) const noexcept {
    detail::each_register<V>(0, s_.inner, [&](index_t c, auto at) IA_NN_LAMBDA {
      auto const load = [&](index_t i) IA_NN_LAMBDA {
        V const v = at.template load<V>(x + i * s_.inner + c);
        return s_.largest ? v : -v;
      };
      best b{load(0), bits(W::zero())};
      for (index_t i = 1; i < s_.n; ++i) offer(b, load(i), bits(W::broadcast(static_cast<s32>(i))));
      at.store(bits(b.place), dst + c);
    });
  }

  arg_shape s_;
};

IA_NN_END
