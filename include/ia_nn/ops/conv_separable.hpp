// SPDX-License-Identifier: Apache-2.0
//
// Depthwise separable convolution: a depthwise layer and the 1 x 1 layer behind it as one kernel.
// The image between them is never in memory as a whole:
//
//   task                   a band of lines of output, or of a share of the filters
//     depthwise strips       the band, through the stages between, into the worker's scratch
//     product                its pixels are the rows of A, read where they lie
//       stages behind
//
// A band takes an eighth of L2, so that it is still there when the product reads it; where the
// weights of the product are large, half of it, since every band reads them all. The pixels of the
// band lie as far apart as L1 likes them. Each layer computes what it would compute alone, in the
// same order: the results have the same bits.
#pragma once

#include <ia_nn/ops/conv.hpp>

#include <ia_nn/begin.hpp>

/// Limits of the calls, and zero points of 8-bit images.
struct separable_options {
  index_t max_batch = 1;
  int workers = 1;           ///< concurrency of the executor
  s32 zero_point = 0;        ///< of the source; padding has this value
  s32 middle_zero_point = 0; ///< of what the depthwise layer hands on
  index_t src_ld = 0;        ///< elements from pixel to pixel of the source; 0: as many as channels
};

/// A -> M by the depthwise layer, M -> C by the 1 x 1 layer, both with weights of B: types as in
/// `conv`.
///
/// Errors at construction: those of `conv` for each layer; errc::bad_shape if the first has not
/// one filter for each of two or more channels.
template <isa::tag I, element A, element B, element C, element M = A> class separable_conv {
  using first_layer = conv<I, A, B, M>;
  using second_layer = conv<I, M, B, C>;

public:
  /// `s` is the depthwise layer, with weights [channels][depth][height][width]; `filters` those of
  /// the 1 x 1 layer, with weights [filters][channels].
  template <class W>
  separable_conv(conv_shape const& s, index_t filters, std::span<W const> depthwise,
                 std::span<W const> pointwise, separable_options const& o = {})
      : first_(checked(s), depthwise, {o.max_batch, o.workers, o.zero_point, o.src_ld}),
        second_(second_shape(s, filters), pointwise,
                {.zero_point = o.middle_zero_point, .src_ld = middle_ld(s)}),
        lines_(second_.plan_.band_lines), workers_(o.workers) {}
  template <class W>
  separable_conv(conv_shape const& s, index_t filters, std::vector<W> const& depthwise,
                 std::vector<W> const& pointwise, separable_options const& o = {})
      : separable_conv(s, filters, std::span<W const>(depthwise), std::span<W const>(pointwise),
                       o) {}

  /// As conv::set_weights, for both layers.
  template <class W> void set_weights(std::span<W const> depthwise, std::span<W const> pointwise) {
    second_.check_weights(second_.shape(), static_cast<index_t>(pointwise.size()));
    first_.set_weights(depthwise);
    second_.set_weights(pointwise);
  }

  conv_shape const& shape() const noexcept { return first_.shape(); } ///< of the depthwise layer
  index_t filters() const noexcept { return second_.shape().filters; }
  spatial out() const noexcept { return first_.out(); }
  index_t max_batch() const noexcept { return first_.max_batch(); }
  index_t workspace_bytes() const noexcept { return workers_ * worker_bytes(); }
  /// Bytes of packed weights.
  index_t bytes() const noexcept { return first_.bytes() + second_.bytes(); }

  /// dst [batch][out][ld] = behind(1 x 1(between(depthwise(src)))); as conv::run. The stages of
  /// both chains see the number of the pixel in the batch as their row and the channel or the
  /// filter as their column. With several workers those between may be called twice for a pixel.
  template <class Between, class Behind, executor E = sequential>
  void run(index_t batch, A const* src, C* dst, index_t ld, Between const& between,
           Behind const& behind, workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(batch >= 0 && batch <= max_batch(), "separable_conv: a batch of ", batch, ", planned for at most ",
                  max_batch());
    IA_NN_ASSERT(batch == 0 || (src && dst), "separable_conv: src or dst is null");
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "separable_conv: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    IA_NN_ASSERT(ld == 0 || ld >= filters(), "separable_conv: pixels of dst ", ld,
                 " elements apart have ", filters(), " filters");
    if (ld == 0) ld = filters();
    conv_shape const& s = shape();
    spatial const o = out();
    index_t const planes = batch * o.depth, middle = middle_ld(s);
    division const cut = divide(planes);
    bool const streams = second_.streamed(planes * o.height * o.width, dst, ld);
    auto const work = [&](index_t i, int worker) {
      index_t const share = i % cut.shares, band = i / cut.shares % cut.bands;
      index_t const plane = i / cut.shares / cut.bands;
      block const lines = block_of(o.height, static_cast<int>(cut.bands), static_cast<int>(band));
      index_t const row = (plane * o.height + lines.begin) * o.width;
      std::byte* const own = scratch.data + worker * worker_bytes();
      M* const pixels = reinterpret_cast<M*>(own);
      first_.depthwise_lines(src + plane / o.depth * s.in.size() * first_.plan_.src_ld,
                             plane % o.depth, lines, row, pixels, middle, between);
      second_.product_lines(pixels, lines.size(),
                            block_of(second_.plan_.panels, static_cast<int>(cut.shares),
                                     static_cast<int>(share)),
                            row, dst + row * ld, ld, streams, behind, own + middle_bytes());
    };
    run_tasks(e, workers_, planes * cut.bands * cut.shares, work);
  }
  template <class Between, class Behind, executor E = sequential>
  void run(index_t batch, A const* src, C* dst, Between const& between, Behind const& behind,
           workspace_view scratch, E&& e = {}) const noexcept {
    run(batch, src, dst, 0, between, behind, scratch, e);
  }

