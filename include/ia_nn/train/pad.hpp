// SPDX-License-Identifier: Apache-2.0
//
// Gradient of padding (ops/pad.hpp): each element of src has the sum of the gradients of those elements
// of dst that are copies of it, none of them being the constant.
//
//   reflect   src  a b c d      dst  c b a b c d c b      diff_a = g2, diff_b = g1 + g3 + g7, ...
//
// Set-up writes down for each axis which elements of dst an element of src became. An element of the
// result adds them in their order, so the bits do not depend on the number of workers.
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
    // Inner axes that stay as they are make larger items.
    while (rank > 0 && begin[rank - 1] == 0 && end[rank - 1] == 0) item_ *= extents[--rank];
    rank_ = static_cast<int>(rank);
    index_t stride = item_;
    for (std::size_t d = rank; d-- > 0;) {
      axis& own = axis_[d];
      index_t const n = extents[d], made = n + begin[d] + end[d];
      own.extent = n, cells_ *= n;
      own.first = aligned_array<index_t>(n + 1);
      own.to = aligned_array<index_t>(made);
      // Counted, then filled in, in the order of dst.
      auto const from = [&](index_t i) { return source_of(i - begin[d], n, mode); };
      for (index_t i = 0; i <= n; ++i) own.first[i] = 0;
      for (index_t i = 0; i < made; ++i)
        if (index_t const k = from(i); k >= 0) ++own.first[k + 1];
      for (index_t i = 0; i < n; ++i) own.first[i + 1] += own.first[i];
      aligned_array<index_t> next(n);
      for (index_t i = 0; i < n; ++i) next[i] = own.first[i];
      for (index_t i = 0; i < made; ++i)
        if (index_t const k = from(i); k >= 0) own.to[next[k]++] = i * stride;
      stride *= made;
    }
  }

  template <executor E = sequential>
  void run(f32 const* diff_dst, gradient diff_src, E&& e = {}) const noexcept {
    if (!diff_src || item_ == 0) return;
    parallel_blocks(e, cells_, ceil_div(4096, item_), [&](index_t begin, index_t end, int) {
      for (index_t cell = begin; cell < end; ++cell) one_cell(cell, diff_dst, diff_src);
    });
  }

private:
  struct axis {
    index_t extent = 1;
    aligned_array<index_t> first, to; // to[first[i] .. first[i + 1]): what element i became
  };
  static index_t source_of(index_t i, index_t n, pad_mode mode) noexcept {
    if (i >= 0 && i < n) return i;
    if (mode == pad_mode::constant) return -1;
    if (mode == pad_mode::edge) return i < 0 ? 0 : n - 1;
    index_t const period = mode == pad_mode::wrap ? n : max_of(2 * (n - 1), 1);
    index_t const at = (i % period + period) % period;
    return at < n ? at : period - at;
  }
  void one_cell(index_t cell, f32 const* diff, gradient const& to) const noexcept {
    index_t const* list[max_rank] = {};
    index_t count[max_rank] = {}, copies = 1, rest = cell;
    for (int d = rank_ - 1; d >= 0; --d) {
      index_t const i = rest % axis_[d].extent;
      rest /= axis_[d].extent;
      list[d] = axis_[d].to.data() + axis_[d].first[i];
      count[d] = axis_[d].first[i + 1] - axis_[d].first[i];
      copies *= count[d];
    }
    detail::each_register<V>(0, item_, [&](index_t i, auto at) IA_NN_LAMBDA {
      V total = V::zero();
      for (index_t k = 0; k < copies; ++k) {
        index_t number = k, place = i;
        for (int d = rank_ - 1; d >= 0; --d) {
          place += list[d][number % count[d]];
          number /= count[d];
        }
        total = total + at.template load<V>(diff + place);
      }
      detail::deliver(at, total, to, cell * item_ + i);
    });
  }

  int rank_ = 0;
  index_t item_ = 1, cells_ = 1;
  axis axis_[max_rank];
};

IA_NN_END
