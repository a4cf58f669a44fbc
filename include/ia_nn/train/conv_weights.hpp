// SPDX-License-Identifier: Apache-2.0
//
// The gradients of a convolution for its weights and its bias.
//
//   diff_weights[f][c][k] = sum of diff_dst[o][f] * src[at(o, k)][c]
//   diff_bias[f]          = sum of diff_dst[o][f]                      over images and output pixels o
//
// The first is a sum of outer products (outer_products.hpp) of the pixels of diff_dst and the rows of
// image_rows.hpp, over chunks of pixels whose packed rows stay in the second cache:
//
//   task (part of the pixels, group, slice of the columns)      any worker
//     chunk of pixels      diff_dst and the image's elements packed side by side
//       product            filters x slice, added to the task's own sums
//   sum of the parts in their order, written as [filters][channels][kernel]
//
// The numbers of parts and slices depend on the shape and the batches alone, so the bits do not
// depend on the number of workers. Depthwise layers: conv_depthwise_weights.hpp.
#pragma once

#include <ia_nn/train/column_sums.hpp>
#include <ia_nn/train/conv_depthwise_weights.hpp>
#include <ia_nn/train/image_rows.hpp>
#include <ia_nn/train/outer_products.hpp>

#include <optional>

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

/// Gradient of a bias: sums over `rows` rows of diff_dst.
template <isa::tag I, executor E>
void bias_gradient(index_t rows, index_t filters, f32 const* diff_dst, gradient const& to, f32* partial,
                   E& e) noexcept {
  using V = vec<f32, I>;
  auto const add = [&](index_t r, index_t c, auto at, V(&s)[1]) IA_NN_LAMBDA {
    s[0] = s[0] + at.template load<V>(diff_dst + r * filters + c);
  };
  auto const finish = [&](index_t c, auto at, V const(&total)[1])
                          IA_NN_LAMBDA { deliver(at, total[0], to, c); };
  sum_columns<I, 1>(rows, filters, add, finish, partial, e);
}

