// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a convolution for its weights as a sum of outer products (outer_products.hpp) of the
// pixels of diff_dst and what the window sees at them, over chunks of pixels:
//
//   task (part of the pixels, group, slices of filters and columns)      any worker
//     chunk of pixels      diff_dst packed
//       tap                pieces of lines where it is inside the image: filters x channels, added to
//                          the task's own sums. f32 is read from the image, nothing is copied
//   sum of the parts in their order, written as [filters][channels][kernel]
//
//   3 x 3, a line of 7 outputs, pad 1:   tap 0   . 1 2 3 4 5 6      pixels 0 .. 5 of the image
//                                        tap 1   0 1 2 3 4 5 6      pixels 0 .. 6
//                                        tap 2   0 1 2 3 4 5 .      pixels 1 .. 6
//
// Products with padding are left out: 18 % of them in images of 7 x 7. Where the channels are no whole
// panels, or products are of bf16, which wants pairs of pixels side by side, what the window sees is packed
// (image_rows.hpp). Of 1 x 1 with more filters than channels the source is the packed side.
//
// The numbers of parts and slices depend on the shape and the batches alone, so the bits do not
// depend on the number of workers.
#pragma once

#include <ia_nn/train/image_rows.hpp>
#include <ia_nn/train/outer_products.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// The gradient for the weights of layers that are no depthwise ones.
template <isa::tag I, element E> class windowed_backward_weights {
  using V = vec<f32, I>;

public:
  windowed_backward_weights(conv_shape const& s, index_t max_batch, int workers)
      : s_(s), out_(s.out()), workers_(workers),
        in_place_(s.win.kernel.size() == 1 && s.win.stride.size() == 1 && !s.win.pads()),
        swapped_(swaps(s, max_batch)), left_(swapped_ ? s.group_channels() : s.group_filters()),
        right_(swapped_ ? s.group_filters() : s.group_channels()),
        taps_(slices_of(s.win.kernel.size(), right_)),
        right_slices_(slices_of(right_, ceil_div(s.win.kernel.size(), taps_))),
        left_slices_(slices_of(left_, 1)),
        width_(ceil_div(s.win.kernel.size(), taps_) * ceil_div(right_, right_slices_)),
        chunk_(chunk_of(max_batch * out_.size())),
        products_(ceil_div(left_, left_slices_), width_, chunk_),
        whole_panels_(right_ % (right_slices_ * products_.panel_columns) == 0) {
    index_t const tasks = s.groups * slices();
    constexpr index_t most_cells = index_t{1} << 22; // 16 MiB of sums of parts
    most_parts_ = max_of(1, min_of(ceil_div(16, tasks), most_cells / (tasks * products_.sums_cells())));
    // Adding up a part costs as much as the products of some pixels.
    most_parts_ = min_of(most_parts_, ceil_div(max_batch * out_.size(), 3 * chunk_));
  }

  index_t workspace_bytes() const noexcept {
    return most_parts_ * s_.groups * slices() * products_.sums_cells() * 4 + workers_ * worker_bytes();
  }

  template <executor X>
  void run(index_t batch, f32 const* src, f32 const* diff_dst, gradient const& to, std::byte* scratch,
           X& e) const noexcept {
    index_t const pixels = batch * out_.size(), tasks = s_.groups * slices();
    index_t const parts = min_of(most_parts_, ceil_div(pixels, chunk_));
    f32* const sums = reinterpret_cast<f32*>(scratch);
    std::byte* const own = scratch + most_parts_ * tasks * products_.sums_cells() * 4;
    run_tasks(e, workers_, parts * tasks, [&](index_t task, int worker) {
      block const chosen =
          block_of(pixels, static_cast<int>(parts), static_cast<int>(task / tasks), chunk_);
      sum_part(src, diff_dst, chosen, task % tasks, sums + task * products_.sums_cells(),
               own + worker * worker_bytes());
    });
    if (swapped_)
      parallel_blocks(e, s_.channels, 16, [&](index_t begin, index_t end, int) {
        for (index_t c = begin; c < end; c += 16)
          finish_turned({c, min_of(c + 16, end)}, parts, tasks, sums, to);
      });
    else e.parallel_for(s_.filters, [&](index_t f, int) { finish_filter(f, parts, tasks, sums, to); });
  }

private:
  // Slices of n, each of which brings `each` columns, of about 512 columns.
  static index_t slices_of(index_t n, index_t each) noexcept {
    return min_of(n, ceil_div(n * each, 512));
  }
  static constexpr index_t most_rows = 256; // of a chunk
  static index_t chunk_of(index_t pixels) noexcept {
    return round_up(ceil_div(pixels, ceil_div(pixels, most_rows)), 2);
  }
  // Of 1 x 1 the side with fewer columns is the one that is packed, if there are so many pixels that
  // turning the sums over does not count.
  static bool swaps(conv_shape const& s, index_t max_batch) noexcept {
    using products = outer_products<I, E>;
    return products::reads_in_place && s.win.kernel.size() == 1 && s.win.stride.size() == 1 && !s.win.pads() &&
           s.group_filters() > s.group_channels() && max_batch * s.out().size() >= 8192 &&
           s.group_filters() % (slices_of(s.group_filters(), 1) * products::panel_columns) == 0;
  }
  index_t slices() const noexcept { return left_slices_ * taps_ * right_slices_; }
  // Zeros, or some gathered rows.
  index_t rows_bytes() const noexcept {
    return in_place_       ? 0
           : whole_panels_ ? f32_bytes(right_)
                           : f32_bytes(products_.rows_at_once * width_);
  }
  index_t worker_bytes() const noexcept { return products_.scratch_bytes() + rows_bytes(); }
  // Columns of the packed side of slice i; columns of the other, those of taps if it is the source.
  block left_of(index_t i) const noexcept {
    return block_of(left_, static_cast<int>(left_slices_), static_cast<int>(i / (taps_ * right_slices_)));
  }
  column_slice slice_of(index_t i) const noexcept {
    i %= taps_ * right_slices_;
    return {block_of(s_.win.kernel.size(), static_cast<int>(taps_),
                     static_cast<int>(i / right_slices_)),
            block_of(right_, static_cast<int>(right_slices_), static_cast<int>(i % right_slices_))};
  }

  // f(tap, its columns of the slice)
  template <class F> static IA_NN_INLINE void for_each_tap(column_slice const& slice, F const& f) noexcept {
    index_t const channels = slice.channels.size();
    for (index_t tap = slice.taps.begin, c = 0; tap < slice.taps.end; ++tap, c += channels)
      f(tap, block{c, c + channels});
  }
  struct pixels_of { // of a chunk
    index_t first, count;
  };
  // The pieces of lines of output for which a tap is inside the image; src begins with the first channel.
  index_t runs_of(index_t tap, pixels_of chunk, f32 const* src, row_run* runs) const noexcept {
    tap_place const place(s_, tap);
    block const inside = place.outputs_inside(out_.width);
    index_t n = 0;
    pixel_walk walk(out_, chunk.first);
    for (index_t row = 0; row < chunk.count;) {
      index_t const length = min_of(out_.width - walk.at.width, chunk.count - row);
      index_t const begin = max_of(walk.at.width, inside.begin);
      index_t const end = min_of(walk.at.width + length, inside.end);
      spatial at = walk.at;
      at.width = begin;
      index_t const pixel = begin < end ? place.pixel(at) : -1;
      if (pixel >= 0)
        runs[n++] = {row + begin - walk.at.width, end - begin,
                     src + (walk.image * s_.in.size() + pixel) * s_.channels};
      row += length;
      walk.skip(length);
    }
    return n;
  }
  // One task: the products of a block of pixels for one group and slice.
  void sum_part(f32 const* src, f32 const* diff_dst, block pixels, index_t task, f32* sums,
                std::byte* scratch) const noexcept {
    index_t const group = task / slices();
    column_slice const slice = slice_of(task % slices());
    block const left = left_of(task % slices());
    outer_products<I, E> const products(left.size(), slice.width(), chunk_);
    f32* const rows = reinterpret_cast<f32*>(scratch + products_.scratch_bytes());
    index_t const image_size = s_.in.size() * s_.channels;
    f32 const* const image_group = src + group * s_.group_channels();
    f32 const* const diff_group = diff_dst + group * s_.group_filters();
    f32 const* const a = (swapped_ ? image_group : diff_group) + left.begin;
    f32 const* const from = (swapped_ ? diff_group : image_group) + slice.channels.begin;
    index_t const a_ld = swapped_ ? s_.channels : s_.filters, from_ld = swapped_ ? s_.filters : s_.channels;
    if (rows_bytes() > 0) __builtin_memset(static_cast<void*>(rows), 0, static_cast<std::size_t>(rows_bytes()));
    pixel_walk walk(out_, pixels.begin);
    for (index_t first = pixels.begin; first < pixels.end; first += chunk_) {
      index_t const count = min_of(chunk_, pixels.end - first);
      bool const add = first > pixels.begin;
      products.pack_a(count, [&](index_t r) IA_NN_LAMBDA { return a + (first + r) * a_ld; }, a_ld, scratch);
      if constexpr (outer_products<I, E>::reads_in_place)
        if (whole_panels_) {
          if (in_place_) {
            row_run const run{0, count, from + first * from_ld};
            products.multiply_in_place(&run, 1, from_ld, {0, slice.width()}, add, count * from_ld, sums,
                                       scratch);
          } else {
            for_each_tap(slice, [&](index_t tap, block columns) IA_NN_LAMBDA {
              row_run runs[most_rows];
              index_t const n = runs_of(tap, pixels_of{first, count}, from, runs);
              products.multiply_in_place(runs, n, s_.win.stride.width * s_.channels, columns, add, 0, sums,
                                         scratch);
            });
          }
          continue;
        }
      if (in_place_) {
        f32 const* const begin = from + first * from_ld;
        products.pack_b(count, {0, slice.width()}, [&](index_t r) IA_NN_LAMBDA { return begin + r * from_ld; },
                        from_ld, scratch);
      } else if (whole_panels_) {
        for_each_tap(slice, [&](index_t tap, block columns) IA_NN_LAMBDA {
          pixel_walk at = walk;
          tap_place const place(s_, tap);
          products.pack_b(count, columns, [&](index_t) IA_NN_LAMBDA {
            index_t const pixel = place.pixel(at.at);
            f32 const* const image = from + at.image * image_size;
            at.next();
            return pixel < 0 ? static_cast<f32 const*>(rows) : image + pixel * s_.channels;
          }, 0, scratch);
        });
        walk = pixel_walk(out_, first + count);
      } else {
        products.pack_b(count, {0, slice.width()}, [&](index_t r) IA_NN_LAMBDA {
          f32* const row = rows + r % products.rows_at_once * width_;
          f32 const* const image = image_group + walk.image * image_size;
          each_run(s_, slice, walk.at, [&](index_t column, index_t at, index_t n) IA_NN_LAMBDA {
            each_register<V>(0, n, [&](index_t i, auto where) IA_NN_LAMBDA {
              where.store(at < 0 ? V::zero() : where.template load<V>(image + at + i), row + column + i);
            });
          });
          walk.next();
          return static_cast<f32 const*>(row);
        }, 0, scratch);
      }
      products.multiply(count, add, sums, scratch);
    }
  }
  // The parts' sums of one filter, in order, into the caller's.
  void finish_filter(index_t f, index_t parts, index_t tasks, f32* sums,
                     gradient const& to) const noexcept {
    index_t const group = f / s_.group_filters(), row = f % s_.group_filters();
    index_t const kernel = s_.win.kernel.size(), channels = s_.group_channels();
    f32* const filter = to.data + f * channels * kernel;
    for (index_t i = 0; i < slices(); ++i) {
      block const left = left_of(i);
      if (row < left.begin || row >= left.end) continue;
      column_slice const slice = slice_of(i);
      index_t const width = slice.width(), apart = tasks * products_.sums_cells();
      index_t const ld = outer_products<I, E>(left.size(), width, chunk_).sums_ld();
      f32* const total =
          sums + (group * slices() + i) * products_.sums_cells() + (row - left.begin) * ld;
      auto const sum_of = [&](index_t j, auto at) IA_NN_LAMBDA {
        if (parts == 0) return V::zero();
        V sum = at.template load<V>(total + j);
        for (index_t p = 1; p < parts; ++p) sum = sum + at.template load<V>(total + p * apart + j);
        return sum;
      };
      if (kernel == 1) { // the order of the caller's weights
        each_register<V>(0, width, [&](index_t j, auto at) IA_NN_LAMBDA {
          deliver(at, sum_of(j, at), to, f * channels + slice.channels.begin + j);
        });
        continue;
      }
      if (parts != 1)
        each_register<V>(0, width, [&](index_t j, auto at) IA_NN_LAMBDA { at.store(sum_of(j, at), total + j); });
      for (index_t c = 0; c < slice.channels.size(); ++c)
        for (index_t k = 0; k < slice.taps.size(); ++k) {
          f32 const sum = total[k * slice.channels.size() + c];
          f32& place = filter[(slice.channels.begin + c) * kernel + slice.taps.begin + k];
          place = to.add ? place + sum : sum;
        }
    }
  }

  // The same of swapped sides: rows of sums are channels, of one group.
  void finish_turned(block channels, index_t parts, index_t tasks, f32* sums, gradient const& to) const noexcept {
    for (index_t c = channels.begin; c < channels.end; ++c)
      for (index_t i = 0; i < slices(); ++i) {
        block const left = left_of(i), filters = slice_of(i).channels;
        index_t const group = c / left_, row = c % left_ - left.begin;
        if (row < 0 || row >= left.size()) continue;
        index_t const ld = outer_products<I, E>(left.size(), filters.size(), chunk_).sums_ld();
        f32* const total = sums + (group * slices() + i) * products_.sums_cells() + row * ld;
        if (parts < 2) continue;
        each_register<V>(0, filters.size(), [&](index_t j, auto at) IA_NN_LAMBDA {
          V sum = at.template load<V>(total + j);
          for (index_t p = 1; p < parts; ++p)
            sum = sum + at.template load<V>(total + p * tasks * products_.sums_cells() + j);
          at.store(sum, total + j);
        });
      }
    // Blocks of 16 x 16 are turned over in the first cache.
    for (index_t i = 0; i < slices(); ++i) {
      block const left = left_of(i), filters = slice_of(i).channels;
      index_t const ld = outer_products<I, E>(left.size(), filters.size(), chunk_).sums_ld();
      for (index_t f = 0; f < filters.size(); f += 16)
        for (index_t j = f; j < min_of(f + 16, filters.size()); ++j)
          for (index_t c = channels.begin; c < channels.end; ++c) {
            index_t const group = c / left_, row = c % left_ - left.begin;
            if (row < 0 || row >= left.size()) continue;
            f32 const sum = parts == 0 ? 0.0F
                                       : sums[(group * slices() + i) * products_.sums_cells() + row * ld + j];
            f32& place = to.data[(group * s_.group_filters() + filters.begin + j) * left_ + c % left_];
            place = to.add ? place + sum : sum;
          }
    }
  }

  conv_shape s_;
  spatial out_;
  int workers_;
  bool in_place_; ///< rows are pixels of the image as they are
  bool swapped_;  ///< the source is the packed side
  index_t left_, right_; ///< columns of the packed side, and of the other: of one tap of one group
  index_t taps_, right_slices_, left_slices_, width_, chunk_;
  outer_products<I, E> products_; ///< of the largest slice
  bool whole_panels_; ///< the columns of a tap are whole panels
  index_t most_parts_ = 1;
};

} // namespace detail

IA_NN_END
