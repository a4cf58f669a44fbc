// SPDX-License-Identifier: Apache-2.0
//
// Elements moved and not changed: transposition, slices, concatenation. Everything is one loop nest
// in bytes,
//
//   dst[i0, i1 ...] = src[i0, i1 ...]     with strides of its own on either side
//
// from which set-up drops extents of 1, merges loops that are one loop on both sides, and chooses
// how the inner loop runs:
//
//   runs      both sides contiguous: memcpy
//   blocks    dst contiguous along one loop, src along another: square blocks transposed in
//             registers, a cache line of dst at a time (move_kernel.hpp)
//   elements  else, one by one
//
// Elements have 1, 2 or 4 bytes (8 too where no block is transposed): the type does not matter.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/vec.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/ops/move_kernel.hpp>

#include <span>

#include <ia_nn/begin.hpp>

inline constexpr int max_move_rank = 8;

/// One loop of a move: strides in elements, src's may be negative or 0.
struct move_axis {
  index_t extent = 1, dst_stride = 0, src_stride = 0;
};

/// A plan to move elements. Errors at construction: errc::bad_parameter (an element size that is
/// not 1, 2, 4 or 8, more than 8 axes), errc::bad_shape (negative extents).
template <isa::tag I> class strided_move {
public:
  strided_move() = default;
  /// Any loop nest; each element of dst must be met once. src_offset: of index 0 on every axis.
  strided_move(index_t element_bytes, std::span<move_axis const> axes, index_t src_offset = 0,
               index_t dst_offset = 0)
      : element_(element_bytes), src_offset_(src_offset * element_bytes),
        dst_offset_(dst_offset * element_bytes) {
    isa::require<typename detail::vec_tag<I>::type>();
    check_element(element_bytes, axes.size());
    bool nothing = false;
    for (move_axis const& a : axes) {
      if (a.extent < 0)
        throw_error(errc::bad_shape, "move: an extent is " + std::to_string(a.extent));
      nothing = nothing || a.extent == 0;
      if (a.extent > 1)
        axis_[rank_++] = {a.extent, a.dst_stride * element_, a.src_stride * element_};
    }
    if (nothing) axis_[0] = {0, element_, element_}, rank_ = 1;
    arrange();
  }

  /// src[start + i * step] along each axis, dense, to dst, dense, of shape `count`. Negative steps
  /// go backwards. Errors: errc::bad_parameter for a step of 0, errc::bad_shape for elements
  /// outside of src or lists of different lengths.
  static strided_move slice(index_t element_bytes, std::span<index_t const> extents,
                            std::span<index_t const> start, std::span<index_t const> count,
                            std::span<index_t const> step) {
    std::size_t const rank = extents.size();
    check_element(element_bytes, rank);
    if (start.size() != rank || count.size() != rank || step.size() != rank)
      throw_error(errc::bad_shape,
                  "slice: start, count and step need " + std::to_string(rank) + " numbers each");
    move_axis axes[max_move_rank];
    index_t offset = 0, src = 1, dst = 1;
    for (std::size_t d = rank; d-- > 0;) {
      if (step[d] == 0)
        throw_error(errc::bad_parameter, "slice: the step of axis " + std::to_string(d) + " is 0");
      auto const inside = [&](index_t i) { return i >= 0 && i < extents[d]; };
      index_t last = 0; // by wrapping around it would be inside again
      bool const far = __builtin_mul_overflow(max_of(count[d], 1) - 1, step[d], &last) ||
                       __builtin_add_overflow(last, start[d], &last);
      if (count[d] < 0 || (count[d] > 0 && (far || !(inside(start[d]) && inside(last)))))
        throw_error(errc::bad_shape,
                    "slice: axis " + std::to_string(d) + ": elements " + std::to_string(start[d]) +
                        " to " + (far ? "beyond 2^63" : std::to_string(last)) + " of " +
                        std::to_string(extents[d]));
      // A step from a single element is not taken.
      axes[d] = {count[d], dst, count[d] > 1 ? src * step[d] : 0};
      offset += count[d] > 0 ? start[d] * src : 0;
      src *= extents[d], dst *= count[d];
    }
    return strided_move(element_bytes, {axes, rank}, offset);
  }

  /// Axis d of dst is axis permutation[d] of src, which has these extents; both dense. Errors:
  /// errc::bad_shape for a list of another length, errc::bad_parameter if it is no permutation.
  static strided_move transpose(index_t element_bytes, std::span<index_t const> extents,
                                std::span<int const> permutation) {
    std::size_t const rank = extents.size();
    check_element(element_bytes, rank);
    if (permutation.size() != rank)
      throw_error(errc::bad_shape, "transpose: a permutation of " +
                                       std::to_string(permutation.size()) + " axes for " +
                                       std::to_string(rank));
    index_t stride[max_move_rank];
    index_t dst = 1;
    for (std::size_t d = rank; d-- > 0; dst *= extents[d]) stride[d] = dst;
    move_axis axes[max_move_rank];
    unsigned seen = 0;
    dst = 1;
    for (std::size_t d = rank; d-- > 0;) {
      int const from = permutation[d];
      if (from < 0 || static_cast<std::size_t>(from) >= rank || (seen >> from & 1U) != 0)
        throw_error(errc::bad_parameter,
                    "transpose: axis " + std::to_string(from) + " does not exist or occurs twice");
      seen |= 1U << from;
      axes[d] = {extents[static_cast<std::size_t>(from)], dst, stride[from]};
      dst *= axes[d].extent;
    }
    return strided_move(element_bytes, {axes, rank});
  }

  /// The ranges must not overlap.
  template <executor E = sequential>
  void run(void const* src, void* dst, E&& e = {}) const noexcept {
    auto const* const from = static_cast<std::byte const*>(src) + src_offset_;
    auto* const to = static_cast<std::byte*>(dst) + dst_offset_;
    index_t const per_task = ceil_div(32768, max_of(bytes_per_step_, 1));
    parallel_blocks(e, steps_, per_task, [&](index_t begin, index_t end, int) {
      index_t at[max_move_rank];
      std::byte const* p = from;
      std::byte* q = to;
      index_t rest = begin;
      for (int d = outer_ - 1; d >= 0; --d) {
        at[d] = rest % outer_axis_[d].extent;
        rest /= outer_axis_[d].extent;
        p += at[d] * outer_axis_[d].src, q += at[d] * outer_axis_[d].dst;
      }
      for (index_t s = begin; s < end; ++s) {
        step(p, q, at);
        for (int d = outer_ - 1; d >= 0; --d) { // the next one
          loop const& l = outer_axis_[d];
          bool const wraps = ++at[d] == l.extent;
          index_t const by = wraps ? 1 - l.extent : 1;
          p += by * l.src, q += by * l.dst;
          if (!wraps) break;
          at[d] = 0;
        }
      }
    });
  }

private:
  struct loop {
    index_t extent, dst, src;
  };
  enum class way { runs, blocks, elements };
  static constexpr index_t columns_per_step = 128;

  static void check_element(index_t bytes, std::size_t rank) {
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
      throw_error(errc::bad_parameter,
                  "move: elements of " + std::to_string(bytes) + " bytes, not 1, 2, 4 or 8");
    if (rank > static_cast<std::size_t>(max_move_rank))
      throw_error(errc::bad_parameter, "move: " + std::to_string(rank) + " axes, at most " +
                                           std::to_string(max_move_rank) + " are possible");
  }

  // Loops in the order of dst, those that are one on both sides merged.
  void arrange() noexcept {
    for (int i = 1; i < rank_; ++i)
      for (int j = i; j > 0 && axis_[j - 1].dst < axis_[j].dst; --j) exchange(j - 1, j);
    for (int d = rank_ - 2; d >= 0; --d) {
      loop &outer = axis_[d], &inner = axis_[d + 1];
      if (outer.dst != inner.dst * inner.extent || outer.src != inner.src * inner.extent) continue;
      inner.extent *= outer.extent;
      for (int i = d; i + 1 < rank_; ++i) axis_[i] = axis_[i + 1];
      --rank_;
    }
    if (rank_ == 0) axis_[rank_++] = {1, element_, element_};
    loop const last = axis_[rank_ - 1];
    way_ = way::elements;
    int contiguous = -1; // of the loops of src
    for (int d = 0; d < rank_; ++d)
      if (axis_[d].src == element_) contiguous = d;
    if (last.dst == element_ && last.src == element_) way_ = way::runs;
    else if (last.dst == element_ && contiguous >= 0 && element_ <= 4) {
      way_ = way::blocks;
      // Next to last, so that the loops before them are the outer ones.
      for (int d = contiguous; d + 2 < rank_; ++d) exchange(d, d + 1);
    }
    outer_ = rank_ - (way_ == way::blocks ? 2 : 1);
    for (int d = 0; d < outer_; ++d) outer_axis_[d] = axis_[d];
    last_ = last;
    bytes_per_step_ = last.extent * element_;
    if (way_ == way::blocks) {
      // Rows of a block: a cache line of dst, more where there are few columns.
      columns_ = axis_[rank_ - 2];
      rows_per_step_ = 64 / element_ * max_of(32 / columns_.extent, 1);
      // All rows of some columns, before the next columns: dst is then written in one piece.
      outer_axis_[outer_++] = {ceil_div(columns_.extent, columns_per_step),
                               columns_per_step * columns_.dst, columns_per_step * columns_.src};
      outer_axis_[outer_++] = {ceil_div(last.extent, rows_per_step_), rows_per_step_ * last.dst,
                               rows_per_step_ * last.src};
      bytes_per_step_ = rows_per_step_ * min_of(columns_.extent, columns_per_step) * element_;
    }
    steps_ = 1;
    for (int d = 0; d < outer_; ++d) steps_ *= outer_axis_[d].extent;
  }
  void exchange(int a, int b) noexcept {
    loop const l = axis_[a];
    axis_[a] = axis_[b], axis_[b] = l;
  }

  // One step, at[] being its place in the outer loops.
  void step(std::byte const* src, std::byte* dst, index_t const* at) const noexcept {
    if (way_ == way::runs) {
      if (bytes_per_step_ > 0) std::memcpy(dst, src, static_cast<std::size_t>(bytes_per_step_));
    } else if (way_ == way::blocks) {
      index_t const rows = min_of(rows_per_step_, last_.extent - at[outer_ - 1] * rows_per_step_);
      index_t const columns =
          min_of(columns_per_step, columns_.extent - at[outer_ - 2] * columns_per_step);
      auto const block = [&](auto size) {
        detail::transpose_block<I, decltype(size)::value>(src, last_.src, dst, columns_.dst, rows,
                                                          columns);
      };
      if (element_ == 1) block(constant<1>{});
      else if (element_ == 2) block(constant<2>{});
      else block(constant<4>{});
    } else if (element_ == 1) elements<1>(src, dst, last_);
    else if (element_ == 2) elements<2>(src, dst, last_);
    else if (element_ == 4) elements<4>(src, dst, last_);
    else elements<8>(src, dst, last_);
  }
  template <int Size>
  static void elements(std::byte const* src, std::byte* dst, loop const& l) noexcept {
    for (index_t i = 0; i < l.extent; ++i) std::memcpy(dst + i * l.dst, src + i * l.src, Size);
  }

  index_t element_ = 1, src_offset_ = 0, dst_offset_ = 0;
  loop axis_[max_move_rank]{};       // set-up's
  loop outer_axis_[max_move_rank]{}; // what run walks; in each step:
  loop last_{}, columns_{};
  int rank_ = 0, outer_ = 0;
  way way_ = way::elements;
  index_t steps_ = 0, bytes_per_step_ = 0, rows_per_step_ = 1;
};

