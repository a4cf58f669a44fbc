// SPDX-License-Identifier: Apache-2.0
//
// Convolution as a product: the elements of the image that the window sees at an output pixel are
// one row of a matrix,
//
//   row    output pixel
//   column (kernel position) * channels + channel        zero where the window is in the padding
//
// With channels last, neighbouring kernel positions of one image row are neighbours in memory too,
// so a row of the matrix is a few runs of elements, found here, and copied or added by the callers.
#pragma once

#include <ia_nn/ops/window.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// The columns of a group that one task looks at: kernel positions by channels.
struct column_slice {
  block taps, channels;
  index_t width() const noexcept { return taps.size() * channels.size(); }
};

/// Output pixels in the order of memory.
struct pixel_walk {
  spatial out;
  index_t image = 0;
  spatial at{0, 0, 0};

  pixel_walk(spatial const& o, index_t pixel) noexcept : out(o) {
    image = pixel / o.size();
    index_t rest = pixel % o.size();
    at.width = rest % o.width, rest /= o.width;
    at.height = rest % o.height, at.depth = rest / o.height;
  }
  void next() noexcept { skip(1); }
  /// n pixels of the same line further on.
  void skip(index_t n) noexcept {
    at.width += n;
    if (at.width < out.width) return;
    at.width = 0;
    if (++at.height < out.height) return;
    at.height = 0;
    if (++at.depth < out.depth) return;
    at.depth = 0;
    ++image;
  }
};

/// What one tap of a window sees.
struct tap_place {
  conv_shape const& s;
  spatial first; ///< element that output 0 sees, inside or not

  tap_place(conv_shape const& shape, index_t tap) noexcept : s(shape) {
    window const& w = s.win;
    first.width = tap % w.kernel.width * w.dilation.width - w.pad_begin.width, tap /= w.kernel.width;
    first.height = tap % w.kernel.height * w.dilation.height - w.pad_begin.height;
    first.depth = tap / w.kernel.height * w.dilation.depth - w.pad_begin.depth;
  }
  /// Outputs of a line of `width` at which it is within the line of the image.
  block outputs_inside(index_t width) const noexcept {
    index_t const stride = s.win.stride.width;
    index_t const begin = first.width >= 0 ? 0 : ceil_div(-first.width, stride);
    index_t const end = first.width >= s.in.width ? 0 : ceil_div(s.in.width - first.width, stride);
    return {begin, min_of(end, width)};
  }
  /// The element of the image that it sees at output `out`, or -1 in the padding.
  IA_NN_INLINE index_t pixel(spatial const& out) const noexcept {
    window const& w = s.win;
    index_t const x = out.width * w.stride.width + first.width, y = out.height * w.stride.height + first.height,
                  z = out.depth * w.stride.depth + first.depth;
    bool const inside = x >= 0 && x < s.in.width && y >= 0 && y < s.in.height && z >= 0 && z < s.in.depth;
    return inside ? (z * s.in.height + y) * s.in.width + x : -1;
  }
};

/// f(column, from, n) for the runs of a row of the matrix, in ascending columns: n elements from
/// element `from` of the image (its first channel of the group is element 0), or n zeros where
/// `from` is negative. Columns count from the slice's first.
template <class F>
IA_NN_INLINE void each_run(conv_shape const& s, column_slice const& slice, spatial const& out,
                           F const& f) noexcept {
  window const& w = s.win;
  index_t const channels = slice.channels.size(), first = slice.channels.begin;
  bool const joined = w.dilation.width == 1 && s.groups == 1 && channels == s.channels;
  index_t const x0 = out.width * w.stride.width - w.pad_begin.width;
  index_t column = 0, tap = slice.taps.begin, kx = 0, ky = 0, kz = 0;
  if (tap > 0) {
    kx = tap % w.kernel.width, ky = tap / w.kernel.width % w.kernel.height;
    kz = tap / w.kernel.width / w.kernel.height;
  }
  for (index_t next_line = 0; tap < slice.taps.end; kx = 0, ky = next_line) {
    index_t const count = min_of(w.kernel.width - kx, slice.taps.end - tap);
    tap += count;
    index_t const z = out.depth * w.stride.depth - w.pad_begin.depth + kz * w.dilation.depth;
    index_t const y = out.height * w.stride.height - w.pad_begin.height + ky * w.dilation.height;
    next_line = ky + 1;
    if (next_line == w.kernel.height) next_line = 0, ++kz;
    if (z < 0 || z >= s.in.depth || y < 0 || y >= s.in.height) {
      f(column, index_t{-1}, count * channels);
      column += count * channels;
      continue;
    }
    index_t const line = (z * s.in.height + y) * s.in.width;
    if (joined) {
      index_t const x = x0 + kx;
      index_t const before = min_of(count, max_of(0, -x));
      index_t const inside = max_of(0, min_of(count, s.in.width - x) - before);
      index_t const after = count - before - inside;
      if (before) f(column, index_t{-1}, before * channels);
      column += before * channels;
      if (inside) f(column, (line + x + before) * s.channels + first, inside * channels);
      column += inside * channels;
      if (after) f(column, index_t{-1}, after * channels);
      column += after * channels;
    } else {
      for (index_t i = kx; i < kx + count; ++i, column += channels) {
        index_t const x = x0 + i * w.dilation.width;
        bool const inside = x >= 0 && x < s.in.width;
        f(column, inside ? (line + x) * s.channels + first : index_t{-1}, channels);
      }
    }
  }
}

} // namespace detail

IA_NN_END
