// SPDX-License-Identifier: Apache-2.0
//
// Regions of interest: parts of an image, given as boxes, that become images of one size. The arithmetic of
// torchvision's roi_pool and roi_align; channels come last.
//
//   max      the box is rounded to whole pixels, both corners in it, and divided into out_height x
//            out_width cells that share pixels where they do not come out even; of each the maximum. A
//            cell without a pixel of the image gives 0.
//   align    nothing is rounded: of each cell the mean of grid x grid samples, which are interpolated
//            linearly between the four pixels around them. A sample further than a pixel from the image
//            counts as 0; what lies between is taken from the edge.
//
//   samples of a cell, grid 2          pixels around a sample
//     +---------+                        p00 ------ p01      hy hx p00 + hy lx p01
//     | .     . |                         |   . ly   |     + ly hx p10 + ly lx p11
//     | .     . |                         |  lx      |
//     +---------+                        p10 ------ p11      lx = x - floor(x), hx = 1 - lx
//
// `sampling` is the grid of align, 0: as many samples as the cell is pixels long, rounded up. Where a cell
// is larger than the image, samples outside of it are passed over: the time of a box depends on the image.
// `aligned` takes the centres of pixels for half numbers, as boxes do; without it a box is a pixel at least.
//
// A box with a corner that is no number, or beyond 2^24 pixels, gives 0. A NaN in a cell is its maximum:
// torchvision passes over it. Positions are f32, as there; sums of a cell are f32, one fma for each pixel.
// Error of align: (4 grid^2 + 4) 2^-24 of the mean of |pixel| beside that of the positions.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/ops/pool_kernel.hpp>

#include <ia_nn/begin.hpp>

enum class roi_kind { max, align };

struct roi_shape {
  index_t channels = 1, height = 1, width = 1; ///< of an image
  index_t out_height = 1, out_width = 1;
  f32 scale = 1;       ///< pixels of the image for one unit of the boxes: 1 / 16
  index_t sampling = 0; ///< roi_kind::align
  bool aligned = false; ///< roi_kind::align
};

struct roi_call {
  index_t count = 0;            ///< boxes
  f32 const* src = nullptr;     ///< [batch][height][width][channels]
  f32 const* boxes = nullptr;   ///< [count][4]: x0 y0 x1 y1
  s32 const* images = nullptr;  ///< [count]: the image of each box, below the batch; null: see per_image
  index_t per_image = 0;        ///< of `images` null: so many boxes of each image; 0: all are of the first
  f32* dst = nullptr;           ///< [count][out_height][out_width][channels]
};

