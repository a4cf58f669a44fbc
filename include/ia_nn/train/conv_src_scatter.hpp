// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a convolution for its source as a product whose rows are added to the image: for
// few channels, which would leave most of a register tile of conv_src_phases.hpp empty.
//
// diff_dst * weights gives, for a chunk of output pixels, the matrix that image_rows.hpp describes; its
// rows are added to the image where they were taken from. Each image, group and slice of channels
// belongs to one task, and its pixels are added in their order: the bits do not depend on the number
// of workers.
#pragma once

#include <ia_nn/gemm/gemm.hpp>
#include <ia_nn/train/image_rows.hpp>
#include <ia_nn/train/slope_tail.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <isa::tag I, element E> class scattered_backward_src {
  using V = vec<f32, I>;
  using product = gemm<I, E, E, f32>;
  using panel_type = typename product::weights_view::panel_type;
  static constexpr bool rounds = !std::same_as<E, f32>;

public:
  scattered_backward_src(conv_shape const& s, index_t max_batch, int workers)
      : s_(s), out_(s.out()), workers_(workers),
        // Few images are divided by channels as well.
        slices_(max_of(1, min_of(ceil_div(16, max_batch * s.groups), s.group_channels() / 32))),
        width_(s.win.kernel.size() * ceil_div(s.group_channels(), slices_)),
        chunk_(chunk_of(out_.size(), width_)), plan_(chunk_, width_, s.group_filters()) {}

  index_t workspace_bytes() const noexcept {
    return s_.groups * slices_ * slice_bytes() + workers_ * worker_bytes();
  }

  template <class Tail, executor X>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient const& diff_src,
           Tail const& tail, std::byte* scratch, X& e) const noexcept {
    index_t const tasks = s_.groups * slices_;
    std::byte* const own = scratch + tasks * slice_bytes();
    e.parallel_for(tasks, [&](index_t i, int) {
      pack_slice(i / slices_, i % slices_, weights, scratch + i * slice_bytes());
    });
    run_tasks(e, workers_, batch * tasks, [&](index_t task, int worker) {
      index_t const image = task / tasks, part = task % tasks;
      index_t const first = image * s_.in.size() * s_.channels;
      // Sums are complete before they go through the stages: they are made in the scratch.
      std::byte* const mine = own + worker * worker_bytes();
      column_slice const slice = slice_of(part % slices_);
      f32* const sums = reinterpret_cast<f32*>(mine);
      index_t const channels = slice.channels.size();
      index_t const begin = first + part / slices_ * s_.group_channels() + slice.channels.begin;
      one_slice(slice, diff_dst + image * out_.size() * s_.filters + part / slices_ * s_.group_filters(),
                scratch + part * slice_bytes(), sums, mine + sums_bytes());
      source_stage<Tail> const stage{tail, diff_src, 0};
      auto const chain_of_image = chain{stage.at(begin, s_.channels)};
      for (index_t i = 0; i < s_.in.size(); ++i)
        finish_tile<I>(sums + i * channels, channels, 1, channels, i, 0, chain_of_image,
                       diff_src.data + begin + i * s_.channels, s_.channels);
    });
  }

