// SPDX-License-Identifier: Apache-2.0
//
// Depthwise windows of three neighbouring taps, the rule. They go along a line in strips of 7
// outputs, whose columns are loaded once for all windows that see them:
//
//   columns   c0 c1 c2 c3 c4 c5 c6 c7 c8        of one line of the source, one register each
//   outputs   [0     ]
//                [1     ]   ...
//                              [6     ]
//
//   for a block of channels (1 KB), for a strip of 7 outputs, for a line of output:
//     for a register of the block:  3 lines x 9 loads, 63 fma, the stages, 7 stores
//
// so that memory is touched in pieces of 1 KB and two lines of three are found in L1. Stride 2 sees
// 15 columns. Strips whose windows are all inside the image have code of their own, without tests.
//
// Integers, 3 x 3: the three elements of a column become the bytes of a word, which `dot`
// multiplies with the three weights of a column in one step:
//
//   word[i] = row0[i] | row1[i] << 8 | row2[i] << 16      acc[p] += dot(word[p + k], weights[k])
//
// 3 steps per output instead of 9 products and 9 additions.
//
// Measured on Zen 4 in f32: channels as the outermost loop, 64-byte touches, takes 1.3 times as
// long; prefetching the source 1.05 to 1.2 times. Copying columns that collide in L1 makes AVX2 1.4
// to 1.7 times as fast on 512 and 1024 channels; AVX-512 gains 1.07 on 1024 and loses 1.2 on 512
// with stride 2, so it copies the former only.
#pragma once

#include <ia_nn/ops/conv_depthwise_plane.hpp>

#include <numeric>

#include <ia_nn/begin.hpp>

namespace detail {

template <isa::tag I, class Task, class Epilogue> class depthwise_strips : depthwise_plane {
  using a_type = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.image)>>;
  using acc = std::remove_const_t<std::remove_pointer_t<decltype(Task{}.weights)>>;
  using C = std::remove_pointer_t<decltype(Task{}.dst)>;
  using V = vec<acc, I>;
  static constexpr int width = V::size;
  static constexpr bool bytes = std::same_as<acc, s32>;
  static constexpr int in_line = 7; ///< outputs: widths are multiples of 7 in most networks
  template <int Stride> static constexpr int seen = (in_line - 1) * Stride + 3; ///< columns
  static constexpr index_t in_block = 1024 / static_cast<index_t>(sizeof(a_type)); ///< channels

public:
  depthwise_strips(Task const& t, Epilogue const& e) noexcept
      : depthwise_plane(*t.shape, t.plane), t_(t), epilogue_(e) {}

  static bool serve(conv_shape const& s) noexcept {
    bool const fits = bytes ? s.win.kernel == spatial{1, 3, 3} : s.win.kernel.width == 3;
    return fits && s.win.dilation.width == 1 && s.win.stride.width <= 2;
  }
  void run() noexcept {
    if (w_.stride.width == 1) strips<1>();
    else strips<2>();
  }

private:
  template <int Stride> void strips() noexcept {
    if constexpr (!bytes)
      if (collides<Stride>()) return copied_strips<Stride>();
    index_t const whole = s_.channels / width * width;
    // Lines whose windows are inside the image: those before and behind them go apart.
    index_t const room = s_.in.height + w_.pad_begin.height - w_.reach(1);
    index_t const top = ceil_div(max_of(0, w_.pad_begin.height), w_.stride.height);
    index_t const bottom = room < 0 || depths_.size() == 0 ? 0 : room / w_.stride.height + 1;
    block const all = t_.lines;
    index_t const inner = min_of(max_of(all.begin, top), all.end);
    index_t const outer = max_of(inner, min_of(all.end, bottom));
    for (index_t c = 0; c < s_.channels; c += in_block) {
      block const channels{c, min_of(whole, c + in_block)};
      for (index_t x = 0; x < out_.width; x += in_line) {
        index_t const first = x * Stride - w_.pad_begin.width;
        bool const inside =
            first >= 0 && first + seen<Stride> <= s_.in.width && x + in_line <= out_.width;
        if (channels.size() > 0) {
          strip<Stride, false, true>({all.begin, inside ? inner : all.end}, channels, x);
          if (inside) {
            strip<Stride, true, true>({inner, outer}, channels, x);
            strip<Stride, false, true>({outer, all.end}, channels, x);
          }
        }
        if (c + in_block > whole && whole < s_.channels)
          strip<Stride, false, false>(all, {whole, s_.channels}, x);
      }
    }
  }

