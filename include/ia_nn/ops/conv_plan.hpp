// SPDX-License-Identifier: Apache-2.0
//
// How a convolution becomes a product: rows are output pixels, columns filters, and k runs over the
// taps of the window and the channels. No matrix of windows is built: a tile of the product reads
// its pixels in the image.
//
//   stride 1, 3 x 3, a tile of 4 pixels of one line:
//
//      line y - 1   . [a b c]. . .        pixel 0 of the tile sees a b c | d e f | g h i
//      line y       . [d e f]. . .        pixel 1 sees the same, one pixel further on
//      line y + 1   . [g h i]. . .
//                      run 0: a b c, run 1: d e f, run 2: g h i
//
// Pixels of a tile lie a constant distance apart, and so do the taps of a window: k comes in *runs*
// of neighbouring elements (kernel width * channels of them), with a jump to the next line between.
// A tile of two halves may begin in one line and end in the next.
//
// Source   in place   channels last, no padding, runs are whole groups of the kernel, pixels do not
//                     alias in L1
//          copied     a band of lines, padded, transposed if its channels come
//                     first, and converted (s8 + 128), in the worker's scratch
// Tile     direct     each half lies within one line
//          gathered   any other: its windows one behind the other, k contiguous, in scratch
//
// Set-up chooses numbers; nothing here depends on element types or instruction sets.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/gemm/blocking.hpp>
#include <ia_nn/ops/window.hpp>

#include <vector>

#include <ia_nn/begin.hpp>

namespace detail {

/// What the kernel of a convolution wants.
struct conv_kernel_facts {
  index_t a_bytes, b_bytes; ///< of an element
  index_t kr_a, nr;         ///< elements of k in a group; columns of a panel
  int rows, first;          ///< of the tallest tile, of its first half
  bool converts;            ///< the packed element is another one than the caller's
  bool is_amx;
};

/// All extents are in elements unless they say bytes.
struct conv_plan {
  conv_shape shape;
  index_t src_ld;      ///< channels of the caller's image
  bool channels_first; ///< in front of its axes
  spatial out;
  index_t nr, kr_a;
  index_t panels;       ///< of a group
  bool copies = false;  ///< the source is copied
  bool gathers = false; ///< every tile is gathered
  bool uniform = false; ///< all pixels are the same distance apart, whatever their line
  /// AMX: tiles run on from line to line over what the window sees beyond the last pixel of a line. Those
  /// results are dropped, and every tile has all its rows, whatever the width of the image.
  bool continuous = false;
  index_t row_pixels = 0; ///< rows of tiles from line to line: out.width, or more if continuous
  bool skips = false;   ///< runs of lines above or below the image are left out
  bool joined = false;  ///< a run holds the taps of a whole line of the window
  /// Lines and columns of the image from one of the band to the next: what lies between windows of
  /// one element is not read.
  index_t row_step = 1, column_step = 1;
  index_t pitch = 0;  ///< from pixel to pixel of the source
  index_t slot = 0;   ///< channels of one tap in k, with zeros
  index_t length = 0; ///< of a run: one tap, or those of a line of the window
  index_t run = 0;    ///< of a run in k, with zeros
  index_t runs = 0;
  std::vector<index_t> jumps;            ///< from the end of run i in the source to the next
  std::vector<index_t> offsets;          ///< of run i from the first tap
  int height = 1, first = 1;             ///< rows of a tile, of its first half
  index_t block_runs = 1;                ///< runs of a block of k
  index_t band_lines = 1;                ///< lines of output that one task computes
  index_t band_rows = 0, band_width = 0; ///< copied: [kernel depth][band_rows][band_width][pitch]
  index_t gather_ld = 0;                 ///< from window to window of a gathered tile
  index_t copy_bytes = 0, gather_bytes = 0, packed_bytes = 0, between_bytes = 0, tile_bytes = 0;
  static constexpr index_t tile_entry = 32; ///< bytes that a band keeps of each tile

  /// ld: channels of the image of which the source is a slice, 0 for as many as it has; planes:
  /// they come first.
  conv_plan(conv_shape const& s, conv_kernel_facts const& f, index_t ld, bool planes)
      : shape(s), src_ld(ld == 0 ? s.channels : ld), channels_first(planes), out(s.out()), nr(f.nr),
        kr_a(f.kr_a), panels(ceil_div(s.group_filters(), f.nr)) {
    choose_source(f);
    choose_tiles(f);
    choose_bands(f);
    place_runs();
  }