/// The gradient for the weights of layers that are no depthwise ones.
template <isa::tag I, element E> class windowed_backward_weights {
  using V = vec<f32, I>;

public:
  windowed_backward_weights(conv_shape const& s, conv_backward_options const& o)
      : s_(s), out_(s.out()), workers_(o.workers),
        taps_(slices_of(s.win.kernel.size(), s.group_channels())),
        channel_slices_(slices_of(s.group_channels(), ceil_div(s.win.kernel.size(), taps_))),
        filter_slices_(slices_of(s.group_filters(), 1)),
        width_(ceil_div(s.win.kernel.size(), taps_) *
               ceil_div(s.group_channels(), channel_slices_)),
        chunk_(chunk_of(o.max_batch * out_.size())),
        products_(ceil_div(s.group_filters(), filter_slices_), width_, chunk_),
        in_place_(s.win.kernel.size() == 1 && s.win.stride.size() == 1 && !s.win.pads()),
        whole_panels_(s.group_channels() % (channel_slices_ * products_.panel_columns) == 0) {
    index_t const tasks = s.groups * slices();
    constexpr index_t most_cells = index_t{1} << 22; // 16 MiB of sums of parts
    most_parts_ = max_of(1, min_of(ceil_div(16, tasks), most_cells / (tasks * products_.sums_cells())));
    // Adding up a part costs as much as the products of some pixels.
    most_parts_ = min_of(most_parts_, ceil_div(o.max_batch * out_.size(), 3 * chunk_));
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
    e.parallel_for(s_.filters, [&](index_t f, int) { finish_filter(f, parts, tasks, sums, to); });
  }

private:
  // Slices of n, each of which brings `each` columns, of about 512 columns.
  static index_t slices_of(index_t n, index_t each) noexcept {
    return min_of(n, ceil_div(n * each, 512));
  }
  static index_t chunk_of(index_t pixels) noexcept {
    constexpr index_t most = 256;
    return round_up(ceil_div(pixels, ceil_div(pixels, most)), 2);
  }
  index_t slices() const noexcept { return filter_slices_ * taps_ * channel_slices_; }
  // Zeros, or some gathered rows.
  index_t rows_bytes() const noexcept {
    return in_place_       ? 0
           : whole_panels_ ? f32_bytes(s_.group_channels())
                           : f32_bytes(products_.rows_at_once * width_);
  }
  index_t worker_bytes() const noexcept { return products_.scratch_bytes() + rows_bytes(); }
  block filters_of(index_t i) const noexcept {
    return block_of(s_.group_filters(), static_cast<int>(filter_slices_),
                    static_cast<int>(i / (taps_ * channel_slices_)));
  }
  column_slice slice_of(index_t i) const noexcept {
    i %= taps_ * channel_slices_;
    return {block_of(s_.win.kernel.size(), static_cast<int>(taps_),
                     static_cast<int>(i / channel_slices_)),
            block_of(s_.group_channels(), static_cast<int>(channel_slices_),
                     static_cast<int>(i % channel_slices_))};
  }

  // One task: the products of a block of pixels for one group and slice.
  void sum_part(f32 const* src, f32 const* diff_dst, block pixels, index_t task, f32* sums,
                std::byte* scratch) const noexcept {
    index_t const group = task / slices();
    column_slice const slice = slice_of(task % slices());
    block const filters = filters_of(task % slices());
    outer_products<I, E> const products(filters.size(), slice.width(), chunk_);
    f32* const rows = reinterpret_cast<f32*>(scratch + products_.scratch_bytes());
    index_t const image_size = s_.in.size() * s_.channels;
    f32 const* const from = src + group * s_.group_channels();
    f32 const* const diff = diff_dst + group * s_.group_filters() + filters.begin;
    if (rows_bytes() > 0) __builtin_memset(static_cast<void*>(rows), 0, static_cast<std::size_t>(rows_bytes()));
    pixel_walk walk(out_, pixels.begin);
    for (index_t first = pixels.begin; first < pixels.end; first += chunk_) {
      index_t const count = min_of(chunk_, pixels.end - first);
      products.pack_a(count, [&](index_t r) IA_NN_LAMBDA { return diff + (first + r) * s_.filters; },
                      s_.filters, scratch);
      if (in_place_) {
        f32 const* const begin = from + first * s_.channels + slice.channels.begin;
        products.pack_b(count, {0, slice.width()},
                        [&](index_t r) IA_NN_LAMBDA { return begin + r * s_.channels; }, s_.channels, scratch);
      } else if (whole_panels_) {
        index_t column = 0;
        for (index_t tap = slice.taps.begin; tap < slice.taps.end; ++tap, column += slice.channels.size()) {
          pixel_walk at = walk;
          tap_place const place(s_, tap);
          products.pack_b(count, {column, column + slice.channels.size()}, [&](index_t) IA_NN_LAMBDA {
            index_t const pixel = place.pixel(at.at);
            f32 const* const image = from + at.image * image_size + slice.channels.begin;
            at.next();
            return pixel < 0 ? static_cast<f32 const*>(rows) : image + pixel * s_.channels;
          }, 0, scratch);
        }
        walk = pixel_walk(out_, first + count);
      } else {
        products.pack_b(count, {0, slice.width()}, [&](index_t r) IA_NN_LAMBDA {
          f32* const row = rows + r % products.rows_at_once * width_;
          f32 const* const image = from + walk.image * image_size;
          each_run(s_, slice, walk.at, [&](index_t column, index_t at, index_t n) IA_NN_LAMBDA {
            each_register<V>(0, n, [&](index_t i, auto where) IA_NN_LAMBDA {
              where.store(at < 0 ? V::zero() : where.template load<V>(image + at + i), row + column + i);
            });
          });
          walk.next();
          return static_cast<f32 const*>(row);
        }, 0, scratch);
      }
      products.multiply(count, first > pixels.begin, sums, scratch);
    }
  }
  // The parts' sums of one filter, in order, into the caller's.
  void finish_filter(index_t f, index_t parts, index_t tasks, f32* sums,
                     gradient const& to) const noexcept {
    index_t const group = f / s_.group_filters(), row = f % s_.group_filters();
    index_t const kernel = s_.win.kernel.size(), channels = s_.group_channels();
    f32* const filter = to.data + f * channels * kernel;
    for (index_t i = 0; i < slices(); ++i) {
      block const filters = filters_of(i);
      if (row < filters.begin || row >= filters.end) continue;
      column_slice const slice = slice_of(i);
      index_t const width = slice.width(), apart = tasks * products_.sums_cells();
      index_t const ld = outer_products<I, E>(filters.size(), width, chunk_).sums_ld();
      f32* const total =
          sums + (group * slices() + i) * products_.sums_cells() + (row - filters.begin) * ld;
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

  conv_shape s_;
  spatial out_;
  int workers_;
  index_t taps_, channel_slices_, filter_slices_, width_, chunk_;
  outer_products<I, E> products_; ///< of the largest slice
  bool in_place_;     ///< rows are pixels of the image as they are
  bool whole_panels_; ///< the channels of a tap are whole panels
  index_t most_parts_ = 1;
};

} // namespace detail

/// One call. The weights are in PyTorch's order: [filters][channels / groups][depth][height][width].
struct conv_backward_weights_call {
  index_t batch = 0;
  f32 const* src = nullptr;      ///< (batch, in, channels); may be null without diff_weights
  f32 const* diff_dst = nullptr; ///< (batch, out, filters)
  gradient diff_weights{};
  gradient diff_bias{}; ///< (filters)
};

/// Arrays are f32. Products are of type E: with bf16 both operands are rounded to it where they are
/// packed, and sums are f32. Layers of one filter per channel compute in f32 in either case.
///
/// Errors at construction: those of conv_shape::check; errc::bad_shape for max_batch below 1 and
/// for arrays larger than addresses; errc::bad_parameter for workers below 1;
/// errc::unsupported_isa.
template <isa::tag I, element E = f32> class conv_backward_weights {
  static_assert(std::same_as<E, f32> || std::same_as<E, bf16>,
                "ia_nn: conv_backward_weights: products are of f32 or bf16");

public:
  explicit conv_backward_weights(conv_shape const& s, conv_backward_options const& o = {})
      : s_((detail::check_conv_backward("conv_backward_weights", s, o), s)), max_batch_(o.max_batch) {
    isa::require<typename detail::vector_kernel<I, E, E>::isa_type>();
    if (s.depthwise() && s.filters == s.channels) depthwise_.emplace(s, o.max_batch);
    else windowed_.emplace(s, o);
  }

  conv_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept {
    return bias_bytes() + (depthwise_ ? depthwise_->workspace_bytes() : windowed_->workspace_bytes());
  }

  template <executor X = sequential>
  void run(conv_backward_weights_call const& call, workspace_view scratch,
           X&& e = {}) const noexcept {
    auto const [batch, src, diff_dst, diff_weights, diff_bias] = call;
    IA_NN_REQUIRE(batch >= 0 && batch <= max_batch_, "conv_backward_weights: a batch of ", batch, ", planned for at most ",
                  max_batch_);
    IA_NN_ASSERT(batch == 0 || (diff_dst && (src || !diff_weights)),
                 "conv_backward_weights: src or diff_dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "conv_backward_weights: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    if (diff_bias)
      detail::bias_gradient<I>(batch * s_.out().size(), s_.filters, diff_dst, diff_bias,
                               reinterpret_cast<f32*>(scratch.data), e);
    if (!diff_weights) return;
    std::byte* const rest = scratch.data + bias_bytes();
    if (depthwise_) depthwise_->run(batch, src, diff_dst, diff_weights, rest, e);
    else windowed_->run(batch, src, diff_dst, diff_weights, rest, e);
  }

private:
  index_t bias_bytes() const noexcept {
    return detail::f32_bytes(detail::column_sum_cells(s_.filters));
  }

  conv_shape s_;
  index_t max_batch_;
  std::optional<detail::depthwise_backward_weights<I>> depthwise_;
  std::optional<detail::windowed_backward_weights<I, E>> windowed_;
};

IA_NN_END
