// SPDX-License-Identifier: Apache-2.0
//
// Depthwise convolution, one filter per channel: lanes are channels, no product of matrices.
//
//   a block of 4 registers of channels
//     line of output
//       Pixels neighbouring outputs at once: the weights of a tap serve them all
//
//   for each tap:  w = weights[tap][4 registers];  acc[p][v] += src[p * stride + tap][v] * w[v]
//
// Windows of three neighbouring taps go along a line, where outputs share what they load.
//
// Other windows that reach over the border take the taps inside it, one pixel at a time: 4 registers of
// channels are sums enough to keep the multipliers busy. Nothing is copied or padded.
//
// On integers each tap is widened and multiplied in 32 bits, exactly.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/tiling.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/gemm/epilogue.hpp>
#include <ia_nn/ops/window.hpp>

IA_NN_BEGIN

namespace detail {

/// Weights [tap][channels], in the element of the sums.
template <class Acc> struct depthwise_weights {
  aligned_array<Acc> data;
  index_t channels = 0;

  template <class W> void pack(conv_shape const& s, W const* weights) {
    index_t const taps = s.win.kernel.size();
    channels = s.channels;
    data = aligned_array<Acc>(taps * channels);
    for (index_t c = 0; c < channels; ++c)
      for (index_t t = 0; t < taps; ++t)
        data[t * channels + c] = static_cast<Acc>(weights[c * taps + t]);
  }
};

template <class A, class Acc, class C> struct depthwise_task {
  conv_shape const* shape;
  A const* image;
  Acc const* weights;
  C* dst; ///< pixel 0 of the plane
  index_t ld;
  index_t plane;
  block lines;
  index_t first_row; ///< number of pixel 0 of the plane for the epilogue
  s32 zero_point;
};

template <isa::tag I, class Task, class Epilogue> class depthwise_band {
  using a_type = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.image)>>;
  using acc = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.weights)>>;
  using C = std::remove_pointer_t<decltype(Task{}.dst)>;
  using V = vec<acc, I>;
  static constexpr int width = V::size, registers = 4;
  static constexpr int together = vector_registers<I> == 32 ? 4 : 2; // pixels