  index_t k() const noexcept { return runs * run; }
  index_t lines() const noexcept { return out.height; }
  bool cuts_k() const noexcept { return block_runs < runs; }
  index_t worker_bytes() const noexcept {
    return copy_bytes + gather_bytes + packed_bytes + between_bytes + tile_bytes;
  }

private:
  void choose_source(conv_kernel_facts const& f) {
    window const& w = shape.win;
    index_t const channels = shape.group_channels();
    index_t const alias = 4096 / f.a_bytes;
    if (w.kernel.height == 1) row_step = w.stride.height;
    if (w.kernel.width == 1) column_step = w.stride.width;
    bool const adjacent = w.dilation.width == 1 && w.kernel.width > 1;
    auto const may_join = [&](index_t each) {
      // A chunk of AMX is whole runs and has to stay in L1.
      return adjacent && !(f.is_amx && each % f.kr_a == 0 &&
                           w.kernel.width * each * nr * f.b_bytes > l1_chunk_bytes);
    };
    joined = src_ld == channels && may_join(channels);
    pitch = src_ld;
    slot = channels;
    length = joined ? w.kernel.width * slot : slot;
    // Rows of a tile a multiple of 4096 bytes apart fall into the same sets of L1.
    bool const aliases = !f.is_amx && f.rows > 4 && w.stride.width * pitch % alias == 0;
    copies = channels_first || w.pads() || f.converts || aliases || length % f.kr_a != 0;
    if (copies) {
      // A byte kernel may read beyond a run, where the weights are zero. For floats an infinity
      // could meet those zeros, so the copy has zeros there, or whole windows are gathered.
      slot = round_up(channels, f.a_bytes == 1 ? 4 : f.is_amx ? 2 : f.kr_a);
      pitch = slot;
      // One tap along a line: pixels may lie as far apart as L1 likes them.
      index_t const bad = w.kernel.width == 1 ? alias / 4 : alias;
      if (!f.is_amx && w.stride.width / column_step * pitch % bad == 0) pitch += 64 / f.a_bytes;
      joined = pitch == slot && may_join(slot);
      length = joined ? w.kernel.width * slot : slot;
      gathers = f.a_bytes > 1 && length % f.kr_a != 0;
      // Few channels: a line of the window fills half of 64 bytes or less, the whole window does not
      // (7 x 7 x 3 bytes: 3 groups instead of 7).
      index_t const whole = round_up(w.kernel.size() * channels, f.kr_a);
      if (f.is_amx && !channels_first &&
          (gathers || 2 * whole <= w.kernel.size() / (joined ? w.kernel.width : 1) *
                                       round_up(length, f.kr_a))) {
        gathers = true;
        slot = pitch = channels;
        joined = adjacent;
        length = joined ? w.kernel.width * slot : slot;
      }
    }
    runs = w.kernel.size() / (joined ? w.kernel.width : 1);
    if (gathers) {
      run = round_up(runs * length, f.kr_a);
      runs = 1;
    } else {
      run = round_up(length, f.kr_a);
    }
    uniform = !copies && w.kernel.size() == 1 && w.stride.size() == 1;
    band_width = (out.width - 1) * (w.stride.width / column_step) + w.reach(2);
    skips = !gathers && w.pads() && w.kernel.depth == 1;
  }

  // Halves of a tile should end where lines do.
  void choose_tiles(conv_kernel_facts const& f) {
    height = f.rows;
    first = f.first;
    row_pixels = out.width;
    if (f.is_amx && !uniform && !gathers) {
      int const width = static_cast<int>(min_of(out.width, 16));
      first = width;
      if (out.width > 16)
        for (int h = 16; h >= 10; --h)
          if (out.width % h == 0) {
            first = h;
            break;
          }
      height = 2 * first;
      index_t const seen = copies ? band_width : shape.in.width;
      if (shape.win.stride.size() == 1 && ceil_div((out.height - 1) * seen + out.width, f.rows) <=
                                              ceil_div(out.height * out.width, height)) {
        continuous = true;
        row_pixels = seen;
        height = f.rows;
        first = f.first;
      }
    }
  }

