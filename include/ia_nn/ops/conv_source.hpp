// SPDX-License-Identifier: Apache-2.0
//
// Where a band of a convolution finds its pixels: in the caller's image, or in a copy in the
// worker's scratch, which is padded and has the elements and the order that the kernel wants.
#pragma once

#include <ia_nn/arch/transpose.hpp>
#include <ia_nn/arch/vec.hpp>
#include <ia_nn/gemm/pack_rows.hpp>
#include <ia_nn/ops/conv_plan.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Copies `n` elements, converting them as the kernel wants.
template <class To, class From>
IA_NN_INLINE void copy_elements(To* to, From const* from, index_t n) noexcept {
  if constexpr (std::same_as<To, From>)
    __builtin_memcpy(static_cast<void*>(to), from, static_cast<std::size_t>(n) * sizeof(To));
  else {
    index_t i = 0;
    if constexpr (std::same_as<To, bf16> && std::same_as<From, f32>)
      for (; i + bf16_line <= n; i += bf16_line)
        split_line<packing_isa<isa::native, bf16_line>, 1>(to + i, 0, from + i, bf16_line);
    for (; i < n; ++i) to[i] = convert_a<To>(from[i]);
  }
}

/// The pixels of a band: where the kernel finds them.
template <class Packed> struct band_source {
  Packed const* first; ///< first tap of the band's first pixel
  index_t line, pixel; ///< from line to line, from pixel to pixel of output
};

/// Pixels of three bytes or bf16 as words of four, the fourth zero: pictures. A word may be read
/// where another pixel follows.
template <class Packed, class A>
void copy_three(Packed* to, A const* from, index_t pixels, index_t pitch) noexcept {
  using word_type = std::conditional_t<sizeof(A) == 1, std::uint32_t, std::uint64_t>;
  constexpr word_type kept = ~word_type{} >> 8 * sizeof(A), flip = std::same_as<Packed, A> ? 0U : 0x808080U;
  for (index_t x = 0; x + 1 < pixels; ++x) {
    word_type word;
    __builtin_memcpy(&word, from + x * pitch, sizeof word);
    word = (word & kept) ^ flip;
    __builtin_memcpy(static_cast<void*>(to + x * 4), &word, sizeof word);
  }
  if (pixels == 0) return;
  copy_elements(to + (pixels - 1) * 4, from + (pixels - 1) * pitch, 3);
  to[pixels * 4 - 1] = Packed{};
}

/// Every step-th column of a line of an image with channels first, planes `apart`, as pixels.
template <isa::tag I, class Packed, class A>
void transpose_line(Packed* to, A const* from, index_t apart, index_t channels, index_t pixels,
                    index_t pitch, index_t step) noexcept {
  if constexpr (sizeof(A) == 1)
    if (pitch == 4 && step == 1) { // a pixel is a word
      using V = vec<s32, I>;
      V const flip = V::broadcast(std::same_as<Packed, A> ? 0 : 0x80);
      for (index_t x = 0; x < pixels; x += V::size) {
        index_t const lanes = min_of(V::size, pixels - x);
        V word = V::zero();
        for (index_t c = channels; c-- > 0;)
          word = word << 8 |
                 (V::load(reinterpret_cast<u8 const*>(from) + c * apart + x, lanes) ^ flip);
        word.store(reinterpret_cast<s32*>(to + x * 4), lanes);
      }
      return;
    }
  if constexpr (sizeof(A) == 4)
    if (pitch == channels && channels >= 4 && step == 1)
      return transpose_words<I>(reinterpret_cast<std::uint32_t*>(to), channels, bytes_of(from),
                                apart * 4, pixels, 0);
  constexpr index_t some = 16; // pixels: a cache line of f32
  for (index_t x = 0; x < pixels; x += some)
    for (index_t c = 0; c < pitch; ++c)
      for (index_t i = x; i < min_of(pixels, x + some); ++i)
        to[i * pitch + c] = c < channels ? convert_a<Packed>(from[c * apart + i * step]) : Packed{};
}

/// Copies the part of an image that a band sees: padding and channels beyond the last become `fill`
/// and zero.
template <isa::tag I, class Packed, class A>
band_source<Packed> copy_band(conv_plan const& p, A const* image, index_t plane, block lines,
                              Packed fill, std::byte* scratch) noexcept {
  window const& w = p.shape.win;
  spatial const& in = p.shape.in;
  index_t const channels = p.shape.group_channels(), all = p.src_ld, pitch = p.pitch;
  Packed* const band = reinterpret_cast<Packed*>(scratch);
  index_t const row_stride = w.stride.height / p.row_step, step = p.column_step;
  index_t const rows = (lines.size() - 1) * row_stride + w.reach(1);
  index_t const x0 = -w.pad_begin.width; // column of the image in column 0 of the band
  index_t const from = min_of(p.band_width, ceil_div(max_of(0, -x0), step));
  index_t const to = max_of(from, min_of(p.band_width, ceil_div(max_of(0, in.width - x0), step)));
  auto const pad = [&](Packed* out, index_t n) {
    for (index_t i = 0; i < n; ++i) out[i] = fill;
  };
  for (index_t d = 0; d < w.kernel.depth; ++d) {
    index_t const z = plane * w.stride.depth - w.pad_begin.depth + d * w.dilation.depth;
    for (index_t r = 0; r < rows; ++r) {
      index_t const y = lines.begin * w.stride.height - w.pad_begin.height + r * p.row_step;
      Packed* out = band + (d * p.band_rows + r) * p.band_width * pitch;
      if (z < 0 || z >= in.depth || y < 0 || y >= in.height) {
        pad(out, p.band_width * pitch);
        continue;
      }
      pad(out, from * pitch);
      pad(out + to * pitch, (p.band_width - to) * pitch);
      index_t const pixel = (z * in.height + y) * in.width + from * step + x0;
      out += from * pitch;
      if (p.channels_first) {
        transpose_line<I>(out, image + pixel, in.size(), channels, to - from, pitch, step);
        continue;
      }
      A const* src = image + pixel * all;
      if (channels == all && pitch == all && step == 1) {
        copy_elements(out, src, (to - from) * pitch);
      } else if (sizeof(A) < 4 && pitch == 4 && channels == 3) {
        copy_three(out, src, to - from, all * step);
      } else {
        for (index_t x = from; x < to; ++x, out += pitch, src += all * step) {
          copy_elements(out, src, channels);
          for (index_t c = channels; c < pitch; ++c) out[c] = Packed{};
        }
      }
    }
  }
  // What a byte kernel reads beyond the last run.
  __builtin_memset(static_cast<void*>(band + w.kernel.depth * p.band_rows * p.band_width * pitch),
                   0, 128);
  return {band, row_stride * p.band_width * pitch, w.stride.width / step * pitch};
}

template <class Packed>
band_source<Packed> band_in_place(conv_plan const& p, Packed const* image, index_t plane,
                                  block lines) noexcept {
  window const& w = p.shape.win;
  index_t const line = p.shape.in.width * p.pitch;
  return {image +
              (plane * w.stride.depth * p.shape.in.height + lines.begin * w.stride.height) * line,
          w.stride.height * line, w.stride.width * p.pitch};
}

} // namespace detail

IA_NN_END