private:
  struct division {
    index_t bands, shares;
  };
  // More bands than fit the cache if they do not occupy the workers. Lines that cannot be divided
  // equally leave that to the filters where those are many: the depthwise layer, which is little
  // work beside them, is repeated.
  division divide(index_t planes) const noexcept {
    index_t const lines = out().height, bands = ceil_div(lines, lines_), tasks = planes * bands;
    if (workers_ == 1 || tasks % workers_ == 0 || tasks >= 4 * workers_) return {bands, 1};
    bool const large = filters() > lines * out().width || lines < 2 * workers_;
    if (lines % workers_ != 0 && large && second_.plan_.panels >= workers_)
      return {bands, workers_};
    return {min_of(lines, round_up(bands, workers_)), 1};
  }
  index_t middle_bytes() const noexcept {
    return round_up(lines_ * out().width * middle_ld(shape()) * static_cast<index_t>(sizeof(M)),
                    64);
  }
  index_t worker_bytes() const noexcept { return middle_bytes() + second_.workspace_bytes(); }

  // Pixels a large power of two apart would share the sets of L1.
  static constexpr index_t middle_ld(conv_shape const& s) noexcept {
    constexpr auto each = static_cast<index_t>(sizeof(M));
    return s.channels * each % 1024 == 0 ? s.channels + 64 / each : s.channels;
  }
  // The product sees one band as its image.
  static conv_shape second_shape(conv_shape const& s, index_t filters) noexcept {
    spatial const o = s.out();
    index_t const l2 = cpu::cache_sizes().l2;
    bool const large = s.channels * filters * static_cast<index_t>(sizeof(B)) >= l2 / 4;
    index_t const line = o.width * middle_ld(s) * static_cast<index_t>(sizeof(M));
    index_t const least = ceil_div(16, o.width), fit = l2 / (large ? 2 : 8) / line;
    index_t const most = min_of(o.height, max_of(least, fit));
    return {.channels = s.channels,
            .filters = filters,
            .in = {1, ceil_div(o.height, ceil_div(o.height, most)), o.width}};
  }
  static conv_shape const& checked(conv_shape const& s) {
    auto const text = [](index_t x) { return std::to_string(x); };
    s.check("separable_conv");
    if (!s.depthwise() || s.filters != s.channels)
      throw_error(errc::bad_shape, "separable_conv: the first layer has " + text(s.channels) +
                                       " channels, " + text(s.filters) + " filters and " +
                                       text(s.groups) +
                                       " groups, expected two or more and as many of each");
    return s;
  }

  first_layer first_;
  second_layer second_;
  index_t lines_; ///< of the largest band
  int workers_;
};

IA_NN_END
