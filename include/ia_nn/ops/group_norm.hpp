// SPDX-License-Identifier: Apache-2.0
//
// Group and instance normalization of images with channels last.
//
//   y = (x - mean) / sqrt(variance + epsilon) * scale[c] + shift[c]
//
// mean and variance belong to an image and a group of channels / groups channels; with as many
// groups as channels that is instance normalization. Vectors run over channels, down the pixels:
//
//   pixel 0   [ g0 g0 g0 g1 g1 g1 g2 ... ]     sums per lane, then lanes of a group together
//   pixel 1   [ g0 g0 g0 g1 g1 g1 g2 ... ]
//
// A task is an image and a span of channels: several whole groups in 64 channels, or one group of
// more. Three passes: the mean, as that of differences to the first number of the group, which are
// small where the deviation is; deviations (see layer_norm.hpp); y.
#pragma once

#include <ia_nn/ops/layer_norm.hpp>

#include <ia_nn/begin.hpp>

/// Images [batch][pixels][channels] of f32, channels = groups * channels per group. Errors at
/// construction: errc::bad_shape (channels that groups do not divide, scale or shift neither empty
/// nor of `channels` elements), errc::bad_parameter (epsilon), errc::unsupported_isa.
template <isa::tag I> class group_norm {
  using V = vec<f32, I>;
  template <bool Whole> using lanes = detail::lanes<Whole>;
  static constexpr index_t width = 64;         // channels of one span of small groups
  static constexpr index_t pixels_block = 256, some_pixels = 32; // see some_columns

public:
  /// An empty scale is all 1, an empty shift all 0.
  group_norm(index_t channels, index_t groups, std::span<f32 const> scale = {},
             std::span<f32 const> shift = {}, f32 epsilon = 1e-5F)
      : channels_(channels), groups_(groups), epsilon_(epsilon) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (channels < 1 || groups < 1 || channels % groups != 0)
      throw_error(errc::bad_shape, "group_norm: " + std::to_string(groups) +
                                       " groups do not divide " + std::to_string(channels) +
                                       " channels");
    detail::check_epsilon("group_norm", epsilon);
    scale_ = detail::copy_or(scale, channels, 1.0F, "group_norm", "scale");
    shift_ = detail::copy_or(shift, channels, 0.0F, "group_norm", "shift");
  }

  index_t channels() const noexcept { return channels_; }
  index_t groups() const noexcept { return groups_; }
  /// Other weights, as training makes them after each step: copied, `channels` elements each. Null: all
  /// 1, all 0.
  void set_weights(f32 const* scale, f32 const* shift) noexcept {
    for (index_t i = 0; i < channels_; ++i) {
      scale_[i] = scale ? scale[i] : 1.0F;
      shift_[i] = shift ? shift[i] : 0.0F;
    }
  }

  /// src, dst [batch][pixels][channels]; dst may be src.
  template <executor E = sequential>
  void run(index_t batch, index_t pixels, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    index_t const each = channels_ / groups_;
    // Spans of 16 channels where those of 64 would leave workers without one.
    index_t const room = batch * ceil_div(channels_, width) < e.concurrency() ? 16 : width;
    index_t const span = each <= room ? room / each * each : each;
    index_t const spans = ceil_div(channels_, span);
    if (pixels == 0) return;
    parallel_blocks(e, batch * spans, 1, [&](index_t begin, index_t end, int) {
      for (index_t task = begin; task < end; ++task) {
        index_t const first = task % spans * span;
        index_t const at = task / spans * pixels * channels_ + first;
        one_span(pixels, src + at, dst + at, first, min_of(span, channels_ - first), each);
      }
    });
  }

