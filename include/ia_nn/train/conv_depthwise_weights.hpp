// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a depthwise convolution for its weights: lanes are channels.
//
//   diff_weights[c][tap] = sum of diff_dst[o][c] * src[at(o, tap)][c]       over images and outputs o
//
//   task: a part of the lines of all images, by a block of channels
//     register of channels
//       windows of three taps, side by side       others
//         line of output                            tap
//           4 outputs: one register of diff_dst       line of output
//           each, and the sources of a line of          diff_dst * src, in four sums
//           the window, which serve 3 taps
//
// Windows of 3 x 3 keep nine sums in registers over all lines of a part; 22 loads make 36 products. With 32 registers
// (AVX-512) two of channels are taken at once, 18 sums: neighbouring pixels are as far apart as they have channels, so
// each is on a cache line of its own, from 1024 channels on of a page of its own and in one set of L1. Zen 5, one thread,
// batch 16, smallest of 60 calls before and after: 512 channels of 14 x 14 0.60 and 0.40 ms, 1024 of 7 x 7 0.41 and 0.31,
// 256 of 28 x 28 2.3 and 1.8, 128 of 56 x 56 4.7 and 3.5. Without effect there: chunks of lines that stay in L2 for all
// registers of a block, borders without conditions; fetching ahead helped layers beyond L3 and cost smaller ones a third.
// Parts are added in their order; their number depends on the shape and the batch alone.
#pragma once

