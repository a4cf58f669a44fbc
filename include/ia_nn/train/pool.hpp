// SPDX-License-Identifier: Apache-2.0
//
// Gradients of pooling over windows, over whole images, and to a given size (ops/pool.hpp). Each image
// and block of channels belongs to one task, which adds what its output pixels give in their order.
//
//   maximum         diff_src[index[o][c]][c] += diff_dst[o][c]
//   average         diff_src[i][c] += diff_dst[o][c] / count(o)   for each i that the window sees
//   global average  diff_src[i][c] += diff_dst[c] / pixels
#pragma once

#include <ia_nn/ops/pool.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

/// What a pooling layer was made with.
struct pool_backward_shape {
  index_t channels = 1;
  spatial in{};
  window win{};
  bool ceil_mode = false;
  bool count_padding = true; ///< average: the divisor counts elements of the padding

  constexpr spatial out() const noexcept { return win.output(in, ceil_mode); }
  void check(char const* who) const {
    detail::check_positive(who, "channels", channels);
    win.check(who, in, ceil_mode);
  }
};

namespace detail {

inline constexpr index_t pool_channel_block = 64;

// f(image, channels) for each image and block of channels.
template <executor E, class F>
void each_image_part(E& e, index_t batch, index_t channels, F const& f) noexcept {
  index_t const blocks = ceil_div(channels, pool_channel_block);
  e.parallel_for(batch * blocks, [&](index_t task, int) {
    index_t const first = task % blocks * pool_channel_block;
    f(task / blocks, block{first, min_of(channels, first + pool_channel_block)});
  });
}

inline void check_adaptive(char const* who, adaptive_pool_shape const& s) {
  check_positive(who, "channels", s.channels);
  for (int d = 0; d < 3; ++d) {
    check_positive(who, "an extent of the image", s.in[d]);
    check_positive(who, "an extent of the result", s.out[d]);
  }
}

inline void clear_channels(f32* image, index_t pixels, index_t channels,
                           block const& own) noexcept {
  for (index_t i = 0; i < pixels; ++i)
    __builtin_memset(static_cast<void*>(image + i * channels + own.begin), 0,
                     static_cast<std::size_t>(own.size()) * sizeof(f32));
}

} // namespace detail

/// diff_dst and index (batch, out, channels), diff_src (batch, in, channels). index: the position
/// of the maximum in the flattened spatial image, or negative for none (a window of padding alone), as
/// pool::run_with_indices writes it: the first of equal ones takes all, as in PyTorch.
///
/// Errors at construction: those of window::check, errc::bad_shape for channels or extents below 1.
class max_pool_backward {
public:
  explicit max_pool_backward(pool_backward_shape const& s)
      : channels_((s.check("max_pool_backward"), s.channels)), in_(s.in.size()),
        out_(s.out().size()) {}
  explicit max_pool_backward(adaptive_pool_shape const& s)
      : channels_(s.channels), in_(s.in.size()), out_(s.out.size()) {
    detail::check_adaptive("max_pool_backward", s);
  }

  template <executor E = sequential>
  void run(index_t batch, s32 const* index, f32 const* diff_dst, gradient diff_src,
           E&& e = {}) const noexcept {
    if (!diff_src) return;
    index_t const in = in_, out = out_, channels = channels_;
    detail::each_image_part(e, batch, channels, [&](index_t n, block const& own) {
      f32* const image = diff_src.data + n * in * channels;
      if (!diff_src.add) detail::clear_channels(image, in, channels, own);
      for (index_t o = 0; o < out; ++o) {
        index_t const at = (n * out + o) * channels;
        for (index_t c = own.begin; c < own.end; ++c) {
          s32 const i = index[at + c];
          IA_NN_ASSERT(i < in, "max_pool_backward: index ", i, " of an image of ", in, " pixels");
          if (i >= 0) image[i * channels + c] += diff_dst[at + c];
        }
      }
    });
  }

private:
  index_t channels_, in_, out_;
};

/// The same without an index that somebody kept: the maxima are looked for again in src (batch, in,
/// channels). Images are shared among the workers.
///
/// Errors at construction: those of `pool`; errc::bad_parameter for workers below 1.
template <isa::tag I> class recomputed_max_pool_backward {
public:
  explicit recomputed_max_pool_backward(pool_backward_shape const& s, int workers = 1)
      : pool_(pool_kind::max, pool_shape{s.channels, s.in, s.win, s.ceil_mode}), backward_(s),
        workers_(workers) {
    detail::check_workers("recomputed_max_pool_backward", workers);
  }
  explicit recomputed_max_pool_backward(adaptive_pool_shape const& s, int workers = 1)
      : pool_(pool_kind::max, s), backward_(s), workers_(workers) {
    detail::check_workers("recomputed_max_pool_backward", workers);
  }

  index_t workspace_bytes() const noexcept { return workers_ * 2 * array_bytes(); }

  template <executor E = sequential>
  void run(index_t batch, f32 const* src, f32 const* diff_dst, gradient diff_src,
           workspace_view scratch, E&& e = {}) const noexcept {
    if (!diff_src) return;
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "recomputed_max_pool_backward: a workspace of ",
                  scratch.size, " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const in = pool_.in().size() * pool_.channels();
    index_t const out = pool_.out().size() * pool_.channels();
    run_tasks(e, workers_, batch, [&](index_t n, int worker) {
      std::byte* const own = scratch.data + worker * 2 * array_bytes();
      auto* const index = reinterpret_cast<s32*>(own);
      pool_.run_with_indices(1, src + n * in, reinterpret_cast<f32*>(own + array_bytes()), index);
      backward_.run(1, index, diff_dst + n * out, {diff_src.data + n * in, diff_src.add});
    });
  }

private:
  index_t array_bytes() const noexcept {
    return detail::f32_bytes(pool_.out().size() * pool_.channels());
  }

  pool<I, f32> pool_;
  max_pool_backward backward_;
  int workers_;
};

