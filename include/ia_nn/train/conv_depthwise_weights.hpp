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
// Windows of 3 x 3 keep nine sums in registers over all lines of a part; 22 loads make 36 products.
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
      each_register<V>(i % blocks_ * in_block, min_of(s_.channels, (i % blocks_ + 1) * in_block),
                       [&](index_t c, auto at) { channels(part, c, src + c, diff_dst + c, own + c, at); });
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

  template <bool Whole>
  IA_NN_NOINLINE void channels(block lines, index_t, f32 const* src, f32 const* diff_dst, f32* sums,
                               lanes<Whole> at) const noexcept {
    window const& w = s_.win;
    bool const threes = w.kernel.width == 3 && w.dilation.width == 1 && w.stride.width <= 2;
    for (index_t kz = 0; kz < w.kernel.depth; ++kz)
      for (index_t ky = 0; ky < w.kernel.height;) {
        f32* const to = sums + (kz * w.kernel.height + ky) * w.kernel.width * s_.channels;
        index_t const rows = threes && w.kernel.height - ky >= 3 ? 3 : 1;
        if (threes) {
          if (w.stride.width == 1)
            rows == 3 ? three<3, 1>(lines, kz, ky, src, diff_dst, to, at)
                      : three<1, 1>(lines, kz, ky, src, diff_dst, to, at);
          else
            rows == 3 ? three<3, 2>(lines, kz, ky, src, diff_dst, to, at)
                      : three<1, 2>(lines, kz, ky, src, diff_dst, to, at);
        } else {
          for (index_t kx = 0; kx < w.kernel.width; ++kx)
            one(lines, kz, ky, kx, src, diff_dst, to + kx * s_.channels, at);
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

  // Rows lines of the window, three taps each.
  template <int Rows, int Stride, bool Whole>
  void three(block lines, index_t kz, index_t ky, f32 const* src, f32 const* diff_dst, f32* sums,
             lanes<Whole> at) const noexcept {
    index_t const ld = s_.channels, pad = s_.win.pad_begin.width;
    block const first = inside(-pad), last = inside(2 - pad);
    index_t const inner = min_of(out_.width, first.begin), outer = max_of(inner, min_of(last.end, out_.width));
    V sum[Rows][3];
    IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
      IA_NN_UNROLL for (int k = 0; k < 3; ++k) sum[r][k] = V::zero();
    for (index_t line = lines.begin; line < lines.end; ++line) {
      place const p = place_of(line, src, diff_dst);
      f32 const* row[Rows];
      IA_NN_UNROLL for (int r = 0; r < Rows; ++r) row[r] = line_of(p, kz, ky + r);
      // One output: taps that are outside bring nothing.
      auto const border = [&](index_t x) IA_NN_LAMBDA {
        V const d = at.template load<V>(p.diff + x * ld);
        index_t const from = x * Stride - pad;
        IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
          IA_NN_UNROLL for (int k = 0; k < 3; ++k)
            if (row[r] && from + k >= 0 && from + k < s_.in.width)
              sum[r][k] = fma(at.template load<V>(row[r] + (from + k) * ld), d, sum[r][k]);
      };
      index_t x = 0;
      for (; x < inner; ++x) border(x);
      for (; x + together <= outer; x += together) {
        V d[together];
        IA_NN_UNROLL for (int i = 0; i < together; ++i) d[i] = at.template load<V>(p.diff + (x + i) * ld);
        IA_NN_UNROLL for (int r = 0; r < Rows; ++r) {
          if (!row[r]) continue;
          f32 const* const from = row[r] + (x * Stride - pad) * ld;
          IA_NN_UNROLL for (int i = 0; i < (together - 1) * Stride + 3; ++i) {
            V const v = at.template load<V>(from + i * ld);
            IA_NN_UNROLL for (int k = 0; k < 3; ++k)
              if ((i - k) >= 0 && (i - k) % Stride == 0 && (i - k) / Stride < together)
                sum[r][k] = fma(v, d[(i - k) / Stride], sum[r][k]);
          }
        }
      }
      for (; x < out_.width; ++x) border(x);
    }
    IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
      IA_NN_UNROLL for (int k = 0; k < 3; ++k) at.store(sum[r][k], sums + (r * 3 + k) * ld);
  }

  conv_shape s_;
  spatial out_;
  index_t blocks_, most_parts_;
};

} // namespace detail

IA_NN_END