/// Errors at construction: errc::bad_shape (extents below 1, images of 2^24 rows or columns and more),
/// errc::bad_parameter (a scale that is not above 0, a negative grid), errc::unsupported_isa.
template <isa::tag I> class roi_pooling {
  using V = vec<f32, I>;

public:
  roi_pooling(roi_kind kind, roi_shape const& s) : kind_(kind), s_(s) {
    isa::require<typename detail::vec_tag<I>::type>();
    constexpr index_t most = index_t{1} << 24;
    for (index_t const n : {s.channels, s.height, s.width, s.out_height, s.out_width})
      if (n < 1 || n > most)
        throw_error(errc::bad_shape, "roi_pooling: an image of " + std::to_string(s.height) + " x " +
                                         std::to_string(s.width) + " x " + std::to_string(s.channels) +
                                         " to " + std::to_string(s.out_height) + " x " +
                                         std::to_string(s.out_width));
    if (!(s.scale > 0) || s.scale - s.scale != 0 || s.sampling < 0 || s.sampling > 1024)
      throw_error(errc::bad_parameter, "roi_pooling: a scale of " + detail::number_text(s.scale) +
                                           ", a grid of " + std::to_string(s.sampling));
  }

  roi_shape const& shape() const noexcept { return s_; }

  /// dst must not overlap src.
  template <executor E = sequential> void run(roi_call const& c, E&& e = {}) const noexcept {
    index_t const cells = s_.out_height * s_.out_width;
    parallel_blocks(e, c.count * s_.out_height, ceil_div(512, s_.out_width * s_.channels),
                    [&](index_t begin, index_t end, int) {
                      for (index_t row = begin; row < end; ++row) {
                        index_t const i = row / s_.out_height, oy = row % s_.out_height;
                        index_t const image = c.images          ? static_cast<index_t>(c.images[i])
                                              : c.per_image > 0 ? i / c.per_image
                                                                : 0;
                        f32 const* const src = c.src + image * s_.height * s_.width * s_.channels;
                        f32* const dst = c.dst + (i * cells + oy * s_.out_width) * s_.channels;
                        box const b(c.boxes + i * 4, s_.scale);
                        if (!b.is_finite()) zero(dst, s_.out_width * s_.channels);
                        else if (kind_ == roi_kind::max) maxima(src, b, oy, dst);
                        else means(src, b, oy, dst);
                      }
                    });
  }

private:
  struct box {
    f32 x0, y0, x1, y1;

    box(f32 const* b, f32 scale) noexcept
        : x0(b[0] * scale), y0(b[1] * scale), x1(b[2] * scale), y1(b[3] * scale) {}
    bool is_finite() const noexcept {
      auto const inside = [](f32 x) { return x >= -0x1p24F && x <= 0x1p24F; };
      return inside(x0) && inside(y0) && inside(x1) && inside(y1);
    }
  };
  static void zero(f32* p, index_t n) noexcept {
    for (index_t i = 0; i < n; ++i) p[i] = 0;
  }

  // Pixels [begin, end) of cell o of an axis.
  static block pixels_of(f32 from, f32 to, index_t o, index_t out, index_t extent) noexcept {
    f32 const first = __builtin_roundf(from);
    f32 const length = __builtin_roundf(to) - first + 1;
    f32 const each = (length > 1 ? length : 1) / static_cast<f32>(out);
    auto const within = [&](f32 x) {
      index_t const i = static_cast<index_t>(x) + static_cast<index_t>(first);
      return min_of(max_of(i, 0), extent);
    };
    return {within(__builtin_floorf(static_cast<f32>(o) * each)),
            within(__builtin_ceilf(static_cast<f32>(o + 1) * each))};
  }
  void maxima(f32 const* src, box const& b, index_t oy, f32* dst) const noexcept {
    block const y = pixels_of(b.y0, b.y1, oy, s_.out_height, s_.height);
    for (index_t ox = 0; ox < s_.out_width; ++ox, dst += s_.channels) {
      block const x = pixels_of(b.x0, b.x1, ox, s_.out_width, s_.width);
      if (y.empty() || x.empty()) {
        zero(dst, s_.channels);
        continue;
      }
      detail::pool_cell const cell{.taps = {1, y.size(), x.size()},
                                   .step = {0, s_.width * s_.channels, s_.channels}};
      detail::pool_kernel<I, f32>::maximum(src + (y.begin * s_.width + x.begin) * s_.channels, cell, dst,
                                           s_.channels);
    }
  }

  // Cells of an axis, and samples in them.
  struct axis {
    f32 start, each;
    index_t grid, extent;

    axis(f32 from, f32 to, roi_shape const& s, index_t out, index_t n) noexcept : extent(n) {
      f32 const offset = s.aligned ? 0.5F : 0.0F;
      start = from - offset;
      f32 length = (to - offset) - start;
      if (!s.aligned && !(length > 1)) length = 1;
      each = length / static_cast<f32>(out);
      grid = s.sampling > 0 ? s.sampling : static_cast<index_t>(__builtin_ceilf(each));
    }
    f32 position(index_t cell, index_t k) const noexcept {
      f32 const corner = __builtin_fmaf(static_cast<f32>(cell), each, start);
      return corner + (static_cast<f32>(k) + 0.5F) * each / static_cast<f32>(grid);
    }
    // True if a sample is in the image or less than a pixel outside.
    bool counts(f32 x) const noexcept { return x >= -1 && x <= static_cast<f32>(extent); }
    // Samples [begin, end) of a cell, with all that count among them.
    block samples(index_t cell) const noexcept {
      if (grid <= 4 || !(each > 0)) return {0, max_of(grid, 0)};
      f32 const corner = __builtin_fmaf(static_cast<f32>(cell), each, start);
      f32 const step = each / static_cast<f32>(grid);
      auto const nearest = [&](f32 x) { // which sample is near x; within the grid
        f32 const k = (x - corner) / step;
        return k < 0 ? 0 : k > static_cast<f32>(grid) ? grid : static_cast<index_t>(k);
      };
      return {max_of(nearest(-1) - 8, 0), min_of(nearest(static_cast<f32>(extent)) + 8, grid)};
    }
  };
  struct sample {
    index_t low, high;
    f32 l, h;

    sample(f32 x, index_t extent) noexcept {
      if (!(x > 0)) x = 0;
      low = static_cast<index_t>(x);
      if (low >= extent - 1) low = high = extent - 1, x = static_cast<f32>(low);
      else high = low + 1;
      l = x - static_cast<f32>(low), h = 1 - l;
    }
  };
  void means(f32 const* src, box const& b, index_t oy, f32* dst) const noexcept {
    axis const y(b.y0, b.y1, s_, s_.out_height, s_.height), x(b.x0, b.x1, s_, s_.out_width, s_.width);
    // A box that is turned around has an empty grid if the grid follows from it.
    f32 const all = static_cast<f32>(max_of(y.grid, 0)) * static_cast<f32>(max_of(x.grid, 0));
    V const share = V::broadcast(all > 1 ? 1 / all : 1.0F);
    block const rows = y.samples(oy);
    for (index_t ox = 0; ox < s_.out_width; ++ox, dst += s_.channels) {
      block const columns = x.samples(ox);
      detail::pool_kernel<I, f32>::over_channels(
          s_.channels, [&](auto unroll, index_t c, auto at) IA_NN_LAMBDA {
            constexpr int U = decltype(unroll)::value;
            V total[U];
            IA_NN_UNROLL
            for (int u = 0; u < U; ++u) total[u] = V::zero();
            for (index_t i = rows.begin; i < rows.end; ++i) {
              f32 const py = y.position(oy, i);
              if (!y.counts(py)) continue;
              sample const v(py, s_.height);
              f32 const* const top = src + v.low * s_.width * s_.channels + c;
              f32 const* const bottom = src + v.high * s_.width * s_.channels + c;
              for (index_t j = columns.begin; j < columns.end; ++j) {
                f32 const px = x.position(ox, j);
                if (!x.counts(px)) continue;
                sample const h(px, s_.width);
                f32 const* const p[4] = {top + h.low * s_.channels, top + h.high * s_.channels,
                                         bottom + h.low * s_.channels, bottom + h.high * s_.channels};
                V const w[4] = {V::broadcast(v.h * h.h), V::broadcast(v.h * h.l),
                                V::broadcast(v.l * h.h), V::broadcast(v.l * h.l)};
                IA_NN_UNROLL
                for (int q = 0; q < 4; ++q) {
                  IA_NN_UNROLL
                  for (int u = 0; u < U; ++u)
                    total[u] = fma(w[q], at.template load<V>(p[q] + u * V::size), total[u]);
                }
              }
            }
            IA_NN_UNROLL
            for (int u = 0; u < U; ++u) at.store(total[u] * share, dst + c + u * V::size);
          });
    }
  }

  roi_kind kind_;
  roi_shape s_;
};

IA_NN_END