private:
  static index_t chunk_of(index_t pixels, index_t width) noexcept {
    index_t const most = max_of(16, min_of(1024, (index_t{1} << 16) / width));
    return ceil_div(pixels, ceil_div(pixels, most));
  }
  index_t matrix_bytes() const noexcept { return f32_bytes(s_.group_filters() * width_); }
  index_t packed_bytes() const noexcept {
    return round_up(panel_type::template size<E>(s_.group_filters(), width_) * index_t{sizeof(E)}, 64);
  }
  index_t slice_bytes() const noexcept { return matrix_bytes() + packed_bytes(); }
  index_t sums_bytes() const noexcept {
    return f32_bytes(s_.in.size() * ceil_div(s_.group_channels(), slices_));
  }
  index_t rows_bytes() const noexcept { return f32_bytes(chunk_ * width_); }
  index_t source_bytes() const noexcept {
    return rounds ? round_up(chunk_ * source_ld() * index_t{sizeof(E)}, 64) : 0;
  }
  index_t source_ld() const noexcept { return round_up(s_.group_filters(), bf16_line); }
  index_t worker_bytes() const noexcept {
    return sums_bytes() + rows_bytes() + source_bytes() + plan_.workspace_bytes();
  }
  column_slice slice_of(index_t i) const noexcept {
    return {{0, s_.win.kernel.size()},
            block_of(s_.group_channels(), static_cast<int>(slices_), static_cast<int>(i))};
  }

  // A filter is one row of the matrix of its group: [kernel][channels of the slice], then zeros.
  void pack_slice(index_t group, index_t i, f32 const* weights, std::byte* to) const noexcept {
    f32* const matrix = reinterpret_cast<f32*>(to);
    index_t const kernel = s_.win.kernel.size(), filters = s_.group_filters();
    column_slice const slice = slice_of(i);
    for (index_t f = 0; f < filters; ++f) {
      f32 const* const filter = weights + (group * filters + f) * s_.group_channels() * kernel;
      f32* const row = matrix + f * width_;
      index_t column = 0;
      for (index_t k = 0; k < kernel; ++k)
        for (index_t c = slice.channels.begin; c < slice.channels.end; ++c)
          row[column++] = filter[c * kernel + k];
      for (; column < width_; ++column) row[column] = 0;
    }
    pack_panels<panel_type, I, packing{}>(reinterpret_cast<E*>(to + matrix_bytes()), static_cast<s32*>(nullptr),
                                          static_cast<f32 const*>(matrix), width_, 1, filters, width_,
                                          {0, panel_type::panels(width_)});
  }
  // The sums of one image, [pixel][channel of the slice].
  void one_slice(column_slice const& slice, f32 const* diff_dst, std::byte const* packed, f32* sums,
                 std::byte* scratch) const noexcept {
    index_t const channels = slice.channels.size(), filters = s_.group_filters();
    __builtin_memset(static_cast<void*>(sums), 0, static_cast<std::size_t>(s_.in.size() * channels) * sizeof(f32));
    f32* const rows = reinterpret_cast<f32*>(scratch);
    typename product::weights_view b;
    b.data = reinterpret_cast<E const*>(packed + matrix_bytes()), b.k = filters, b.n = width_;
    workspace_view const left{scratch + rows_bytes() + source_bytes(), plan_.workspace_bytes()};
    pixel_walk walk(out_, 0);
    for (index_t first = 0; first < out_.size(); first += chunk_) {
      index_t const count = min_of(chunk_, out_.size() - first);
      f32 const* const from = diff_dst + first * s_.filters;
      if constexpr (rounds) {
        E* const a = reinterpret_cast<E*>(scratch + rows_bytes());
        for (index_t r = 0; r < count; ++r)
          for (index_t f = 0; f < filters; f += bf16_line)
            split_line<packing_isa<I, bf16_line>, 1>(a + r * source_ld() + f, 0, from + r * s_.filters + f,
                                                     min_of(bf16_line, filters - f));
        plan_.with_rows(count).run(a, source_ld(), b, rows, width_, chain<>{}, left);
      } else {
        plan_.with_rows(count).run(from, s_.filters, b, rows, width_, chain<>{}, left);
      }
      for (index_t r = 0; r < count; ++r, walk.next()) {
        f32 const* const row = rows + r * width_;
        each_run(s_, slice, walk.at, [&](index_t column, index_t at, index_t n) IA_NN_LAMBDA {
          if (at < 0) return;
          // `at` counts elements of the caller's image, of the sums pixel by pixel.
          f32* const to = sums + at / s_.channels * channels;
          each_register<V>(0, n, [&](index_t j, auto lanes) IA_NN_LAMBDA {
            lanes.store(lanes.template load<V>(to + j) + lanes.template load<V>(row + column + j), to + j);
          });
        });
      }
    }
  }

  conv_shape s_;
  spatial out_;
  int workers_;
  index_t slices_, width_, chunk_;
  product plan_;
};

} // namespace detail

IA_NN_END
