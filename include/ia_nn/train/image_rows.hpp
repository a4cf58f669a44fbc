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

#include <ia_nn/gemm/gemm.hpp>
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
  void next() noexcept {
    if (++at.width < out.width) return;
    at.width = 0;
    if (++at.height < out.height) return;
    at.height = 0;
    if (++at.depth < out.depth) return;
    at.depth = 0;
    ++image;
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
  index_t column = 0;
  for (index_t tap = slice.taps.begin; tap < slice.taps.end;) {
    index_t const kx = tap % w.kernel.width, row = tap / w.kernel.width;
    index_t const ky = row % w.kernel.height, kz = row / w.kernel.height;
    index_t const count = min_of(w.kernel.width - kx, slice.taps.end - tap);
    tap += count;
    index_t const z = out.depth * w.stride.depth - w.pad_begin.depth + kz * w.dilation.depth;
    index_t const y = out.height * w.stride.height - w.pad_begin.height + ky * w.dilation.height;
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

/// Writes elements of packed B one by one, in the layout that panel.hpp draws for Kr = 1.
template <isa::tag I> class panel_writer {
  using weights_view = typename gemm<I, f32, f32, f32>::weights_view;
  using panel_type = typename weights_view::panel_type;
  static_assert(panel_type::kr == 1);
  static constexpr index_t nr = panel_type::nr;

public:
  /// f32 that a packed matrix of k x n takes.
  static constexpr index_t cells(index_t k, index_t n) noexcept {
    return round_up(panel_type::template size<f32>(k, n), 16);
  }

  /// n as a whole number of panels.
  static constexpr index_t padded(index_t n) noexcept { return round_up(n, nr); }

  panel_writer(f32* data, index_t k, index_t n) noexcept : data_(data), k_(k), n_(n) {}

  weights_view view() const noexcept {
    weights_view v;
    v.data = data_, v.k = k_, v.n = n_;
    return v;
  }
  void put(index_t row, index_t column, f32 x) const noexcept { *cell(row, column) = x; }
  /// n elements of a row from `column` on: a copy of `from`, or zeros where it is null.
  IA_NN_INLINE void put_run(index_t row, index_t column, f32 const* from,
                            index_t n) const noexcept {
    using V = vec<f32, I>;
    while (n > 0) {
      index_t const whole = min_of(n, nr - column % nr);
      f32* const to = cell(row, column);
      if (from) {
        each_register<V>(0, whole, [&](index_t i, auto at) IA_NN_LAMBDA {
          at.store(at.template load<V>(from + i), to + i);
        });
        from += whole;
      } else {
        each_register<V>(0, whole,
                         [&](index_t i, auto at) IA_NN_LAMBDA { at.store(V::zero(), to + i); });
      }
      column += whole, n -= whole;
    }
  }
  /// Zeros in the rows [first, k) of every panel.
  void clear_rows(index_t first) const noexcept {
    for (index_t p = 0; p < panel_type::panels(n_); ++p)
      __builtin_memset(static_cast<void*>(data_ + (p * k_ + first) * nr), 0,
                       static_cast<std::size_t>((k_ - first) * nr) * sizeof(f32));
  }

private:
  f32* cell(index_t row, index_t column) const noexcept {
    return data_ + (column / nr * k_ + row) * nr + column % nr;
  }

  f32* data_;
  index_t k_, n_;
};

} // namespace detail

IA_NN_END