  // Columns some powers of 2 apart fall into the same sets of L1 (64, of 8 ways) and push each
  // other out before the next register or line of output needs them. They are copied to where they
  // do not: each element once for the whole strip. Registers as long as a cache line bear more of
  // it.
  static constexpr index_t copied_elements = 4096; ///< 16 KB
  template <int Stride>
  static constexpr index_t copied_rows = copied_elements / (seen<Stride> * 16);
  template <int Stride> bool collides() const noexcept {
    auto const apart = static_cast<std::size_t>(t_.src_ld) * sizeof(a_type);
    index_t const in_l1 = 8 * static_cast<index_t>(4096 / std::gcd(apart, std::size_t{4096}));
    return in_l1 <= 8 * 16 / width && in_l1 < 3 * seen<Stride> && s_.channels % 16 == 0 &&
           w_.kernel.depth == 1 && depths_.size() == 1 && w_.reach(1) <= copied_rows<Stride>;
  }
  template <int Stride> IA_NN_NOINLINE void copied_strips() noexcept {
    alignas(64) acc cells[copied_elements];
    index_t const stride = w_.stride.height, reach = w_.reach(1);
    // 64 channels if that leaves two lines at once.
    index_t const wide = max_of(1, min_of(4, copied_rows<Stride> / (reach + stride)));
    index_t const most = (copied_rows<Stride> / wide - reach) / stride + 1;
    index_t const height = max_of(1, min_of(t_.lines.size(), most));
    index_t const step = copied_rows<Stride> / ((height - 1) * stride + reach) * 16; // channels
    for (index_t c = 0; c < s_.channels; c += step)
      for (index_t x = 0; x < out_.width; x += in_line)
        for (index_t y = t_.lines.begin; y < t_.lines.end; y += height) {
          block const lines{y, min_of(t_.lines.end, y + height)};
          block const channels{c, min_of(s_.channels, c + step)};
          copy<Stride>(cells, lines, channels, x);
          strip_source<acc> const source{cells, channels.size(), seen<Stride> * channels.size(), 0};
          if (x + in_line <= out_.width) strip<Stride, true, true>(source, lines, channels, x);
          else strip<Stride, false, true>(source, lines, channels, x);
        }
  }
  template <int Stride> void copy(acc* to, block lines, block channels, index_t x) const noexcept {
    index_t const first_row = lines.begin * w_.stride.height - w_.pad_begin.height;
    index_t const rows = (lines.size() - 1) * w_.stride.height + w_.reach(1);
    index_t const first = x * Stride - w_.pad_begin.width;
    index_t const z = t_.plane * w_.stride.depth - w_.pad_begin.depth;
    for (index_t row = first_row; row < first_row + rows; ++row)
      for (index_t i = first; i < first + seen<Stride>; ++i) {
        bool const inside = row >= 0 && row < s_.in.height && i >= 0 && i < s_.in.width;
        a_type const* const from =
            inside ? t_.image + ((z * s_.in.height + row) * s_.in.width + i) * t_.src_ld : nullptr;
        if (inside)
          for (index_t c = channels.begin; c < channels.end; c += width, to += width)
            V::load(from + c).store(to);
        else
          for (index_t c = channels.begin; c < channels.end; c += width, to += width)
            V::zero().store(to);
      }
  }

  // Where a strip finds the windows of its first line, distances, and columns that are there.
  template <class S> struct strip_source {
    S const* first;       ///< of the first channel
    index_t column, line; ///< elements from one to the next
    index_t depth;
    bool copied = true;
    index_t begin = 0, end = 0;
  };
  // Distances between elements, and the taps inside the image.
  struct strip_place {
    index_t begin, end; ///< columns inside
    index_t channels; ///< from the first one on: lanes where they do not fill a register
    index_t column, row, depth;
    block rows, depths;
    acc const* weights;
    index_t ld, weight_depth; ///< of weights, from tap to tap and from depth to depth
  };

  template <int Stride, bool Inside, bool Whole>
  IA_NN_INLINE void strip(block lines, block channels, index_t x) noexcept {
    index_t const first = x * Stride - w_.pad_begin.width, line = s_.in.width * t_.src_ld;
    index_t const z = t_.plane * w_.stride.depth - w_.pad_begin.depth;
    index_t const row = lines.begin * w_.stride.height - w_.pad_begin.height;
    strip_source<a_type> const source{t_.image + (z * s_.in.height + row) * line +
                                          first * t_.src_ld + channels.begin,
                                      t_.src_ld,
                                      line,
                                      s_.in.height * line,
                                      false,
                                      max_of(0, -first),
                                      min_of(seen<Stride>, s_.in.width - first)};
    strip<Stride, Inside, Whole>(source, lines, channels, x);
  }

