// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a depthwise convolution of 3 x 3 with stride 2 for its source. Along a line, output m of diff_dst goes
// to three pixels x, of which it shares the first and the last:
//
//   x + pad       2m - 1   2m      2m + 1   2m + 2
//   m - 1         tap 1    tap 2
//   m                      tap 0   tap 1    tap 2
//
// and a line of the source gets one line of diff_dst (tap 1 of the height) or two (taps 2 and 0). So a line is written
// once, from registers that are loaded once:
//
//   task: a line of the source
//     8 outputs of a line
//       two registers of channels (AVX-512; else one)
//         output m: 1 or 2 loads, 3 or 6 products, pixels 2m - pad and 2m + 1 - pad
//
// With a chain, pixels go through a tile of cells in L1.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/train/conv_phases.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <isa::tag I> class halved_depthwise_src {
  using V = vec<f32, I>;
  static constexpr int wide = isa::has<I, isa::avx512> ? 2 : 1;
  static constexpr index_t together = 8; // outputs

public:
  static bool serves(conv_shape const& s) noexcept {
    window const& w = s.win;
    return w.kernel == spatial{1, 3, 3} && w.stride == spatial{1, 2, 2} && w.dilation == spatial{1, 1, 1} &&
           s.in.depth == 1 && w.pad_begin.depth == 0 && w.pad_begin.height >= 0 && w.pad_begin.width >= 0;
  }
  /// Of packed weights.
  static index_t cells(conv_shape const& s) noexcept { return 9 * round_up(s.channels, 16); }

  halved_depthwise_src(conv_shape const& s, f32* packed) noexcept
      : s_(s), out_(s.out()), packed_(packed), ld_(round_up(s.channels, 16)) {}

  template <executor E> void pack(f32 const* weights, E& e) const noexcept {
    parallel_blocks(e, s_.channels, 1024, [&](index_t begin, index_t end, int) {
      for (index_t c = begin; c < end; ++c)
        for (index_t t = 0; t < 9; ++t) packed_[t * ld_ + c] = weights[c * 9 + t];
    });
  }
  /// chain: for rows of all pixels of all images.
  template <class Chain, executor E>
  void run(index_t batch, f32 const* diff_dst, f32* to, Chain const& chain, E& e) const noexcept {
    e.parallel_for(batch * s_.in.height, [&](index_t line, int) {
      index_t const n = line / s_.in.height, y = line % s_.in.height + s_.win.pad_begin.height;
      line_of l{{}, {}, line * s_.in.width, to};
      int rows = 0;
      for (index_t tap = 2; tap >= 0; --tap) { // ascending lines of diff_dst
        index_t const from = y - tap;
        if (from < 0 || from % 2 != 0 || from / 2 >= out_.height) continue;
        l.diff[rows] = diff_dst + (n * out_.height + from / 2) * out_.width * s_.channels;
        l.weights[rows++] = packed_ + tap * 3 * ld_;
      }
      if (rows == 2) outputs<2>(l, chain);
      else if (rows == 1) outputs<1>(l, chain);
      else outputs<0>(l, chain);
    });
  }

