// SPDX-License-Identifier: Apache-2.0
//
// Depthwise convolution, one filter per channel: lanes are channels, no product of matrices.
// conv_depthwise_strip.hpp serves windows of three neighbouring taps, conv_depthwise_pairs.hpp those
// of 3 x 3 where an instruction multiplies pairs of bf16, this file all others.
//
//   a block of 4 registers of channels
//     line of output
//       2 or 4 neighbouring outputs at once (`together`): the weights of a tap serve them all
//
//   for each tap:  w = weights[tap][4 registers];  acc[p][v] += src[p * stride + tap][v] * w[v]
//
// Windows that reach over the border take the taps inside it, one pixel at a time: 4 registers of
// channels are sums enough to keep the multipliers busy. Nothing is copied or padded.
//
// On integers each tap is widened and multiplied in 32 bits, exactly.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/tiling.hpp>
#include <ia_nn/ops/conv_depthwise_pairs.hpp>
#include <ia_nn/ops/conv_depthwise_strip.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <isa::tag I, class Task, class Epilogue> class depthwise_band : depthwise_plane {
  using a_type = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.image)>>;
  using acc = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.weights)>>;
  using C = std::remove_pointer_t<decltype(Task{}.dst)>;
  using V = vec<acc, I>;
  static constexpr int width = V::size, registers = 4;
  static constexpr int together = vector_registers<I> == 32 ? 4 : 2; // pixels

public:
  depthwise_band(Task const& t, Epilogue const& e) noexcept
      : depthwise_plane(*t.shape, t.plane), t_(t), epilogue_(e) {}

  void run() noexcept {
    if constexpr (multiplies_pairs<I, a_type>) {
      using pairs = depthwise_pairs<I, Task, Epilogue>;
      if (pairs::serve(s_)) return pairs(t_, epilogue_).run();
    }
    using strips = depthwise_strips<I, Task, Epilogue>;
    if (!t_.wide && strips::serve(s_)) return strips(t_, epilogue_).run();
    index_t c = 0;
    for (; c + registers * width <= s_.channels; c += registers * width)
      channels<registers, true>(c);
    for (; c + width <= s_.channels; c += width) channels<1, true>(c);
    if (c < s_.channels) channels<1, false>(c);
  }