  // Outputs x .. x + 6 of some lines. `Inside`: all windows are inside the source and all outputs
  // exist. Members are copied first: a store through dst might change them, as far as GCC knows.
  template <int Stride, bool Inside, bool Whole, class S>
  IA_NN_NOINLINE void strip(strip_source<S> const& source, block lines, block channels,
                            index_t x) noexcept {
    bool const copied = source.copied;
    strip_place at{copied ? 0 : source.begin,
                   copied ? seen<Stride> : source.end,
                   s_.channels - channels.begin,
                   source.column,
                   w_.dilation.height * source.line,
                   w_.dilation.depth * source.depth,
                   {0, w_.kernel.height},
                   copied ? block{0, 1} : depths_,
                   t_.weights,
                   ld_,
                   w_.kernel.height * 3 * ld_};
    index_t const count = min_of(in_line, out_.width - x), ldc = t_.ld, first_row = t_.first_row;
    index_t const first_line = t_.lines.begin, out_width = out_.width, stride = w_.stride.height,
                  pad = w_.pad_begin.height;
    index_t const next = stride * source.line;
    C* const plane = t_.dst;
    S const* line = source.first;
    Epilogue const epilogue = epilogue_;
    for (index_t y = lines.begin; y < lines.end; ++y, line += next) {
      if constexpr (!Inside)
        if (!copied) {
          at.rows =
              taps_inside(y * stride - pad, w_.dilation.height, w_.kernel.height, s_.in.height);
          if (depths_.size() == 0) at.rows = {0, 0};
        }
      index_t const pixel = (y - first_line) * out_width + x;
      S const* src = line;
      C* dst = plane + pixel * ldc + channels.begin;
      for (index_t c = channels.begin; c < channels.end; c += width) {
        V sum[in_line];
        if constexpr (bytes) multiply_words<Stride, Inside, Whole>(sum, at, src, c);
        else multiply_rows<Stride, Inside, Whole>(sum, at, src, c);
        IA_NN_UNROLL for (int p = 0; p < in_line; ++p) {
          if (!Inside && p >= count) break;
          tile_position<Whole> const position{first_row + pixel + p, c, Whole ? width : at.channels};
          store_result(epilogue(sum[p], position), dst + p * ldc, position.lanes);
        }
        src += width;
        dst += width;
      }
    }
  }

  template <int Stride, bool Inside, bool Whole, class S>
  IA_NN_INLINE void multiply_rows(V (&sum)[in_line], strip_place const& at, S const* src,
                                  index_t c) const noexcept {
    V padding = V::zero();
    padding.pin(); // or GCC makes a path of its own for each column that may be zero
    IA_NN_UNROLL for (int p = 0; p < in_line; ++p) sum[p] = V::zero();
    for (index_t d = at.depths.begin; d < at.depths.end; ++d) {
      S const* s = src + d * at.depth + at.rows.begin * at.row;
      acc const* w = at.weights + d * at.weight_depth + at.rows.begin * 3 * at.ld + c;
      IA_NN_ROLLED for (index_t h = at.rows.size(); h > 0; --h) {
        V weight[3];
        IA_NN_UNROLL for (int k = 0; k < 3; ++k) weight[k] = V::load(w + k * at.ld);
        S const* p = s;
        IA_NN_UNROLL for (int i = 0; i < seen<Stride>; ++i, p += at.column) {
          hold(p);
          bool const there = Inside || (i >= at.begin && i < at.end);
          V a = there ? lanes<Whole>(at.channels).template load<V>(p) : padding;
          a.pin();
          IA_NN_UNROLL for (int k = 0; k < 3; ++k)
            if (int const o = (i - k) / Stride; i >= k && (i - k) % Stride == 0 && o < in_line)
              sum[o] = fma(a, weight[k], sum[o]);
        }
        s += at.row;
        w += 3 * at.ld;
      }
    }
  }

  // Bytes are read as u8; those of s8 become u8 by their highest bit, and have a zero point 128
  // higher. Outside the image is the zero point, which is subtracted from all.
  template <int Stride, bool Inside, bool Whole>
  IA_NN_INLINE void multiply_words(V (&sum)[in_line], strip_place const& at, a_type const* src,
                                   index_t c) const noexcept {
    using D = dot<I, u8, s8>;
    constexpr bool is_signed = std::same_as<a_type, s8>;
    V const padding = V::broadcast(t_.zero_point & 255);
    V const zero = V::broadcast(t_.zero_point + (is_signed ? 128 : 0));
    V const start = V::zero() - V::load(at.weights + 12 * at.ld + c) * zero;
    decltype(D::load_b(nullptr)) weight[3];
    IA_NN_UNROLL for (int k = 0; k < 3; ++k)
      weight[k] = D::load_b(reinterpret_cast<s8 const*>(at.weights + (9 + k) * at.ld + c));
    IA_NN_UNROLL for (int p = 0; p < in_line; ++p) sum[p] = start;
    u8 const* p = reinterpret_cast<u8 const*>(src);
    IA_NN_UNROLL for (int i = 0; i < seen<Stride>; ++i, p += at.column) {
      hold(p);
      V part[3];
      IA_NN_UNROLL for (int h = 0; h < 3; ++h)
        part[h] = Inside || (i >= at.begin && i < at.end && h >= at.rows.begin && h < at.rows.end)
                      ? lanes<Whole>(at.channels).template load<V>(p + h * at.row)
                      : padding;
      V word = part[0] | part[1] << 8 | part[2] << 16;
      if constexpr (is_signed) word = word ^ V::broadcast(0x808080);
      auto const a = D::from_words(word);
      IA_NN_UNROLL for (int k = 0; k < 3; ++k)
        if (int const o = (i - k) / Stride; i >= k && (i - k) % Stride == 0 && o < in_line)
          D::mac(sum[o], a, weight[k]);
    }
  }

  Task const& t_;
  Epilogue const& epilogue_;
};

} // namespace detail

IA_NN_END