public:
  depthwise_band(Task const& t, Epilogue const& e) noexcept
      : t_(t), s_(*t.shape), w_(t.shape->win), out_(t.shape->out()), epilogue_(e) {}

  void run() noexcept {
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
    part.d = taps_inside(part.z, w_.dilation.depth, w_.kernel.depth, s_.in.depth);
    // Outputs whose windows are inside the line: [inner, outer).
    index_t const inner =
        min_of(out_.width, ceil_div(max_of(0, w_.pad_begin.width), w_.stride.width));
    index_t const room = s_.in.width + w_.pad_begin.width - w_.reach(2);
    index_t const outer = max_of(inner, min_of(out_.width, room < 0 ? 0 : room / w_.stride.width + 1));
    for (index_t y = t_.lines.begin; y < t_.lines.end; ++y) {
      part.y = y * w_.stride.height - w_.pad_begin.height;
      part.h = taps_inside(part.y, w_.dilation.height, w_.kernel.height, s_.in.height);
      if constexpr (R == 1) {
        if (three()) {
          for (index_t x = 0; x < out_.width; x += in_line)
            if (w_.stride.width == 1) line<1, Whole>(part, c, y, x);
            else line<2, Whole>(part, c, y, x);
          continue;
        }
      }
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

  // Three neighbouring taps, the rule: each element of a line is loaded once for all windows that see
  // it. Seven outputs, because widths are multiples of 7 in most networks.
  static constexpr int in_line = 7;
  bool three() const noexcept {
    return w_.kernel.width == 3 && w_.dilation.width == 1 && w_.stride.width <= 2;
  }
  template <int Stride, bool Whole>
  IA_NN_NOINLINE void line(window_part const& part, index_t c, index_t y, index_t x) noexcept {
    constexpr int seen = (in_line - 1) * Stride + 3;
    index_t const lanes = s_.channels - c, first = x * Stride - w_.pad_begin.width;
    // Columns outside the image hold the zero point, which is subtracted from all.
    index_t const begin = max_of(0, -first), end = min_of(seen, s_.in.width - first);
    V const padding = [&] {
      if constexpr (std::same_as<acc, s32>) return V::broadcast(t_.zero_point);
      else return V::zero();
    }();
    V sum[in_line], total = V::zero();
    IA_NN_UNROLL for (int p = 0; p < in_line; ++p) sum[p] = V::zero();
    for (index_t d = part.d.begin; d < part.d.end; ++d)
      for (index_t h = part.h.begin; h < part.h.end; ++h) {
        index_t const z = part.z + d * w_.dilation.depth, row = part.y + h * w_.dilation.height;
        a_type const* const src =
            t_.image + ((z * s_.in.height + row) * s_.in.width + first) * s_.channels + c;
        acc const* const w =
            t_.weights + (d * w_.kernel.height + h) * 3 * s_.channels + c;
        V weight[3];
        IA_NN_UNROLL for (int k = 0; k < 3; ++k) {
          weight[k] = read<Whole>(w + k * s_.channels, lanes);
          if constexpr (std::same_as<acc, s32>) total = total + weight[k];
        }
        IA_NN_UNROLL for (int i = 0; i < seen; ++i) {
          V const a = i >= begin && i < end ? read<Whole>(src + i * s_.channels, lanes) : padding;
          IA_NN_UNROLL for (int k = 0; k < 3; ++k) {
            int const p = (i - k) / Stride;
            if (i >= k && (i - k) % Stride == 0 && p < in_line) {
              if constexpr (std::same_as<acc, s32>) sum[p] = sum[p] + a * weight[k];
              else sum[p] = fma(a, weight[k], sum[p]);
            }
          }
        }
      }
    if constexpr (std::same_as<acc, s32>)
      if (t_.zero_point)
        IA_NN_UNROLL for (int p = 0; p < in_line; ++p) sum[p] = sum[p] - total * padding;
    index_t const pixel = y * out_.width + x;
    C* const dst = t_.dst + pixel * t_.ld + c;
    IA_NN_UNROLL for (int p = 0; p < in_line; ++p) {
      if (x + p >= out_.width) break;
      tile_position<Whole> const at{t_.first_row + pixel + p, c, Whole ? width : lanes};
      store_result<Whole>(epilogue_(sum[p], at), dst + p * t_.ld, lanes);
    }
  }

  template <int R, bool Whole>
  IA_NN_INLINE void at_border(window_part& part, index_t c, index_t y, index_t x) noexcept {
    part.x = x * w_.stride.width - w_.pad_begin.width;
    part.w = taps_inside(part.x, w_.dilation.width, w_.kernel.width, s_.in.width);
    pixels<1, R, Whole>(part, c, y, x);
  }

  template <bool Whole, class T> static IA_NN_INLINE V read(T const* p, index_t n) noexcept {
    if constexpr (Whole) return V::load(p);
    else return V::load(p, n);
  }

  template <int P, int R, bool Whole>
  IA_NN_NOINLINE void pixels(window_part const& part, index_t c, index_t y, index_t x) noexcept {
    index_t const lanes = s_.channels - c, step = w_.stride.width * s_.channels;
    index_t const tap = w_.dilation.width * s_.channels;
    V sum[P][R];
    IA_NN_UNROLL for (int p = 0; p < P; ++p)
      IA_NN_UNROLL for (int r = 0; r < R; ++r) sum[p][r] = V::zero();
    for (index_t d = part.d.begin; d < part.d.end; ++d)
      for (index_t h = part.h.begin; h < part.h.end; ++h) {
        index_t const z = part.z + d * w_.dilation.depth, line = part.y + h * w_.dilation.height;
        a_type const* src = t_.image +
                            ((z * s_.in.height + line) * s_.in.width + part.x) * s_.channels + c +
                            part.w.begin * tap;
        acc const* w = t_.weights +
                       ((d * w_.kernel.height + h) * w_.kernel.width + part.w.begin) * s_.channels +
                       c;
        IA_NN_ROLLED for (index_t k = part.w.size(); k > 0; --k) {
          V weight[R];
          IA_NN_UNROLL for (int r = 0; r < R; ++r) weight[r] = read<Whole>(w + r * width, lanes);
          IA_NN_UNROLL for (int p = 0; p < P; ++p)
            IA_NN_UNROLL for (int r = 0; r < R; ++r) {
              V const a = read<Whole>(src + p * step + r * width, lanes);
              if constexpr (std::same_as<acc, s32>) sum[p][r] = sum[p][r] + a * weight[r];
              else sum[p][r] = fma(a, weight[r], sum[p][r]);
            }
          src += tap;
          w += s_.channels;
        }
      }
    if constexpr (std::same_as<acc, s32>)
      if (t_.zero_point) subtract<P, R, Whole>(sum, part, c);
    index_t const pixel = y * out_.width + x;
    C* const dst = t_.dst + pixel * t_.ld + c;
    if constexpr (Whole) {
      // One register more: GCC takes the tail of finish_tile, which never runs, for real.
      alignas(64) acc cells[(P * R + 1) * width];
      IA_NN_UNROLL for (int p = 0; p < P; ++p)
        IA_NN_UNROLL for (int r = 0; r < R; ++r) sum[p][r].store(cells + (p * R + r) * width);
      finish_tile<I>(cells, R * width, P, R * width, t_.first_row + pixel, c, epilogue_, dst, t_.ld);
    } else {
      IA_NN_UNROLL for (int p = 0; p < P; ++p) {
        tile_position<false> const at{t_.first_row + pixel + p, c, lanes};
        store_result<false>(epilogue_(sum[p][0], at), dst + p * t_.ld, lanes);
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
            weights = weights + read<Whole>(t_.weights +
                                                ((d * w_.kernel.height + h) * w_.kernel.width + k) *
                                                    s_.channels +
                                                c + r * width,
                                            s_.channels - c);
      for (int p = 0; p < P; ++p) sum[p][r] = sum[p][r] - weights * zero;
    }
  }

  Task const& t_;
  conv_shape const& s_;
  window const& w_;
  spatial out_;
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