  // A band's source, gathered tiles and a block of a panel stay in L2 together.
  void choose_bands(conv_kernel_facts const& f) {
    window const& w = shape.win;
    index_t const l2 = cpu::cache_sizes().l2;
    gather_ld = k();
    if (gather_ld * f.a_bytes % 4096 == 0) gather_ld += 64 / f.a_bytes;
    bool const in_l1 = f.is_amx && k() * nr * f.b_bytes > l1_panel_bytes && out.height * row_pixels > height;
    block_runs = max_of(1, min_of(runs, (in_l1 ? l1_chunk_bytes : l2 / 4) / max_of(1, run * nr * f.b_bytes)));
    block_runs = ceil_div(runs, ceil_div(runs, block_runs));
    bool const direct =
        !gathers && (uniform || continuous || (out.width % first == 0 && 2 * first == height));
    index_t const row_bytes = band_width * pitch * f.a_bytes;
    auto const rows_of_tile = [&](index_t l) { return min_of(height, round_up(l * row_pixels, 4)); };
    auto const tiles = [&](index_t l) { return ceil_div(l * row_pixels, height); };
    auto const gathered = [&](index_t l) {
      return ((direct ? 0 : tiles(l)) + 1) * rows_of_tile(l) * gather_ld * f.a_bytes;
    };
    auto const rows = [&](index_t l) {
      return (l - 1) * (w.stride.height / row_step) + w.reach(1);
    };
    auto const bytes = [&](index_t l) {
      return (copies ? w.kernel.depth : 1) * rows(l) * row_bytes + (direct ? 0 : gathered(l));
    };
    index_t l = out.height;
    index_t const least = min_of(out.height, ceil_div(height, out.width));
    while (l > least && bytes(l) > l2 / 2) l = max_of(least, ceil_div(l, 2));
    l = ceil_div(out.height, ceil_div(out.height, l));
    band_lines = l;
    band_rows = rows(l);
    // A run may be read to the end of its last group: 64 bytes for AMX.
    copy_bytes = copies ? round_up(w.kernel.depth * band_rows * row_bytes + 128, 64) : 0;
    gather_bytes = round_up(gathered(l), 64);
    packed_bytes = f.is_amx ? 0 : round_up(rows_of_tile(l) * k() * f.a_bytes, 64);
    tile_bytes = round_up(tiles(l) * tile_entry, 64);
    between_bytes = cuts_k() ? round_up(tiles(l) * height * nr * 4, 64) : 0;
  }

  void place_runs() {
    window const& w = shape.win;
    index_t const step = (joined ? 1 : w.dilation.width) * pitch;
    for (index_t d = 0; d < w.kernel.depth; ++d)
      for (index_t h = 0; h < w.kernel.height; ++h)
        for (index_t x = 0; x < (joined ? 1 : w.kernel.width); ++x)
          offsets.push_back(
              copies ? (d * band_rows + h * w.dilation.height) * band_width * pitch + x * step
                     : (d * w.dilation.depth * shape.in.height + h * w.dilation.height) *
                               shape.in.width * pitch +
                           x * step);
    jumps.assign(offsets.size(), 0);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i)
      jumps[i] = offsets[i + 1] - offsets[i] - run;
  }
};

/// Weights [filters][channels / groups][taps] as a panel of the k x filters matrix of the plan:
/// `columns` filters from number `first` on. Zeros between runs stay as they are.
template <class Panel, class T, class W>
void conv_panel(T* panel, W const* weights, conv_plan const& p, index_t first,
                index_t columns) noexcept {
  constexpr index_t nr = Panel::nr, kr = Panel::kr;
  index_t const channels = p.shape.group_channels(), taps = p.shape.win.kernel.size();
  index_t const taps_of_run = p.joined ? p.shape.win.kernel.width : 1;
  W const* from = weights + first * channels * taps;
  for (index_t c = 0; c < channels; ++c)
    for (index_t t = 0; t < taps; ++t, ++from) {
      index_t const k =
          p.gathers ? t * p.slot + c : t / taps_of_run * p.run + t % taps_of_run * p.slot + c;
      T* const to = panel + k / kr * nr * kr + k % kr;
      for (index_t j = 0; j < columns; ++j) {
        W const w = from[j * channels * taps];
        if constexpr (std::same_as<T, W>) to[j * kr] = w;
        else to[j * kr] = T(static_cast<f32>(w));
      }
    }
}

} // namespace detail

IA_NN_END
