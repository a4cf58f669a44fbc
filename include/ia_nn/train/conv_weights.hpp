// SPDX-License-Identifier: Apache-2.0
//
// The gradients of a convolution for its weights and its bias.
//
//   diff_weights[f][c][k] = sum of diff_dst[o][f] * src[at(o, k)][c]
//   diff_bias[f]          = sum of diff_dst[o][f]                      over images and output pixels o
//
// With the rows of image_rows.hpp as matrix R (pixels x columns) the first is the product
// transpose(diff_dst) * R. It is summed over chunks of pixels, of which R stays in the second cache:
//
//   task (part of the pixels, group, slice of the columns)      any worker
//     chunk of pixels      gathered into panels, as packed B; diff_dst transposed beside it
//       gemm               filters x slice, added to the task's own sums
//   sum of the parts in their order, written as [filters][channels][kernel]
//
// The numbers of parts and slices depend on the shape and the batches alone, so the bits do not
// depend on the number of workers. Gathering into panels saves the pass that packs B.
#pragma once

#include <ia_nn/train/column_sums.hpp>
#include <ia_nn/train/image_rows.hpp>

#include <ia_nn/begin.hpp>

/// Limits of the calls that a backward pass will see.
struct conv_backward_options {
  index_t max_batch = 1; ///< images of the largest batch
  int workers = 1;       ///< concurrency of the executor
};

namespace detail {
inline void check_conv_backward(char const* who, conv_shape const& s,
                                conv_backward_options const& o) {
  s.check(who);
  check_positive(who, "max_batch", o.max_batch);
  check_workers(who, o.workers);
  // Numbers of elements: these throw where they overflow.
  auto const count = [](index_t a, spatial const& b, index_t c) {
    shape<dyn, dyn, dyn, dyn, dyn> const all(a, b.depth, b.height, b.width, c);
    static_cast<void>(all);
  };
  count(o.max_batch, s.in, s.channels * 4);
  count(o.max_batch, s.out(), s.filters * 4);
  count(s.filters, s.win.kernel, s.group_channels() * 4);
}
} // namespace detail

/// One call. The weights are in PyTorch's order: [filters][channels / groups][depth][height][width].
struct conv_backward_weights_call {
  index_t batch = 0;
  f32 const* src = nullptr;      ///< (batch, in, channels); may be null without diff_weights
  f32 const* diff_dst = nullptr; ///< (batch, out, filters)
  gradient diff_weights{};
  gradient diff_bias{}; ///< (filters)
};