#include <ia_nn/ops/window.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// For layers of one filter per channel.
template <isa::tag I> class depthwise_backward_weights {
  using V = vec<f32, I>;
  static constexpr index_t together = 4; // outputs
  // Registers of channels: with two, pages and pairs of cache lines are visited once instead of twice.
  static constexpr int wide = isa::has<I, isa::avx512> ? 2 : 1;

public:
  explicit depthwise_backward_weights(conv_shape const& s, index_t max_batch)
      : s_(s), out_(s.out()), blocks_(ceil_div(s.channels, in_block)),
        most_parts_(min_of(ceil_div(32, blocks_), max_batch * out_.depth * out_.height)) {}

  index_t workspace_bytes() const noexcept { return f32_bytes(most_parts_ * cells()); }

  template <executor E>
  void run(index_t batch, f32 const* src, f32 const* diff_dst, gradient const& to, std::byte* scratch,
           E& e) const noexcept {
    f32* const sums = reinterpret_cast<f32*>(scratch);
    index_t const lines = batch * out_.depth * out_.height, parts = min_of(most_parts_, lines);
    e.parallel_for(parts * blocks_, [&](index_t i, int) {
      block const part = block_of(lines, static_cast<int>(parts), static_cast<int>(i / blocks_));
      f32* const own = sums + i / blocks_ * cells();
      index_t const end = min_of(s_.channels, (i % blocks_ + 1) * in_block);
      index_t begin = i % blocks_ * in_block;
      for (; wide > 1 && begin + wide * V::size <= end; begin += wide * V::size)
        channels<wide>(part, src + begin, diff_dst + begin, own + begin, lanes<true>{});
      each_register<V>(begin, end, [&](index_t c, auto at) { channels<1>(part, src + c, diff_dst + c, own + c, at); });
    });
    index_t const taps = s_.win.kernel.size();
    parallel_blocks(e, s_.channels, 64, [&](index_t begin, index_t end, int) {
      for (index_t c = begin; c < end; ++c)
        for (index_t t = 0; t < taps; ++t) {
          f32 sum = 0;
          for (index_t p = 0; p < parts; ++p) sum += sums[p * cells() + t * s_.channels + c];
          f32& at = to.data[c * taps + t];
          at = to.add ? at + sum : sum;
        }
    });
  }

private:
  static constexpr index_t in_block = 64; // channels
  index_t cells() const noexcept { return s_.win.kernel.size() * s_.channels; }

  // Where line number `line` of the results is, and the first element its windows see.
  struct place {
    f32 const *src, *diff;
    index_t z, y;
  };
  IA_NN_INLINE place place_of(index_t line, f32 const* src, f32 const* diff_dst) const noexcept {
    index_t const y = line % out_.height, z = line / out_.height % out_.depth,
                  n = line / out_.height / out_.depth;
    window const& w = s_.win;
    return {src + n * s_.in.size() * s_.channels, diff_dst + line * out_.width * s_.channels,
            z * w.stride.depth - w.pad_begin.depth, y * w.stride.height - w.pad_begin.height};
  }
  // Line of the image that a line of the window sees, or null.
  IA_NN_INLINE f32 const* line_of(place const& p, index_t kz, index_t ky) const noexcept {
    index_t const z = p.z + kz * s_.win.dilation.depth, y = p.y + ky * s_.win.dilation.height;
    if (z < 0 || z >= s_.in.depth || y < 0 || y >= s_.in.height) return nullptr;
    return p.src + (z * s_.in.height + y) * s_.in.width * s_.channels;
  }
  // Outputs of a line whose tap, at element `first` of output 0, is inside.
  IA_NN_INLINE block inside(index_t first) const noexcept {
    index_t const stride = s_.win.stride.width;
    index_t const begin = first >= 0 ? 0 : ceil_div(-first, stride);
    index_t const end = first >= s_.in.width ? 0 : min_of(out_.width, ceil_div(s_.in.width - first, stride));
    return {min_of(begin, max_of(end, 0)), max_of(end, 0)};
  }

  template <int Wide, bool Whole>
  IA_NN_NOINLINE void channels(block lines, f32 const* src, f32 const* diff_dst, f32* sums,
                               lanes<Whole> at) const noexcept {
    window const& w = s_.win;
    bool const threes = w.kernel.width == 3 && w.dilation.width == 1 && w.stride.width <= 2;
    for (index_t kz = 0; kz < w.kernel.depth; ++kz)
      for (index_t ky = 0; ky < w.kernel.height;) {
        f32* const to = sums + (kz * w.kernel.height + ky) * w.kernel.width * s_.channels;
        index_t const rows = threes && w.kernel.height - ky >= 3 ? 3 : 1;
        if (threes) {
          if (w.stride.width == 1)
            rows == 3 ? three<3, 1, Wide>(lines, kz, ky, src, diff_dst, to, at)
                      : three<1, 1, Wide>(lines, kz, ky, src, diff_dst, to, at);
          else
            rows == 3 ? three<3, 2, Wide>(lines, kz, ky, src, diff_dst, to, at)
                      : three<1, 2, Wide>(lines, kz, ky, src, diff_dst, to, at);
        } else {
          for (index_t kx = 0; kx < w.kernel.width; ++kx)
            for (int v = 0; v < Wide; ++v)
              one(lines, kz, ky, kx, src + v * V::size, diff_dst + v * V::size, to + kx * s_.channels + v * V::size, at);
        }
        ky += rows;
      }
  }

  // One tap.
  template <bool Whole>
  void one(block lines, index_t kz, index_t ky, index_t kx, f32 const* src, f32 const* diff_dst, f32* sums,
           lanes<Whole> at) const noexcept {
    window const& w = s_.win;
    index_t const first = kx * w.dilation.width - w.pad_begin.width, step = w.stride.width * s_.channels;
    block const seen = inside(first);
    V sum[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    for (index_t line = lines.begin; line < lines.end; ++line) {
      place const p = place_of(line, src, diff_dst);
      f32 const* const row = line_of(p, kz, ky);
      if (!row || seen.empty()) continue;
      f32 const* x = row + (seen.begin * w.stride.width + first) * s_.channels;
      f32 const* d = p.diff + seen.begin * s_.channels;
      index_t left = seen.size();
      for (; left >= 4; left -= 4, x += 4 * step, d += 4 * s_.channels)
        IA_NN_UNROLL for (int i = 0; i < 4; ++i)
          sum[i] = fma(at.template load<V>(x + i * step), at.template load<V>(d + i * s_.channels), sum[i]);
      for (; left > 0; --left, x += step, d += s_.channels)
        sum[0] = fma(at.template load<V>(x), at.template load<V>(d), sum[0]);
    }
    at.store((sum[0] + sum[1]) + (sum[2] + sum[3]), sums);
  }

  // Rows lines of the window, three taps each, of Wide registers of channels.
  template <int Rows, int Stride, int Wide, bool Whole>
  void three(block lines, index_t kz, index_t ky, f32 const* src, f32 const* diff_dst, f32* sums,
             lanes<Whole> at) const noexcept {
    constexpr index_t size = V::size;
    index_t const ld = s_.channels, pad = s_.win.pad_begin.width;
    block const first = inside(-pad), last = inside(2 - pad);
    index_t const inner = min_of(out_.width, first.begin), outer = max_of(inner, min_of(last.end, out_.width));
    V sum[Rows][3][Wide];
    IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
      IA_NN_UNROLL for (int k = 0; k < 3; ++k)
        IA_NN_UNROLL for (int v = 0; v < Wide; ++v) sum[r][k][v] = V::zero();
    for (index_t line = lines.begin; line < lines.end; ++line) {
      place const p = place_of(line, src, diff_dst);
      f32 const* row[Rows];
      IA_NN_UNROLL for (int r = 0; r < Rows; ++r) row[r] = line_of(p, kz, ky + r);
      // One output: taps that are outside bring nothing.
      auto const border = [&](index_t x) IA_NN_LAMBDA {
        V d[Wide];
        IA_NN_UNROLL for (int v = 0; v < Wide; ++v) d[v] = at.template load<V>(p.diff + x * ld + v * size);
        index_t const from = x * Stride - pad;
        IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
          IA_NN_UNROLL for (int k = 0; k < 3; ++k)
            if (row[r] && from + k >= 0 && from + k < s_.in.width)
              IA_NN_UNROLL for (int v = 0; v < Wide; ++v)
                sum[r][k][v] = fma(at.template load<V>(row[r] + (from + k) * ld + v * size), d[v], sum[r][k][v]);
      };
      index_t x = 0;
      for (; x < inner; ++x) border(x);
      for (; x + together <= outer; x += together) {
        V d[together][Wide];
        IA_NN_UNROLL for (int i = 0; i < together; ++i)
          IA_NN_UNROLL for (int v = 0; v < Wide; ++v)
            d[i][v] = at.template load<V>(p.diff + (x + i) * ld + v * size);
        IA_NN_UNROLL for (int r = 0; r < Rows; ++r) {
          if (!row[r]) continue;
          f32 const* const from = row[r] + (x * Stride - pad) * ld;
          IA_NN_UNROLL for (int i = 0; i < (together - 1) * Stride + 3; ++i)
            IA_NN_UNROLL for (int v = 0; v < Wide; ++v) {
              V const s = at.template load<V>(from + i * ld + v * size);
              IA_NN_UNROLL for (int k = 0; k < 3; ++k)
                if ((i - k) >= 0 && (i - k) % Stride == 0 && (i - k) / Stride < together)
                  sum[r][k][v] = fma(s, d[(i - k) / Stride][v], sum[r][k][v]);
            }
        }
      }
      for (; x < out_.width; ++x) border(x);
    }
    IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
      IA_NN_UNROLL for (int k = 0; k < 3; ++k)
        IA_NN_UNROLL for (int v = 0; v < Wide; ++v) at.store(sum[r][k][v], sums + (r * 3 + k) * ld + v * size);
  }

  conv_shape s_;
  spatial out_;
  index_t blocks_, most_parts_;
};

} // namespace detail

IA_NN_END