private:
  struct line_of {
    f32 const *diff[2], *weights[2];
    index_t first; ///< pixel of all
    f32* to;
  };

  template <int Rows, class Chain> IA_NN_NOINLINE void outputs(line_of const& l, Chain const& chain) const noexcept {
    index_t const pad = s_.win.pad_begin.width, end = (s_.in.width - 1 + pad) / 2 + 1;
    for (index_t m = pad / 2; m < end; m += together) {
      block const some{m, min_of(end, m + together)};
      index_t c = 0;
      for (; wide > 1 && c + wide * V::size <= s_.channels; c += wide * V::size)
        registers<Rows, wide>(l, some, c, lanes<true>{}, chain);
      each_register<V>(c, s_.channels, [&](index_t i, auto at) { registers<Rows, 1>(l, some, i, at, chain); });
    }
  }
  template <int Rows, int Wide, bool Whole, class Chain>
  IA_NN_INLINE void registers(line_of const& l, block some, index_t c, lanes<Whole> at, Chain const& chain) const noexcept {
    constexpr index_t size = V::size;
    index_t const ld = s_.channels, pad = s_.win.pad_begin.width, in_width = s_.in.width, out_width = out_.width;
    alignas(64) f32 cells[Chain::empty ? 1 : 2 * together * Wide * size];
    index_t const first = max_of(index_t{0}, 2 * some.begin - pad); // pixel
    f32* const to = l.to + (l.first + first) * ld + c;
    auto const put = [&](index_t x, V const(&sum)[Wide]) IA_NN_LAMBDA {
      IA_NN_UNROLL for (int v = 0; v < Wide; ++v)
        if constexpr (Chain::empty) at.store(sum[v], to + (x - first) * ld + v * size);
        else sum[v].store(cells + ((x - first) * Wide + v) * size);
    };
    V weight[Rows + 1][3][Wide], before[Rows + 1][Wide], now[Rows + 1][Wide];
    auto const load = [&](V(&d)[Rows + 1][Wide], index_t m) IA_NN_LAMBDA {
      IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
        IA_NN_UNROLL for (int v = 0; v < Wide; ++v) d[r][v] = at.template load<V>(l.diff[r] + m * ld + c + v * size);
    };
    auto const add = [&](V(&sum)[Wide], V const(&d)[Rows + 1][Wide], int r, int tap) IA_NN_LAMBDA {
      IA_NN_UNROLL for (int v = 0; v < Wide; ++v) sum[v] = fma(d[r][v], weight[r][tap][v], sum[v]);
    };
    IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
      IA_NN_UNROLL for (int k = 0; k < 3; ++k)
        IA_NN_UNROLL for (int v = 0; v < Wide; ++v) weight[r][k][v] = V::load(l.weights[r] + k * ld_ + c + v * size);
    IA_NN_UNROLL for (int r = 0; r <= Rows; ++r)
      IA_NN_UNROLL for (int v = 0; v < Wide; ++v) before[r][v] = now[r][v] = V::zero();
    bool has_before = some.begin >= 1 && some.begin - 1 < out_width;
    if (has_before) load(before, some.begin - 1);
    index_t last = first;
    for (index_t m = some.begin; m < some.end; ++m) {
      bool const has_now = m < out_width;
      if (has_now) load(now, m);
      V even[Wide], odd[Wide];
      IA_NN_UNROLL for (int v = 0; v < Wide; ++v) even[v] = odd[v] = V::zero();
      if (IA_NN_LIKELY(has_before && has_now)) {
        IA_NN_UNROLL for (int r = 0; r < Rows; ++r) add(even, before, r, 2), add(even, now, r, 0), add(odd, now, r, 1);
      } else { // what is outside of diff_dst brings nothing, whatever its weight
        IA_NN_UNROLL for (int r = 0; r < Rows; ++r) {
          if (has_before) add(even, before, r, 2);
          if (has_now) add(even, now, r, 0), add(odd, now, r, 1);
        }
      }
      index_t const x = 2 * m - pad;
      if (x >= 0 && x < in_width) put(x, even), last = x + 1;
      if (x + 1 >= 0 && x + 1 < in_width) put(x + 1, odd), last = x + 2;
      IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
        IA_NN_UNROLL for (int v = 0; v < Wide; ++v) before[r][v] = now[r][v];
      has_before = has_now;
    }
    if constexpr (!Chain::empty)
      finish_tile<I>(cells, Wide * size, last - first, min_of(Wide * size, ld - c), l.first + first, c, chain, to, ld);
  }

  conv_shape const& s_;
  spatial out_;
  f32* packed_;
  index_t ld_;
};

} // namespace detail

IA_NN_END
