// SPDX-License-Identifier: Apache-2.0
//
// What the kernels of depthwise convolutions have in common: packed weights, a task, a plane of
// output.
#pragma once

#include <ia_nn/arch/dot.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/gemm/epilogue.hpp>
#include <ia_nn/ops/window.hpp>

#include <bit>
#include <span>

#include <ia_nn/begin.hpp>

namespace detail {

/// Weights of B, [tap][ld] in the element of the sums. Behind those of a window of 3 x 3 follow
///
///   integers   as s32 of four bytes, the rows of each of its columns, [column][ld], and the sums, [ld]
///   bf16       the two upper rows of each column side by side, [column][ld], and the third with
///              zeros, [column][ld]: two bf16 in the place of an f32
template <class Acc, class B> struct depthwise_weights {
  static constexpr bool pairs = std::same_as<B, bf16>;
  aligned_array<Acc> data;
  aligned_array<s32> zeros; ///< points of the filters, or none
  bool wide = false; ///< integers that are no s8, since zero points were taken off: strips cannot have them

  /// Elements per tap: whole registers.
  static constexpr index_t ld(conv_shape const& s) noexcept { return round_up(s.channels, 16); }
  static constexpr bool in_words(conv_shape const& s) noexcept {
    return (std::same_as<Acc, s32> || pairs) && s.win.kernel == spatial{1, 3, 3};
  }

  /// Zero points of the filters, or none.
  void allocate(conv_shape const& s, std::span<s32 const> zero_points) {
    data = aligned_array<Acc>((s.win.kernel.size() + (!in_words(s) ? 0 : pairs ? 6 : 4)) * ld(s));
    zeros = aligned_array<s32>(static_cast<index_t>(zero_points.size()));
    for (index_t i = 0; i < zeros.size(); ++i) zeros[i] = zero_points[static_cast<std::size_t>(i)];
  }
  /// Rounds to B first.
  template <class W> void pack(conv_shape const& s, W const* weights) noexcept {
    index_t const taps = s.win.kernel.size(), n = ld(s);
    wide = false;
    for (index_t c = 0; c < s.channels; ++c) {
      for (index_t t = 0; t < taps; ++t) {
        Acc w = static_cast<Acc>(B(weights[c * taps + t]));
        if constexpr (std::same_as<Acc, s32>)
          if (zeros.size() > 0) {
            w -= zeros[c];
            wide = wide || w < -128 || w > 127;
          }
        data[t * n + c] = w;
      }
      if constexpr (std::same_as<Acc, s32> || pairs)
        if (in_words(s)) pack_words(data.data() + c, n);
    }
  }

private:
  // Columns and sum of one channel.
  static void pack_words(s32* channel, index_t n) noexcept {
    std::uint32_t word[3] = {};
    s32 sum = 0;
    for (index_t t = 0; t < 9; ++t) {
      s32 const w = channel[t * n];
      word[t % 3] |= (static_cast<std::uint32_t>(w) & 0xffU) << (t / 3 * 8);
      sum += w;
    }
    for (index_t i = 0; i < 3; ++i) channel[(9 + i) * n] = static_cast<s32>(word[i]);
    channel[12 * n] = sum;
  }
  // Columns of one channel: first row low, second high; third low.
  static void pack_words(f32* channel, index_t n) noexcept {
    auto const bits = [&](index_t t) { return std::bit_cast<std::uint32_t>(channel[t * n]); };
    for (index_t i = 0; i < 3; ++i) {
      channel[(9 + i) * n] = std::bit_cast<f32>(bits(i) >> 16 | bits(3 + i));
      channel[(12 + i) * n] = std::bit_cast<f32>(bits(6 + i) >> 16);
    }
  }
};

template <class A, class Acc, class C> struct depthwise_task {
  conv_shape const* shape;
  A const* image;
  index_t src_ld; ///< from pixel to pixel of the image
  Acc const* weights;
  C* dst; ///< the first pixel of the lines
  index_t ld;
  index_t plane;
  block lines;
  index_t first_row; ///< number of the first pixel for the epilogue
  s32 zero_point;
  bool wide = false; ///< depthwise_weights::wide
};

/// What both kernels know of a plane of output.
struct depthwise_plane {
  conv_shape const& s_;
  window const& w_;
  spatial out_;
  index_t ld_;   ///< of weights
  block depths_; ///< of the windows of this plane, inside

  depthwise_plane(conv_shape const& s, index_t plane) noexcept
      : s_(s), w_(s.win), out_(s.out()), ld_(depthwise_weights<f32, f32>::ld(s)),
        depths_(taps_inside(plane * w_.stride.depth - w_.pad_begin.depth, w_.dilation.depth,
                            w_.kernel.depth, s.in.depth)) {}
};

} // namespace detail

IA_NN_END
