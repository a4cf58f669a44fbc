// SPDX-License-Identifier: Apache-2.0
//
// Gradient of padding (ops/pad.hpp): each element of src has the sum of the gradients of those elements
// of dst that are copies of it, none of them being the constant.
//
//   reflect   src  a b c d      dst  c b a b c d c b      diff_a = g2, diff_b = g1 + g3 + g7, ...
//
// Set-up writes down for each axis which elements of dst an element of src became. A row of the result,
// along the last axis that is padded, is added up by one worker: of each row of dst that it became first
// what lies together, then what was mirrored or wrapped around. So the bits do not depend on the number
// of workers.
#pragma once

#include <ia_nn/core/memory.hpp>
#include <ia_nn/ops/pad.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

/// Errors at construction: those of pad, errc::unsupported_isa.
template <isa::tag I> class pad_backward {
  using V = vec<f32, I>;
  static constexpr std::size_t max_rank = 6;

public:
  /// As the forward pass had them: axis d of dst has begin[d] + extents[d] + end[d] elements.
  pad_backward(std::span<index_t const> extents, std::span<index_t const> begin,
               std::span<index_t const> end, pad_mode mode) {
    isa::require<typename detail::vec_tag<I>::type>();
    static_cast<void>(pad(4, extents, begin, end, mode)); // checks
    std::size_t rank = extents.size();
    if (rank == 0) return;
    // Inner axes that stay as they are make larger items.
    while (rank > 1 && begin[rank - 1] == 0 && end[rank - 1] == 0) item_ *= extents[--rank];
    rank_ = static_cast<int>(rank) - 1;
    auto const from = [&](std::size_t d, index_t i) {
      return source_of(i - begin[d], extents[d], mode);
    };
    auto const made = [&](std::size_t d) { return extents[d] + begin[d] + end[d]; };
    std::size_t const last = rank - 1;
    row_ = extents[last];
    together_ = {min_of(max_of(-begin[last], 0), row_), 0};
    together_.end = max_of(together_.begin, min_of(row_, row_ + end[last]));
    shift_ = begin[last];
    index_t moved = 0; // elements that became more than what lies together
    auto const outside = [&](index_t i) {
      index_t const k = from(last, i);
      return k >= 0 && !(i - begin[last] == k && k >= together_.begin && k < together_.end);
    };
    for (index_t i = 0; i < made(last); ++i) moved += outside(i) ? 1 : 0;
    extra_ = aligned_array<copy>(moved);
    moved = 0;
    for (index_t i = 0; i < made(last); ++i)
      if (outside(i)) extra_[moved++] = {from(last, i), i};
    index_t stride = made(last) * item_;
    for (std::size_t d = last; d-- > 0;) {
      axis& own = axis_[d];
      index_t const n = extents[d];
      own.extent = n, rows_ *= n;
      own.first = aligned_array<index_t>(n + 1);
      own.to = aligned_array<index_t>(made(d));
      // Counted, then filled in, in the order of dst.
      for (index_t i = 0; i <= n; ++i) own.first[i] = 0;
      for (index_t i = 0; i < made(d); ++i)
        if (index_t const k = from(d, i); k >= 0) ++own.first[k + 1];
      for (index_t i = 0; i < n; ++i) own.first[i + 1] += own.first[i];
      aligned_array<index_t> next(n);
      for (index_t i = 0; i < n; ++i) next[i] = own.first[i];
      for (index_t i = 0; i < made(d); ++i)
        if (index_t const k = from(d, i); k >= 0) own.to[next[k]++] = i * stride;
      stride *= made(d);
    }
  }

  template <executor E = sequential>
  void run(f32 const* diff_dst, gradient diff_src, E&& e = {}) const noexcept {
    index_t const n = row_ * item_;
    if (!diff_src || n == 0) return;
    parallel_blocks(e, rows_, ceil_div(detail::elements_of_task, n),
                    [&](index_t begin, index_t end, int) {
                      for (index_t r = begin; r < end; ++r)
                        one_row(r, diff_dst, {diff_src.data + r * n, diff_src.add});
                    });
  }

private:
  struct axis {
    index_t extent = 1;
    aligned_array<index_t> first, to; // to[first[i] .. first[i + 1]): what element i became
  };
  struct copy {
    index_t src, dst;
  };
  static index_t source_of(index_t i, index_t n, pad_mode mode) noexcept {
    if (i >= 0 && i < n) return i;
    if (mode == pad_mode::constant) return -1;
    if (mode == pad_mode::edge) return i < 0 ? 0 : n - 1;
    index_t const period = mode == pad_mode::wrap ? n : max_of(2 * (n - 1), 1);
    index_t const at = (i % period + period) % period;
    return at < n ? at : period - at;
  }
  void one_row(index_t row, f32 const* diff, gradient to) const noexcept {
    index_t const* list[max_rank] = {};
    index_t count[max_rank] = {}, copies = 1;
    for (int d = rank_ - 1; d >= 0; --d) {
      index_t const i = row % axis_[d].extent;
      row /= axis_[d].extent;
      list[d] = axis_[d].to.data() + axis_[d].first[i];
      count[d] = axis_[d].first[i + 1] - axis_[d].first[i];
      copies *= count[d];
    }
    if (!to.add) {
      index_t const begin = copies > 0 ? together_.begin : row_, end = together_.end;
      clear(to.data, begin * item_);
      if (begin < row_) clear(to.data + end * item_, (row_ - end) * item_);
    }
    for (index_t k = 0; k < copies; ++k) {
      f32 const* from = diff;
      index_t number = k;
      for (int d = rank_ - 1; d >= 0; --d) {
        from += list[d][number % count[d]];
        number /= count[d];
      }
      detail::each_register<V>(
          together_.begin * item_, together_.end * item_, [&](index_t i, auto at) IA_NN_LAMBDA {
            detail::deliver(at, at.template load<V>(from + shift_ * item_ + i), to, i);
          });
      to.add = true;
      for (copy const& c : extra_)
        detail::each_register<V>(0, item_, [&](index_t i, auto at) IA_NN_LAMBDA {
          detail::deliver(at, at.template load<V>(from + c.dst * item_ + i), to, c.src * item_ + i);
        });
    }
  }
  static void clear(f32* p, index_t n) noexcept {
    if (n > 0)
      __builtin_memset(static_cast<void*>(p), 0, static_cast<std::size_t>(n) * sizeof(f32));
  }

  int rank_ = 0; // axes in front of the row
  index_t item_ = 1, row_ = 1, rows_ = 1, shift_ = 0;
  block together_{0, 1}; // of the row: what lies together in dst, too, from shift_ on
  aligned_array<copy> extra_;
  axis axis_[max_rank];
};

IA_NN_END