/// diff_dst (batch, out, channels), diff_src (batch, in, channels). A window is divided by the
/// number of its elements in the image or, with count_padding, in the padded image.
///
/// Errors at construction: those of window::check, errc::bad_shape for channels or extents below 1,
/// errc::unsupported_isa.
template <isa::tag I> class average_pool_backward {
  using V = vec<f32, I>;

public:
  explicit average_pool_backward(pool_backward_shape const& s)
      : s_((s.check("average_pool_backward"), s)), out_(s.out()) {
    isa::require<typename detail::vec_tag<I>::type>();
  }
  explicit average_pool_backward(adaptive_pool_shape const& s)
      : s_{s.channels, s.in}, out_(s.out), adaptive_(true) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_adaptive("average_pool_backward", s);
  }

  template <executor E = sequential>
  void run(index_t batch, f32 const* diff_dst, gradient diff_src, E&& e = {}) const noexcept {
    if (!diff_src) return;
    index_t const channels = s_.channels;
    spatial const out = out_;
    detail::each_image_part(e, batch, channels, [&](index_t n, block const& own) {
      f32* const image = diff_src.data + n * s_.in.size() * channels;
      f32 const* from = diff_dst + n * out.size() * channels;
      if (!diff_src.add) detail::clear_channels(image, s_.in.size(), channels, own);
      for (index_t z = 0; z < out.depth; ++z)
        for (index_t y = 0; y < out.height; ++y)
          for (index_t x = 0; x < out.width; ++x, from += channels)
            one_window({z, y, x}, from, image, own);
    });
  }

private:
  // Kernel positions inside [0, n) of one axis, and how many the divisor counts.
  struct range {
    index_t first, begin, end, counted;
  };
  range positions(int d, index_t o) const noexcept {
    if (adaptive_) {
      index_t const from = o * s_.in[d] / out_[d];
      index_t const taps = ceil_div((o + 1) * s_.in[d], out_[d]) - from;
      return {from, 0, taps, taps};
    }
    window const& w = s_.win;
    index_t const first = o * w.stride[d] - w.pad_begin[d], step = w.dilation[d];
    auto const below = [&](index_t limit) { // positions whose element lies before `limit`
      return limit <= first ? 0 : min_of(w.kernel[d], ceil_div(limit - first, step));
    };
    index_t const readable = min_of(s_.in[d], s_.in[d] + w.pad_end[d]);
    range r{first, below(0), below(readable), 0};
    r.counted = s_.count_padding ? below(s_.in[d] + w.pad_end[d]) : r.end - r.begin;
    return r;
  }
  void one_window(spatial const& o, f32 const* diff_dst, f32* image,
                  block const& own) const noexcept {
    range const z = positions(0, o.depth), y = positions(1, o.height), x = positions(2, o.width);
    spatial const step = s_.win.dilation;
    V const share = V::broadcast(1.0F / static_cast<f32>(z.counted * y.counted * x.counted));
    for (index_t i = z.begin; i < z.end; ++i)
      for (index_t j = y.begin; j < y.end; ++j)
        for (index_t k = x.begin; k < x.end; ++k) {
          index_t const line =
              (z.first + i * step.depth) * s_.in.height + y.first + j * step.height;
          f32* const to = image + (line * s_.in.width + x.first + k * step.width) * s_.channels;
          detail::each_register<V>(own.begin, own.end, [&](index_t c, auto at) IA_NN_LAMBDA {
            V const sum =
                fma(at.template load<V>(diff_dst + c), share, at.template load<V>(to + c));
            at.store(sum, to + c);
          });
        }
  }

  pool_backward_shape s_;
  spatial out_;
  bool adaptive_ = false;
};

/// diff_dst (batch, channels), diff_src (batch, pixels, channels).
template <isa::tag I, executor E = sequential>
void global_average_pool_backward(index_t batch, index_t pixels, index_t channels,
                                  f32 const* diff_dst, gradient diff_src, E&& e = {}) noexcept {
  using V = vec<f32, I>;
  if (!diff_src) return;
  f32 const share = 1.0F / static_cast<f32>(pixels);
  e.parallel_for(batch, [&](index_t n, int) {
    for (index_t i = 0; i < pixels; ++i)
      detail::each_register<V>(0, channels, [&](index_t c, auto at) IA_NN_LAMBDA {
        V const part = at.template load<V>(diff_dst + n * channels + c) * V::broadcast(share);
        detail::deliver(at, part, diff_src, (n * pixels + i) * channels + c);
      });
  });
}

IA_NN_END