private:
  /// Sums of x - mean over pixels, and of squares if they are asked for, for n <= width lanes.
  template <bool Squares>
  void column_sums(index_t pixels, f32 const* x, index_t n, f32 const* mean, double* sums,
                   double* squares) const noexcept {
    for (index_t c = 0; c < n; ++c) sums[c] = 0;
    if constexpr (Squares)
      for (index_t c = 0; c < n; ++c) squares[c] = 0;
    f32 s[width], q[width];
    for (index_t p = 0; p < pixels; p += pixels_block) {
      index_t const count = min_of(pixels_block, pixels - p);
      f32 const* const from = x + p * channels_;
      index_t c = 0;
      for (; c + 4 * V::size <= n; c += 4 * V::size)
        some_columns<4, Squares>(count, from + c, mean + c, s + c, q + c, lanes<true>{V::size});
      detail::each_register<V>(c, n, [&](index_t i, auto at) IA_NN_LAMBDA {
        some_columns<1, Squares>(count, from + i, mean + i, s + i, q + i, at);
      });
      for (c = 0; c < n; ++c) sums[c] += static_cast<double>(s[c]);
      if constexpr (Squares)
        for (c = 0; c < n; ++c) squares[c] += static_cast<double>(q[c]);
    }
  }
  // Sums of `some_pixels` in a row, and of at most 8 of these.
  template <int U, bool Squares, bool Whole>
  IA_NN_INLINE void some_columns(index_t count, f32 const* x, f32 const* mean, f32* s_out,
                                 f32* q_out, lanes<Whole> at) const noexcept {
    V s[U], q[U], m[U];
    IA_NN_UNROLL
    for (int u = 0; u < U; ++u) {
      s[u] = q[u] = V::zero();
      m[u] = at.template load<V>(mean + u * V::size);
    }
    for (index_t first = 0; first < count; first += some_pixels) {
      V t[U], r[U];
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u) t[u] = r[u] = V::zero();
      for (index_t p = min_of(some_pixels, count - first); p > 0; --p, x += channels_) {
        IA_NN_UNROLL
        for (int u = 0; u < U; ++u) {
          V const d = at.template load<V>(x + u * V::size) - m[u];
          t[u] = t[u] + d;
          if constexpr (Squares) r[u] = fma(d, d, r[u]);
        }
      }
      IA_NN_UNROLL
      for (int u = 0; u < U; ++u) {
        s[u] = s[u] + t[u];
        if constexpr (Squares) q[u] = q[u] + r[u];
      }
    }
    IA_NN_UNROLL
    for (int u = 0; u < U; ++u) {
      at.store(s[u], s_out + u * V::size);
      if constexpr (Squares) at.store(q[u], q_out + u * V::size);
    }
  }

  // `channels` from number `first` on: whole groups of `each`, in at most `width` channels, or one.
  void one_span(index_t pixels, f32 const* src, f32* dst, index_t first, index_t channels,
                index_t each) const noexcept {
    index_t const groups = channels / each;
    double const count = static_cast<double>(pixels) * static_cast<double>(each);
    double sums[width], squares[width], total[width] = {}, total_squares[width] = {};
    f32 group_mean[width], mean[width];
    detail::moments m[width];
    auto const blocks = [&](index_t begin, index_t end, auto&& f) {
      for (index_t c = begin; c < end; c += width) f(c, min_of(width, end - c));
    };
    auto const group_of = [&](index_t c) { return groups == 1 ? 0 : c / each; };
    auto const spread_means = [&](index_t c, index_t n) {
      for (index_t i = 0; i < n; ++i) mean[i] = group_mean[group_of(c + i)];
    };

    for (index_t g = 0; g < groups; ++g) group_mean[g] = src[g * each];
    blocks(0, channels, [&](index_t c, index_t n) {
      spread_means(c, n);
      column_sums<false>(pixels, src + c, n, mean, sums, nullptr);
      for (index_t i = 0; i < n; ++i) total[group_of(c + i)] += sums[i];
    });
    for (index_t g = 0; g < groups; ++g) {
      group_mean[g] = static_cast<f32>(static_cast<double>(group_mean[g]) + total[g] / count);
      total[g] = 0;
    }
    blocks(0, channels, [&](index_t c, index_t n) {
      spread_means(c, n);
      column_sums<true>(pixels, src + c, n, mean, sums, squares);
      for (index_t i = 0; i < n; ++i) {
        total[group_of(c + i)] += sums[i];
        total_squares[group_of(c + i)] += squares[i];
      }
    });
    bool exact = true;
    for (index_t g = 0; g < groups; ++g) {
      m[g] = detail::moments_of(group_mean[g], total[g], total_squares[g], count, epsilon_);
      exact = exact && m[g].exact;
    }
    auto const write = [&](index_t c, index_t n) {
      f32 a[width], b[width]; // y = (x - mean) a + b
      for (index_t i = 0; i < n; ++i) {
        detail::moments const& g = m[group_of(c + i)];
        mean[i] = g.mean;
        a[i] = g.inverse * scale_[first + c + i];
        b[i] = __builtin_fmaf(-g.rest, a[i], shift_[first + c + i]);
      }
      for (index_t p = 0; p < pixels; ++p) {
        f32 const* const x = src + p * channels_ + c;
        f32* const y = dst + p * channels_ + c;
        detail::each_register<V>(0, n, [&](index_t i, auto at) IA_NN_LAMBDA {
          V const d = at.template load<V>(x + i) - at.template load<V>(mean + i);
          at.store(fma(d, at.template load<V>(a + i), at.template load<V>(b + i)), y + i);
        });
      }
    };
    if (IA_NN_LIKELY(exact)) return blocks(0, channels, write);
    for (index_t g = 0; g < groups; ++g) {
      index_t const at = g * each;
      if (m[g].exact) blocks(at, at + each, write);
      else write_wide(pixels, src + at, dst + at, first + at, each);
    }
  }

  // One group.
  IA_NN_NOINLINE void write_wide(index_t pixels, f32 const* src, f32* dst, index_t first,
                                 index_t each) const noexcept {
    auto const m = detail::wide_moments_of(pixels * each, epsilon_, [&](index_t i) {
      return src[i / each * channels_ + i % each];
    });
    for (index_t p = 0; p < pixels; ++p)
      for (index_t i = 0; i < each; ++i) {
        f32& y = dst[p * channels_ + i];
        y = static_cast<f32>(m(src[p * channels_ + i]) * static_cast<double>(scale_[first + i]) +
                             static_cast<double>(shift_[first + i]));
      }
  }

  index_t channels_, groups_;
  f32 epsilon_;
  aligned_array<f32> scale_, shift_;
};

/// Each channel of each image on its own.
template <isa::tag I> class instance_norm : public group_norm<I> {
public:
  explicit instance_norm(index_t channels, std::span<f32 const> scale = {},
                         std::span<f32 const> shift = {}, f32 epsilon = 1e-5F)
      : group_norm<I>(channels, channels, scale, shift, epsilon) {}
};

IA_NN_END