private:
  // Taps of the windows of one line, along all three axes.
  struct window_part {
    block d, h, w;
    index_t z, y, x; ///< of the first tap, inside or not
  };

  template <int R, bool Whole> void channels(index_t c) noexcept {
    window_part part{};
    part.z = t_.plane * w_.stride.depth - w_.pad_begin.depth;
    part.d = depths_;
    // Outputs whose windows are inside the line: [inner, outer).
    index_t const inner =
        min_of(out_.width, ceil_div(max_of(0, w_.pad_begin.width), w_.stride.width));
    index_t const room = s_.in.width + w_.pad_begin.width - w_.reach(2);
    index_t const outer =
        max_of(inner, min_of(out_.width, room < 0 ? 0 : room / w_.stride.width + 1));
    for (index_t y = t_.lines.begin; y < t_.lines.end; ++y) {
      part.y = y * w_.stride.height - w_.pad_begin.height;
      part.h = taps_inside(part.y, w_.dilation.height, w_.kernel.height, s_.in.height);
      index_t x = 0;
      for (; x < inner; ++x) at_border<R, Whole>(part, c, y, x);
      part.w = {0, w_.kernel.width};
      for (; x + together <= outer; x += together) {
        part.x = x * w_.stride.width - w_.pad_begin.width;
        pixels<together, R, Whole>(part, c, y, x);
      }
      for (; x < out_.width; ++x) at_border<R, Whole>(part, c, y, x);
    }
  }

  template <int R, bool Whole>
  IA_NN_INLINE void at_border(window_part& part, index_t c, index_t y, index_t x) noexcept {
    part.x = x * w_.stride.width - w_.pad_begin.width;
    part.w = taps_inside(part.x, w_.dilation.width, w_.kernel.width, s_.in.width);
    pixels<1, R, Whole>(part, c, y, x);
  }

  template <int P, int R, bool Whole>
  IA_NN_NOINLINE void pixels(window_part const& part, index_t c, index_t y, index_t x) noexcept {
    lanes<Whole> const at{Whole ? width : s_.channels - c};
    index_t const step = w_.stride.width * t_.src_ld;
    index_t const tap = w_.dilation.width * t_.src_ld;
    V sum[P][R];
    IA_NN_UNROLL for (int p = 0; p < P; ++p)
      IA_NN_UNROLL for (int r = 0; r < R; ++r) sum[p][r] = V::zero();
    for (index_t d = part.d.begin; d < part.d.end; ++d)
      for (index_t h = part.h.begin; h < part.h.end; ++h) {
        index_t const z = part.z + d * w_.dilation.depth, line = part.y + h * w_.dilation.height;
        a_type const* src = t_.image +
                            ((z * s_.in.height + line) * s_.in.width + part.x) * t_.src_ld + c +
                            part.w.begin * tap;
        acc const* w =
            t_.weights + ((d * w_.kernel.height + h) * w_.kernel.width + part.w.begin) * ld_ + c;
        IA_NN_ROLLED for (index_t k = part.w.size(); k > 0; --k) {
          V weight[R];
          IA_NN_UNROLL for (int r = 0; r < R; ++r) weight[r] = V::load(w + r * width);
          IA_NN_UNROLL for (int p = 0; p < P; ++p) IA_NN_UNROLL for (int r = 0; r < R; ++r) {
            V const a = at.template load<V>(src + p * step + r * width);
            if constexpr (std::same_as<acc, s32>) sum[p][r] = sum[p][r] + a * weight[r];
            else sum[p][r] = fma(a, weight[r], sum[p][r]);
          }
          src += tap;
          w += ld_;
        }
      }
    if constexpr (std::same_as<acc, s32>)
      if (t_.zero_point) subtract<P, R, Whole>(sum, part, c);
    index_t const pixel = (y - t_.lines.begin) * out_.width + x;
    C* const dst = t_.dst + pixel * t_.ld + c;
    if constexpr (Whole) {
      alignas(64) acc cells[P * R * width];
      IA_NN_UNROLL for (int p = 0; p < P; ++p)
        IA_NN_UNROLL for (int r = 0; r < R; ++r) sum[p][r].store(cells + (p * R + r) * width);
      finish_tile<I>(cells, R * width, P, R * width, t_.first_row + pixel, c, epilogue_, dst,
                     t_.ld);
    } else {
      IA_NN_UNROLL for (int p = 0; p < P; ++p) {
        tile_position<false> const place{t_.first_row + pixel + p, c, at};
        store_result(epilogue_(sum[p][0], place), dst + p * t_.ld, at);
      }
    }
  }

  // The zero point counts for the taps inside only: padding has that value.
  template <int P, int R, bool Whole>
  IA_NN_INLINE void subtract(V (&sum)[P][R], window_part const& part, index_t c) const noexcept {
    V const zero = V::broadcast(t_.zero_point);
    for (int r = 0; r < R; ++r) {
      V weights = V::zero();
      for (index_t d = part.d.begin; d < part.d.end; ++d)
        for (index_t h = part.h.begin; h < part.h.end; ++h)
          for (index_t k = part.w.begin; k < part.w.end; ++k)
            weights = weights + V::load(t_.weights +
                                        ((d * w_.kernel.height + h) * w_.kernel.width + k) * ld_ +
                                        c + r * width);
      for (int p = 0; p < P; ++p) sum[p][r] = sum[p][r] - weights * zero;
    }
  }

  Task const& t_;
  Epilogue const& epilogue_;
};

/// Lines of output of a band whose source stays in L2.
inline index_t depthwise_lines(conv_shape const& s, index_t a_bytes) noexcept {
  index_t const line = s.in.width * s.channels * a_bytes * s.win.kernel.depth;
  index_t const rows = max_of(s.win.reach(1), cpu::cache_sizes().l2 / 2 / max_of(1, line));
  return min_of(s.out().height, (rows - s.win.reach(1)) / s.win.stride.height + 1);
}

} // namespace detail

IA_NN_END