/// [batch][channels][pixels] to [batch][pixels][channels] (NCHW to NHWC).
template <isa::tag I, element T, executor E = sequential>
void to_channels_last(index_t batch, index_t channels, index_t pixels, T const* src, T* dst,
                      E&& e = {}) {
  move_axis const axes[] = {
      {batch, channels * pixels, channels * pixels}, {pixels, channels, 1}, {channels, 1, pixels}};
  strided_move<I>(sizeof(T), axes).run(src, dst, e);
}
/// [batch][pixels][channels] to [batch][channels][pixels] (NHWC to NCHW).
template <isa::tag I, element T, executor E = sequential>
void to_channels_first(index_t batch, index_t channels, index_t pixels, T const* src, T* dst,
                       E&& e = {}) {
  to_channels_last<I>(batch, pixels, channels, src, dst, e);
}

/// Concatenation along an axis: dense arrays [outer][extent of the source][inner] to one
/// [outer][sum of the extents][inner]. Errors at construction: errc::bad_shape, errc::bad_parameter
/// (element size).
template <isa::tag I> class concat {
public:
  concat(index_t element_bytes, index_t outer, std::span<index_t const> extents, index_t inner)
      : moves_(static_cast<index_t>(extents.size())) {
    index_t all = 0, before = 0;
    for (index_t const n : extents) {
      if (n < 0 || outer < 0 || inner < 0)
        throw_error(errc::bad_shape, "concat: an extent is negative");
      all += n;
    }
    for (index_t s = 0; s < moves_.size(); ++s) {
      index_t const n = extents[static_cast<std::size_t>(s)];
      move_axis const axes[] = {{outer, all * inner, n * inner}, {n * inner, 1, 1}};
      moves_[s] = strided_move<I>(element_bytes, axes, 0, before * inner);
      before += n;
    }
  }
  /// src: one pointer for each extent. The ranges must not overlap.
  template <executor E = sequential>
  void run(void const* const* src, void* dst, E&& e = {}) const noexcept {
    for (index_t s = 0; s < moves_.size(); ++s) moves_[s].run(src[s], dst, e);
  }

private:
  aligned_array<strided_move<I>> moves_;
};

IA_NN_END
