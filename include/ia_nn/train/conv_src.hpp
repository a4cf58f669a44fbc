// SPDX-License-Identifier: Apache-2.0
//
// The gradient of a convolution for its source.
//
//   diff_src[i][c] = sum over filters f and all (o, k) with at(o, k) = i of
//                    weights[f][c][k] * diff_dst[o][f]
//
// The product diff_dst * weights gives, for a chunk of output pixels, the matrix that
// image_rows.hpp describes; its rows are added to the image where they were taken from. Each image,
// group and slice of channels belongs to one task, and its pixels are added in their order: the
// bits do not depend on the number of workers. The weights are packed in each call: they change
// after each.
#pragma once

#include <ia_nn/train/conv_weights.hpp>

#include <ia_nn/begin.hpp>

/// diff_dst (batch, out, filters); weights in the order [filters][channels / groups][depth][height]
/// [width]; diff_src (batch, in, channels).
///
/// Errors at construction: those of conv_backward_weights.
template <isa::tag I> class conv_backward_src {
  using V = vec<f32, I>;
  using product = gemm<I, f32, f32, f32>;
  using panels = detail::panel_writer<I>;

public:
  explicit conv_backward_src(conv_shape const& s, conv_backward_options const& o = {})
      : s_((detail::check_conv_backward("conv_backward_src", s, o), s)), out_(s.out()),
        max_batch_(o.max_batch), workers_(o.workers),
        // Few images are divided by channels as well.
        slices_(max_of(1, min_of(ceil_div(16, o.max_batch * s.groups), s.group_channels() / 32))),
        width_(s.win.kernel.size() * ceil_div(s.group_channels(), slices_)),
        chunk_(chunk_of(out_.size(), width_)), plan_(chunk_, width_, s.group_filters()) {}

  conv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept {
    return s_.groups * slices_ * packed_cells() * 4 + workers_ * worker_bytes();
  }

  template <executor E = sequential>
  void run(index_t batch, f32 const* diff_dst, f32 const* weights, gradient diff_src,
           workspace_view scratch, E&& e = {}) const noexcept {
    if (!diff_src || batch <= 0) return;
    IA_NN_REQUIRE(batch <= max_batch_, "conv_backward_src: a batch of ", batch, ", planned for at most ",
                  max_batch_);
    IA_NN_ASSERT(diff_dst && weights, "conv_backward_src: diff_dst or the weights are null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "conv_backward_src: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    f32* const packed = reinterpret_cast<f32*>(scratch.data);
    std::byte* const own = scratch.data + s_.groups * slices_ * packed_cells() * 4;
    e.parallel_for(s_.filters, [&](index_t f, int) { pack_filter(f, weights, packed); });
    index_t const tasks = s_.groups * slices_;
    run_tasks(e, workers_, batch * tasks, [&](index_t task, int worker) {
      index_t const image = task / tasks, part = task % tasks;
      one_slice(part / slices_, part % slices_,
                diff_dst + image * out_.size() * s_.filters + part / slices_ * s_.group_filters(),
                packed + part * packed_cells(),
                {diff_src.data + image * s_.in.size() * s_.channels, diff_src.add},
                own + worker * worker_bytes());
    });
  }

private:
  static index_t chunk_of(index_t pixels, index_t width) noexcept {
    index_t const most = max_of(16, min_of(1024, (index_t{1} << 16) / width));
    return ceil_div(pixels, ceil_div(pixels, most));
  }
  index_t packed_cells() const noexcept { return panels::cells(s_.group_filters(), width_); }
  index_t rows_bytes() const noexcept { return detail::f32_bytes(chunk_ * width_); }
  index_t worker_bytes() const noexcept { return rows_bytes() + plan_.workspace_bytes(); }
  detail::column_slice slice_of(index_t i) const noexcept {
    return {{0, s_.win.kernel.size()},
            block_of(s_.group_channels(), static_cast<int>(slices_), static_cast<int>(i))};
  }

  // A filter is one row of each packed matrix of its group. The last panel ends with zeros, which
  // the kernel multiplies and does not store.
  void pack_filter(index_t f, f32 const* weights, f32* packed) const noexcept {
    index_t const group = f / s_.group_filters(), row = f % s_.group_filters();
    index_t const kernel = s_.win.kernel.size();
    f32 const* const filter = weights + f * s_.group_channels() * kernel;
    for (index_t i = 0; i < slices_; ++i) {
      detail::column_slice const slice = slice_of(i);
      panels const to(packed + (group * slices_ + i) * packed_cells(), s_.group_filters(), width_);
      index_t column = 0;
      for (index_t k = 0; k < kernel; ++k)
        for (index_t c = slice.channels.begin; c < slice.channels.end; ++c)
          to.put(row, column++, filter[c * kernel + k]);
      to.put_run(row, column, nullptr, panels::padded(width_) - column);
    }
  }
  void one_slice(index_t group, index_t i, f32 const* diff_dst, f32 const* packed, gradient image,
                 std::byte* scratch) const noexcept {
    detail::column_slice const slice = slice_of(i);
    f32* const to = image.data + group * s_.group_channels();
    if (!image.add) clear(to + slice.channels.begin, slice.channels.size());
    f32* const rows = reinterpret_cast<f32*>(scratch);
    auto const b = panels(const_cast<f32*>(packed), s_.group_filters(), width_).view();
    detail::pixel_walk walk(out_, 0);
    for (index_t first = 0; first < out_.size(); first += chunk_) {
      index_t const count = min_of(chunk_, out_.size() - first);
      plan_.with_rows(count).run(diff_dst + first * s_.filters, s_.filters, b, rows, width_,
                                 chain<>{}, {scratch + rows_bytes(), plan_.workspace_bytes()});
      for (index_t r = 0; r < count; ++r, walk.next()) {
        f32 const* const row = rows + r * width_;
        detail::each_run(s_, slice, walk.at,
                         [&](index_t column, index_t at, index_t n) IA_NN_LAMBDA {
                           if (at < 0) return;
                           detail::each_register<V>(0, n, [&](index_t j, auto lanes) IA_NN_LAMBDA {
                             V const sum = lanes.template load<V>(to + at + j) +
                                           lanes.template load<V>(row + column + j);
                             lanes.store(sum, to + at + j);
                           });
                         });
      }
    }
  }
  void clear(f32* to, index_t channels) const noexcept {
    for (index_t i = 0; i < s_.in.size(); ++i)
      __builtin_memset(static_cast<void*>(to + i * s_.channels), 0,
                       static_cast<std::size_t>(channels) * sizeof(f32));
  }

  conv_shape s_;
  spatial out_;
  index_t max_batch_;
  int workers_;
  index_t slices_, width_, chunk_;
  product plan_;
};

IA_NN_END
