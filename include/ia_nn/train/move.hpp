// SPDX-License-Identifier: Apache-2.0
//
// Gradients of moves that take each element of src at most once (ops/move.hpp): transposition, slices,
// concatenation, the shuffle of channels. The gradient of what was moved is moved back, or added; what
// was not taken has the gradient 0.
//
//   y = slice(x)   diff_x = 0 | diff_y | 0         y = concat(a, b)   diff_a, diff_b = parts of diff_y
//
// The forward move's loops are kept with their sides exchanged. Adding walks them in the order of what
// is added to: by registers where both sides are contiguous; where each is along a loop of its own, by
// squares of 64 elements that are transposed into a buffer first.
#pragma once

#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/move_kernel.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

/// Errors at construction: those of strided_move; errc::bad_shape if there are more elements moved than
/// src has, or negative ones.
template <isa::tag I> class move_backward {
  using V = vec<f32, I>;
  static constexpr index_t side = 64;

public:
  move_backward() = default;
  /// axes and offsets as the forward move had them, no stride of src being 0; src_elements: of all of
  /// src.
  move_backward(std::span<move_axis const> axes, index_t src_elements, index_t src_offset = 0,
                index_t dst_offset = 0)
      : src_elements_(src_elements) {
    static_cast<void>(strided_move<I>(4, axes)); // checks
    move_axis back[max_move_rank];
    moved_ = 1;
    for (move_axis const& a : axes) {
      moved_ *= a.extent;
      if (a.extent <= 1) continue;
      move_axis& own = back[rank_++] = {a.extent, a.src_stride, a.dst_stride};
      if (own.dst_stride >= 0) continue;
      // Backwards through both sides: what is written goes forward.
      src_offset += (own.extent - 1) * own.dst_stride,
          dst_offset += (own.extent - 1) * own.src_stride;
      own.dst_stride = -own.dst_stride, own.src_stride = -own.src_stride;
    }
    if (src_elements < 0 || moved_ > src_elements)
      throw_error(errc::bad_shape, "move_backward: " + std::to_string(moved_) + " elements of " +
                                       std::to_string(src_elements));
    to_ = src_offset, from_ = dst_offset;
    if (moved_ == 0) return;
    write_ = strided_move<I>(4, {back, static_cast<std::size_t>(rank_)}, from_, to_);
    arrange(back);
  }

  /// Of strided_move::slice.
  static move_backward slice(std::span<index_t const> extents, std::span<index_t const> start,
                             std::span<index_t const> count, std::span<index_t const> step) {
    static_cast<void>(strided_move<I>::slice(4, extents, start, count, step)); // checks
    move_axis axes[max_move_rank];
    index_t offset = 0, src = 1, dst = 1;
    for (std::size_t d = extents.size(); d-- > 0; src *= extents[d], dst *= count[d]) {
      axes[d] = {count[d], dst, src * step[d]};
      offset += count[d] > 0 ? start[d] * src : 0;
    }
    return move_backward({axes, extents.size()}, src, offset);
  }
  /// Of strided_move::transpose.
  static move_backward transpose(std::span<index_t const> extents,
                                 std::span<int const> permutation) {
    static_cast<void>(strided_move<I>::transpose(4, extents, permutation)); // checks
    move_axis axes[max_move_rank];
    index_t stride[max_move_rank];
    index_t src = 1, dst = 1;
    for (std::size_t d = extents.size(); d-- > 0; src *= extents[d]) stride[d] = src;
    for (std::size_t d = extents.size(); d-- > 0; dst *= axes[d].extent)
      axes[d] = {extents[static_cast<std::size_t>(permutation[d])], dst, stride[permutation[d]]};
    return move_backward({axes, extents.size()}, src);
  }

  /// diff_dst as dst, diff_src as src of the forward move; they must not overlap.
  template <executor E = sequential>
  void run(f32 const* diff_dst, gradient diff_src, E&& e = {}) const noexcept {
    if (!diff_src) return;
    if (!diff_src.add) {
      if (moved_ < src_elements_)
        parallel_blocks(e, src_elements_, 65536, [&](index_t begin, index_t end, int) {
          __builtin_memset(static_cast<void*>(diff_src.data + begin), 0,
                           static_cast<std::size_t>(end - begin) * sizeof(f32));
        });
      if (moved_ > 0) write_.run(diff_dst, diff_src.data, e);
      return;
    }
    if (moved_ == 0) return;
    if (transposes_) {
      index_t const steps = outer_steps(2) * squares(rank_ - 2) * squares(rank_ - 1);
      parallel_blocks(e, steps, 2, [&](index_t begin, index_t end, int) {
        for (index_t s = begin; s < end; ++s) add_square(diff_dst, diff_src.data, s);
      });
      return;
    }
    move_axis const& last = axis_[rank_ - 1];
    index_t const pieces = ceil_div(last.extent, detail::elements_of_task);
    parallel_blocks(e, outer_steps(1) * pieces, ceil_div(detail::elements_of_task, last.extent),
                    [&](index_t begin, index_t end, int) {
                      for (index_t s = begin; s < end; ++s) add(diff_dst, diff_src.data, s, pieces);
                    });
  }

private:
  // Loops in the order of what is written, those that are one on both sides merged.
  void arrange(move_axis const* axes) noexcept {
    for (int d = 0; d < rank_; ++d) axis_[d] = axes[d];
    for (int i = 1; i < rank_; ++i)
      for (int j = i; j > 0 && axis_[j - 1].dst_stride < axis_[j].dst_stride; --j) {
        move_axis const other = axis_[j];
        axis_[j] = axis_[j - 1], axis_[j - 1] = other;
      }
    for (int d = rank_ - 2; d >= 0; --d) {
      move_axis &outer = axis_[d], &inner = axis_[d + 1];
      if (outer.dst_stride != inner.dst_stride * inner.extent ||
          outer.src_stride != inner.src_stride * inner.extent)
        continue;
      inner.extent *= outer.extent;
      for (int i = d; i + 1 < rank_; ++i) axis_[i] = axis_[i + 1];
      --rank_;
    }
    if (rank_ == 0) axis_[rank_++] = {1, 1, 1};
    if (axis_[rank_ - 1].dst_stride != 1 || axis_[rank_ - 1].src_stride == 1) return;
    for (int d = 0; d + 1 < rank_; ++d) {
      if (axis_[d].src_stride != 1) continue;
      transposes_ = true;
      move_axis const contiguous = axis_[d];
      for (int i = d; i + 2 < rank_; ++i) axis_[i] = axis_[i + 1];
      axis_[rank_ - 2] = contiguous;
      return;
    }
  }
  index_t squares(int d) const noexcept { return ceil_div(axis_[d].extent, side); }
  // Of the loops but the last `inner` ones.
  index_t outer_steps(int inner) const noexcept {
    index_t n = 1;
    for (int d = 0; d < rank_ - inner; ++d) n *= axis_[d].extent;
    return n;
  }
  // To where those loops are in a step.
  void go_to(index_t step, int inner, f32 const*& from, f32*& to) const noexcept {
    from += from_, to += to_;
    for (int d = rank_ - inner - 1; d >= 0; --d) {
      index_t const at = step % axis_[d].extent;
      step /= axis_[d].extent;
      from += at * axis_[d].src_stride, to += at * axis_[d].dst_stride;
    }
  }
  void add_square(f32 const* from, f32* to, index_t step) const noexcept {
    move_axis const &columns = axis_[rank_ - 2], &rows = axis_[rank_ - 1];
    index_t const down = squares(rank_ - 1), across = squares(rank_ - 2);
    index_t const i = step % down * side, j = step / down % across * side;
    index_t const count = min_of(side, rows.extent - i), wide = min_of(side, columns.extent - j);
    go_to(step / down / across, 2, from, to);
    from += i * rows.src_stride + j, to += i + j * columns.dst_stride;
    alignas(64) f32 square[side * side];
    detail::transpose_block<I, 4>(reinterpret_cast<std::byte const*>(from), rows.src_stride * 4,
                                  reinterpret_cast<std::byte*>(square), side * 4, count, wide);
    for (index_t c = 0; c < wide; ++c)
      add_run(square + c * side, to + c * columns.dst_stride, count);
  }
  static IA_NN_INLINE void add_run(f32 const* from, f32* to, index_t n) noexcept {
    detail::each_register<V>(0, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      at.store(at.template load<V>(to + i) + at.template load<V>(from + i), to + i);
    });
  }
  void add(f32 const* from, f32* to, index_t step, index_t pieces) const noexcept {
    move_axis const& last = axis_[rank_ - 1];
    index_t const first = step % pieces * detail::elements_of_task;
    index_t const count = min_of(detail::elements_of_task, last.extent - first);
    go_to(step / pieces, 1, from, to);
    from += first * last.src_stride, to += first * last.dst_stride;
    if (last.src_stride == 1 && last.dst_stride == 1) add_run(from, to, count);
    else
      for (index_t i = 0; i < count; ++i) to[i * last.dst_stride] += from[i * last.src_stride];
  }

  strided_move<I> write_;
  move_axis axis_[max_move_rank]{}; // dst: what is written, src: diff_dst
  int rank_ = 0;
  bool transposes_ = false; // the last but one loop is contiguous in diff_dst, the last one in src
  index_t src_elements_ = 0, moved_ = 0, to_ = 0, from_ = 0;
};

/// Of `concat`: outer, extents and inner as it had them. Errors at construction: those of concat.
template <isa::tag I> class concat_backward {
public:
  concat_backward(index_t outer, std::span<index_t const> extents, index_t inner)
      : moves_(static_cast<index_t>(extents.size())) {
    static_cast<void>(concat<I>(4, outer, extents, inner)); // checks
    index_t all = 0, before = 0;
    for (index_t const n : extents) all += n;
    for (index_t s = 0; s < moves_.size(); ++s) {
      index_t const n = extents[static_cast<std::size_t>(s)];
      move_axis const axes[] = {{outer, all * inner, n * inner}, {n * inner, 1, 1}};
      moves_[s] = move_backward<I>(axes, outer * n * inner, 0, before * inner);
      before += n;
    }
  }
  /// diff_src: a request for each source.
  template <executor E = sequential>
  void run(f32 const* diff_dst, gradient const* diff_src, E&& e = {}) const noexcept {
    for (index_t s = 0; s < moves_.size(); ++s) moves_[s].run(diff_dst, diff_src[s], e);
  }

private:
  aligned_array<move_backward<I>> moves_;
};

IA_NN_END
