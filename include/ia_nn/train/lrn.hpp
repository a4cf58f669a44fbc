// SPDX-License-Identifier: Apache-2.0
//
// Gradient of local response normalization (ops/lrn.hpp). With s[c] the bias and the mean square of
// the channels that y[c] sees, y[c] = x[c] s[c]^-beta:
//
//   t[c]        = diff_dst[c] x[c] s[c]^(-beta - 1)
//   diff_src[c] = diff_dst[c] s[c]^-beta - 2 alpha beta / size x[c] (sum of t[j])     j that see c
//
// Both sums are taken as in the forward pass, from buffers with zeros around them, in the workspace:
//
//   squares | 0 0 | x0^2 x1^2 ... | 0 0 |          t | 0 0 | t0 t1 ... | 0 0 |
//
// A pixel whose numbers are so large, or whose bias is so small, that a power might leave f32 is
// computed in double.
#pragma once

#include <ia_nn/ops/lrn.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

/// f32 [pixels][channels]. Errors at construction: those of lrn; errc::bad_parameter for workers below
/// 1.
template <isa::tag I> class lrn_backward {
  using V = vec<f32, I>;

public:
  explicit lrn_backward(index_t channels, lrn_options const& o, int workers = 1)
      : channels_(channels), o_(o), workers_(workers) {
    static_cast<void>(lrn<I>(channels, o)); // checks
    detail::check_workers("lrn_backward", workers);
    before_ = (o.window == lrn_window::pytorch ? o.size : o.size - 1) / 2;
    behind_ = o.size - 1 - before_;
    double const power = __builtin_fabs(static_cast<double>(o.beta)) + 1;
    double const room = __builtin_exp2(80 / power), factor = static_cast<double>(o.alpha);
    // The largest square for which s stays between 1 / room and room.
    bool const wide = !(factor >= 0) || static_cast<double>(o.bias) < 1 / room ||
                      static_cast<double>(o.bias) > room / 2;
    double const most = room / 2 / (factor < 1 ? 1 : factor);
    most_ = wide ? -1 : static_cast<f32>(most < 1e30 ? most : 1e30);
  }

  index_t channels() const noexcept { return channels_; }
  index_t workspace_bytes() const noexcept { return workers_ * worker_bytes(); }

  /// src, diff_dst [pixels][channels]; diff_src may be diff_dst.
  template <executor E = sequential>
  void run(index_t pixels, f32 const* src, f32 const* diff_dst, gradient diff_src,
           workspace_view scratch, E&& e = {}) const noexcept {
    if (!diff_src) return;
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "lrn_backward: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    index_t const granule = ceil_div(2048, channels_);
    run_tasks(e, workers_, ceil_div(pixels, granule), [&](index_t task, int worker) {
      std::byte* const own = scratch.data + worker * worker_bytes();
      index_t const last = min_of(pixels, (task + 1) * granule);
      for (index_t p = task * granule; p < last; ++p)
        one_pixel(src + p * channels_, diff_dst + p * channels_, diff_src, p * channels_, own);
    });
  }

private:
  // Channels with the zeros around them, and what a register may read too many. The pixels in double
  // need two numbers for each channel.
  index_t cells() const noexcept { return round_up(channels_ + o_.size + V::size, 16); }
  index_t worker_bytes() const noexcept {
    return max_of(3 * detail::f32_bytes(cells()), round_up(2 * channels_ * 8, 64));
  }

  IA_NN_INLINE V power(V s) const noexcept {
    if (o_.beta == 0.75F) {
      V const root = sqrt(s);
      return V::broadcast(1.0F) / (root * sqrt(root));
    }
    return math::exp(V::broadcast(-o_.beta) * math::log(s));
  }
  static void clear(f32* p, index_t n) noexcept {
    for (index_t i = 0; i < n; ++i) p[i] = 0;
  }
  void one_pixel(f32 const* x, f32 const* diff, gradient const& to, index_t first,
                 std::byte* memory) const noexcept {
    auto* const squares = reinterpret_cast<f32*>(memory);
    f32 *const t = squares + cells(), *const powers = t + cells();
    clear(squares, before_);
    V most = V::zero(); // a NaN leaves it as it is
    detail::each_register<V>(0, channels_, [&](index_t c, auto at) IA_NN_LAMBDA {
      V const v = at.template load<V>(x + c), square = v * v;
      at.store(square, squares + before_ + c);
      most = max(square, most);
    });
    clear(squares + before_ + channels_, cells() - before_ - channels_);
    if (IA_NN_UNLIKELY(!(highest(most) <= most_)))
      return wide(x, diff, to, first, reinterpret_cast<double*>(memory));
    // A channel is seen by those from behind_ in front of it to before_ behind it.
    clear(t, behind_);
    V const scale = V::broadcast(o_.alpha / static_cast<f32>(o_.size));
    detail::each_register<V>(0, channels_, [&](index_t c, auto at) IA_NN_LAMBDA {
      V s = V::load(squares + c);
      for (index_t j = 1; j < o_.size; ++j) s = s + V::load(squares + c + j);
      s = fma(s, scale, V::broadcast(o_.bias));
      V const p = power(s), d = at.template load<V>(diff + c);
      at.store(p, powers + c);
      at.store(d * at.template load<V>(x + c) * (p / s), t + behind_ + c);
    });
    clear(t + behind_ + channels_, cells() - behind_ - channels_);
    V const factor = V::broadcast(-2 * o_.alpha * o_.beta / static_cast<f32>(o_.size));
    detail::each_register<V>(0, channels_, [&](index_t c, auto at) IA_NN_LAMBDA {
      V s = V::load(t + c);
      for (index_t j = 1; j < o_.size; ++j) s = s + V::load(t + c + j);
      V const own = at.template load<V>(diff + c) * at.template load<V>(powers + c);
      detail::deliver(at, fma(at.template load<V>(x + c) * factor, s, own), to, first + c);
    });
  }
  IA_NN_NOINLINE void wide(f32 const* x, f32 const* diff, gradient const& to, index_t first,
                           double* t) const noexcept {
    double const beta = static_cast<double>(o_.beta), size = static_cast<double>(o_.size);
    double const alpha = static_cast<double>(o_.alpha);
    double* const own = t + channels_;
    for (index_t c = 0; c < channels_; ++c) {
      double s = 0;
      for (index_t j = max_of(c - before_, 0); j <= min_of(c + behind_, channels_ - 1); ++j)
        s += static_cast<double>(x[j]) * static_cast<double>(x[j]);
      s = s * alpha / size + static_cast<double>(o_.bias);
      double const d = static_cast<double>(diff[c]);
      own[c] = d * __builtin_pow(s, -beta);
      t[c] = d * static_cast<double>(x[c]) * __builtin_pow(s, -beta - 1);
    }
    for (index_t c = 0; c < channels_; ++c) {
      double s = 0;
      for (index_t j = max_of(c - behind_, 0); j <= min_of(c + before_, channels_ - 1); ++j)
        s += t[j];
      auto const d =
          static_cast<f32>(own[c] - 2 * alpha * beta / size * static_cast<double>(x[c]) * s);
      to.data[first + c] = to.add ? to.data[first + c] + d : d;
    }
  }

  index_t channels_;
  lrn_options o_;
  int workers_;
  index_t before_ = 0, behind_ = 0;
  f32 most_ = 0;
};

IA_NN_END