/// Errors at construction: those of conv_shape::check; errc::bad_shape for max_batch below 1 and
/// for arrays larger than addresses; errc::bad_parameter for workers below 1;
/// errc::unsupported_isa.
template <isa::tag I> class conv_backward_weights {
  using V = vec<f32, I>;
  using product = gemm<I, f32, f32, f32>;
  using panels = detail::panel_writer<I>;

public:
  explicit conv_backward_weights(conv_shape const& s, conv_backward_options const& o = {})
      : s_((detail::check_conv_backward("conv_backward_weights", s, o), s)), out_(s.out()),
        max_batch_(o.max_batch), workers_(o.workers),
        taps_(slices_of(s.win.kernel.size(), s.group_channels())),
        channel_slices_(slices_of(s.group_channels(), ceil_div(s.win.kernel.size(), taps_))),
        width_(ceil_div(s.win.kernel.size(), taps_) *
               ceil_div(s.group_channels(), channel_slices_)),
        chunk_(chunk_of(max_batch_ * out_.size(), width_)),
        first_(s.group_filters(), width_, chunk_),
        next_(s.group_filters(), width_, chunk_, 1, {.accumulate = true}) {
    index_t const tasks = s.groups * slices();
    constexpr index_t most_cells = index_t{1} << 22; // 16 MiB of sums of parts
    most_parts_ = max_of(1, min_of(ceil_div(16, tasks), most_cells / (tasks * sums_cells())));
    most_parts_ = min_of(most_parts_, ceil_div(max_batch_ * out_.size(), chunk_));
  }

  conv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept {
    return bias_bytes() + most_parts_ * s_.groups * slices() * sums_cells() * 4 +
           workers_ * worker_bytes();
  }

  template <executor E = sequential>
  void run(conv_backward_weights_call const& call, workspace_view scratch,
           E&& e = {}) const noexcept {
    auto const [batch, src, diff_dst, diff_weights, diff_bias] = call;
    IA_NN_REQUIRE(batch >= 0 && batch <= max_batch_, "conv_backward_weights: a batch of ", batch, ", planned for at most ",
                  max_batch_);
    IA_NN_ASSERT(batch == 0 || (diff_dst && (src || !diff_weights)),
                 "conv_backward_weights: src or diff_dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "conv_backward_weights: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const pixels = batch * out_.size();
    if (diff_bias) {
      auto const add = [&](index_t r, index_t c, auto at, V(&s)[1]) IA_NN_LAMBDA {
        s[0] = s[0] + at.template load<V>(diff_dst + r * s_.filters + c);
      };
      auto const finish = [&](index_t c, auto at, V const(&total)[1])
                              IA_NN_LAMBDA { detail::deliver(at, total[0], diff_bias, c); };
      detail::sum_columns<I, 1>(pixels, s_.filters, add, finish,
                                reinterpret_cast<f32*>(scratch.data), e);
    }
    if (!diff_weights) return;
    index_t const chunks = ceil_div(pixels, chunk_), parts = min_of(most_parts_, chunks);
    index_t const tasks = s_.groups * slices();
    f32* const sums = reinterpret_cast<f32*>(scratch.data + bias_bytes());
    std::byte* const own = scratch.data + workspace_bytes() - workers_ * worker_bytes();
    run_tasks(e, workers_, parts * tasks, [&](index_t task, int worker) {
      block const chosen =
          block_of(pixels, static_cast<int>(parts), static_cast<int>(task / tasks), chunk_);
      sum_part(src, diff_dst, chosen, task % tasks, sums + task * sums_cells(),
               own + worker * worker_bytes());
    });
    e.parallel_for(s_.filters,
                   [&](index_t f, int) { finish_filter(f, parts, tasks, sums, diff_weights); });
  }

private:
  // Slices of n, each of which brings `each` columns, of about 512 columns.
  static index_t slices_of(index_t n, index_t each) noexcept {
    return min_of(n, ceil_div(n * each, 512));
  }
  // Pixels whose rows take half a megabyte. Rows of the transposed gradients may share cache sets;
  // an odd number of lines against that gained 1 to 12 % with one channel (three runs on a busy
  // EPYC, Zen 4) and lost 4 to 6 % with 32 channels and 3 x 3, 14 x 14 images.
  static index_t chunk_of(index_t pixels, index_t width) noexcept {
    index_t const most = max_of(32, min_of(1024, (index_t{1} << 17) / width));
    return round_up(ceil_div(pixels, ceil_div(pixels, most)), 16);
  }
  index_t slices() const noexcept { return taps_ * channel_slices_; }
  index_t sums_cells() const noexcept { return round_up(s_.group_filters() * width_, 16); }
  index_t bias_bytes() const noexcept {
    return detail::f32_bytes(detail::column_sum_cells(s_.filters));
  }
  index_t transposed_bytes() const noexcept {
    return detail::f32_bytes(s_.group_filters() * chunk_);
  }
  index_t worker_bytes() const noexcept {
    return panels::cells(chunk_, width_) * 4 + transposed_bytes() +
           max_of(first_.workspace_bytes(), next_.workspace_bytes());
  }
  detail::column_slice slice_of(index_t i) const noexcept {
    return {block_of(s_.win.kernel.size(), static_cast<int>(taps_),
                     static_cast<int>(i / channel_slices_)),
            block_of(s_.group_channels(), static_cast<int>(channel_slices_),
                     static_cast<int>(i % channel_slices_))};
  }

  // One task: the products of a block of pixels for one group and slice.
  void sum_part(f32 const* src, f32 const* diff_dst, block pixels, index_t task, f32* sums,
                std::byte* scratch) const noexcept {
    index_t const group = task / slices();
    detail::column_slice const slice = slice_of(task % slices());
    f32* const rows = reinterpret_cast<f32*>(scratch);
    f32* const transposed = rows + panels::cells(chunk_, width_);
    std::byte* const left = scratch + panels::cells(chunk_, width_) * 4 + transposed_bytes();
    workspace_view const product_scratch{left, first_.workspace_bytes()};
    panels const to(rows, chunk_, width_);
    to.clear_rows(0); // columns beyond the slice stay zero
    index_t const image_size = s_.in.size() * s_.channels;
    detail::pixel_walk walk(out_, pixels.begin);
    for (index_t first = pixels.begin; first < pixels.end; first += chunk_) {
      index_t const count = min_of(chunk_, pixels.end - first);
      for (index_t r = 0; r < count; ++r, walk.next()) {
        f32 const* const image = src + walk.image * image_size + group * s_.group_channels();
        detail::each_run(s_, slice, walk.at,
                         [&](index_t column, index_t from, index_t n) IA_NN_LAMBDA {
                           to.put_run(r, column, from < 0 ? nullptr : image + from, n);
                         });
      }
      if (count < chunk_) to.clear_rows(count);
      transpose(diff_dst + first * s_.filters + group * s_.group_filters(), count, transposed);
      product const& plan = first == pixels.begin ? first_ : next_;
      plan.run(transposed, chunk_, to.view(), sums, width_, chain<>{}, product_scratch);
    }
  }
  // diff_dst of a chunk as [filter][pixel], with zeros behind the last pixel.
  void transpose(f32 const* from, index_t count, f32* to) const noexcept {
    auto* const words = reinterpret_cast<std::uint32_t*>(to);
    index_t const row_bytes = s_.filters * 4, filters = s_.group_filters();
    if (count == chunk_)
      return detail::transpose_words<I>(words, chunk_, detail::bytes_of(from), row_bytes, filters,
                                        0);
    detail::transpose_words_plain(words, chunk_, detail::bytes_of(from), row_bytes, count, 0,
                                  filters, 0);
    for (index_t f = 0; f < filters; ++f)
      for (index_t r = count; r < chunk_; ++r) to[f * chunk_ + r] = 0;
  }
  // The parts' sums of one filter, in order, into the caller's.
  void finish_filter(index_t f, index_t parts, index_t tasks, f32* sums,
                     gradient const& to) const noexcept {
    index_t const group = f / s_.group_filters(), row = f % s_.group_filters();
    index_t const kernel = s_.win.kernel.size(), channels = s_.group_channels();
    f32* const filter = to.data + f * channels * kernel;
    for (index_t i = 0; i < slices(); ++i) {
      detail::column_slice const slice = slice_of(i);
      f32* const total = sums + (group * slices() + i) * sums_cells() + row * width_;
      index_t const apart = tasks * sums_cells(), width = slice.width();
      if (parts > 0) {
        detail::each_register<V>(0, width, [&](index_t j, auto at) IA_NN_LAMBDA {
          V sum = at.template load<V>(total + j);
          for (index_t p = 1; p < parts; ++p)
            sum = sum + at.template load<V>(total + p * apart + j);
          at.store(sum, total + j);
        });
      }
      for (index_t c = 0; c < slice.channels.size(); ++c)
        for (index_t k = 0; k < slice.taps.size(); ++k) {
          f32 const sum = parts > 0 ? total[k * slice.channels.size() + c] : 0.0F;
          f32& place = filter[(slice.channels.begin + c) * kernel + slice.taps.begin + k];
          place = to.add ? place + sum : sum;
        }
    }
  }

  conv_shape s_;
  spatial out_;
  index_t max_batch_;
  int workers_;
  index_t taps_, channel_slices_, width_, chunk_;
  product first_, next_;
  index_t most_parts_ = 1;
};

IA_NN_END
