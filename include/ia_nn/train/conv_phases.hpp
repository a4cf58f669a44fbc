// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a convolution for its source is a transposed convolution of diff_dst, and that is a
// convolution of stride 1 for each phase: pixels of the source that are equal mod stride, of which all
// see the same taps (ops/deconv.hpp).
#pragma once

#include <ia_nn/ops/deconv.hpp>
#include <ia_nn/train/conv_packed.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Pixels at, at + stride, ... of the source: layer(diff_dst), whose tap i is tap taps[i] of the
/// window. Without taps they are zero.
struct conv_phase {
  conv_shape layer;
  spatial at, pixels;
  std::vector<index_t> taps;
};

/// The phases of s, those of the last axis next to each other.
inline std::vector<conv_phase> conv_phases(conv_shape const& s) {
  deconv_shape turned{s.filters, s.channels, s.groups, s.out(), s.win};
  spatial const full = turned.out();
  for (int d = 0; d < 3; ++d) turned.output_padding[d] = s.in[d] - full[d];
  std::vector<conv_phase> list;
  spatial const kernel = s.win.kernel;
  auto const add = [&](spatial const& at) {
    deconv_axis axis[3];
    conv_phase p{{s.filters, s.channels, s.groups, turned.in, {}}, at, {}, {}};
    spatial taps;
    for (int d = 0; d < 3; ++d) {
      axis[d] = {turned, d, at[d]};
      p.pixels[d] = axis[d].outputs;
      taps[d] = axis[d].taps;
    }
    for (index_t i = taps.depth; i-- > 0;)
      for (index_t j = taps.height; j-- > 0;)
        for (index_t k = taps.width; k-- > 0;) {
          auto const tap = [&](int d, index_t m) { return axis[d].first + m * axis[d].step; };
          p.taps.push_back((tap(0, i) * kernel.height + tap(1, j)) * kernel.width + tap(2, k));
        }
    if (!p.taps.empty())
      for (int d = 0; d < 3; ++d) {
        p.layer.win.kernel[d] = axis[d].taps;
        p.layer.win.dilation[d] = axis[d].dilation;
        p.layer.win.pad_begin[d] = axis[d].pad_begin;
        p.layer.win.pad_end[d] = axis[d].pad_end;
      }
    list.push_back(std::move(p));
  };
  // Pixels beyond the source have no phase, however large the stride.
  spatial const stride = s.win.stride;
  for (index_t z = 0; z < min_of(stride.depth, s.in.depth); ++z)
    for (index_t y = 0; y < min_of(stride.height, s.in.height); ++y)
      for (index_t x = 0; x < min_of(stride.width, s.in.width); ++x) add({z, y, x});
  return list;
}

/// Where the weights of s lie for the layer of a phase, whose filters are channels of s.
inline weights_order turned_weights(conv_shape const& s, conv_phase const& p) noexcept {
  index_t const taps = s.win.kernel.size(), filter = s.group_channels() * taps;
  return {s.group_filters() * filter, taps, filter, p.taps.data()};
}

/// The first of the phases of line (z, y): those of x = 0, 1, ... follow.
inline index_t first_phase(conv_shape const& s, index_t z, index_t y) noexcept {
  spatial const stride = s.win.stride;
  return (z % stride.depth * min_of(stride.height, s.in.height) + y % stride.height) *
         min_of(stride.width, s.in.width);
}

/// The sums of n pixels, `from` elements from pixel to pixel (0: the same for all), through the chain to
/// pixels ld elements apart; past the caches if `streams`, which an empty chain allows.
template <isa::tag I, class Chain>
void put_pixels(f32 const* sums, index_t from, index_t n, index_t channels, f32* to, index_t ld,
                bool streams, Chain const& chain) noexcept {
  using V = vec<f32, I>;
  if constexpr (Chain::empty)
    if (streams) {
      for (index_t i = 0; i < n; ++i, sums += from, to += ld)
        for (index_t c = 0; c < channels; c += V::size) V::load(sums + c).stream(to + c);
      return fence_streams();
    }
  for (index_t i = 0; i < n; ++i)
    finish_tile<I>(sums + i * from, channels, 1, channels, i, 0, chain, to + i * ld, ld);
}

/// n pixels, ld elements apart, that no tap sees: zeros through the chain.
template <isa::tag I, class Chain>
void no_sums(index_t n, index_t channels, f32* to, index_t ld, bool streams, Chain const& chain) noexcept {
  alignas(64) static constexpr f32 none[64] = {};
  for (index_t c = 0; c < channels; c += 64) {
    index_t const some = min_of(64, channels - c);
    if constexpr (Chain::empty) put_pixels<I>(none, 0, n, some, to + c, ld, streams, chain);
    else
      for (index_t i = 0; i < n; ++i)
        finish_tile<I>(none, 64, 1, some, i, c, chain, to + i * ld + c, ld);
  }
}

} // namespace detail

IA_NN_END
