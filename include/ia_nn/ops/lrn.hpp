// SPDX-License-Identifier: Apache-2.0
//
// Local response normalization across channels, which come last.
//
//   y[c] = x[c] (bias + alpha / size * sum of x[j]^2)^-beta
//   j from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2), within the channels
//
// The formula is that of the ONNX operator LRN. The squares of a piece of the channels go into a
// buffer with zeros around them, so that the sums need no bounds:
//
//   | 0 0 | x0^2 x1^2 ... | 0 0 |       y[c .. c + lanes) adds `size` loads from it
//
// s^-beta takes roots and a division for beta 0.5, 0.75 and 1, else e^(-beta log s).
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/math/exp.hpp>
#include <ia_nn/math/log.hpp>

IA_NN_BEGIN

struct lrn_options {
  index_t size = 5; ///< channels in a sum
  f32 alpha = 1e-4F, beta = 0.75F, bias = 1.0F;
};

/// f32 [pixels][channels]. Errors at construction: errc::bad_shape (channels), errc::bad_parameter
/// (size not in [1, 511], alpha, beta or bias not finite), errc::unsupported_isa.
template <isa::tag I> class lrn {
  using V = vec<f32, I>;
  static constexpr index_t lanes = V::size;
  static constexpr index_t piece = 1024;
  static constexpr index_t largest = 511;

public:
  lrn(index_t channels, lrn_options const& o)
      : channels_(channels), options_(o), before_((o.size - 1) / 2),
        scale_(o.alpha / static_cast<f32>(o.size < 1 ? 1 : o.size)) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (channels < 1)
      throw error(errc::bad_shape, "lrn: there are " + std::to_string(channels) + " channels");
    if (o.size < 1 || o.size > largest)
      throw error(errc::bad_parameter, "lrn: size is " + std::to_string(o.size) +
                                           ", it must lie between 1 and " +
                                           std::to_string(largest));
    for (f32 const v : {o.alpha, o.beta, o.bias})
      if (!(v > -detail::infinity && v < detail::infinity))
        throw error(errc::bad_parameter, "lrn: alpha, beta or bias is " + std::to_string(v));
  }

  index_t channels() const noexcept { return channels_; }

  /// src and dst [pixels][channels]; dst may be src if there are at most 1024 channels.
  template <executor E = sequential>
  void run(index_t pixels, f32 const* src, f32* dst, E&& e = E{}) const noexcept {
    run(pixels, src, dst, channels_, e);
  }
  /// dst [pixels][dst_ld], a slice of a larger image: dst_ld is at least `channels`, dst is not
  /// src.
  template <executor E = sequential>
  void run(index_t pixels, f32 const* src, f32* dst, index_t dst_ld, E&& e = E{}) const noexcept {
    IA_NN_ASSERT(dst_ld >= channels_, "lrn: pixels of dst ", dst_ld, " elements apart have ",
                 channels_, " channels");
    IA_NN_ASSERT(src != dst || channels_ <= piece, "lrn: in place there are at most ", piece,
                 " channels, not ", channels_);
    parallel_blocks(e, pixels, ceil_div(2048, channels_), [&](index_t begin, index_t end, int) {
      f32 const beta = options_.beta;
      if (beta == 0.75F)
        some(begin, end, src, dst, dst_ld, [](V s) IA_NN_LAMBDA {
          V const root = sqrt(s), both = root * sqrt(root);
          return V::broadcast(1.0F) / both;
        });
      else if (beta == 1.0F)
        some(begin, end, src, dst, dst_ld, [](V s) IA_NN_LAMBDA { return V::broadcast(1.0F) / s; });
      else if (beta == 0.5F)
        some(begin, end, src, dst, dst_ld,
             [](V s) IA_NN_LAMBDA { return V::broadcast(1.0F) / sqrt(s); });
      else
        some(begin, end, src, dst, dst_ld,
             [beta](V s) IA_NN_LAMBDA { return math::exp(V::broadcast(-beta) * math::log(s)); });
    });
  }

private:
  template <class Power>
  void some(index_t begin, index_t end, f32 const* src, f32* dst, index_t dst_ld,
            Power const& power) const noexcept {
    // Behind the last square lie as many zeros as a register may read too many.
    alignas(64) f32 squares[piece + largest + 2 * lanes];
    for (index_t p = begin; p < end; ++p)
      for (index_t first = 0; first < channels_; first += piece) {
        index_t const n = min_of(piece, channels_ - first);
        f32 const* const x = src + p * channels_;
        f32* const y = dst + p * dst_ld + first;
        fill(x, first, n, squares);
        index_t c = 0;
        for (; c + lanes <= n; c += lanes)
          scaled(V::load(x + first + c), squares + c, power).store(y + c);
        if (c < n) scaled(V::load(x + first + c, n - c), squares + c, power).store(y + c, n - c);
      }
  }
  // squares[i] belongs to channel first - before_ + i.
  void fill(f32 const* x, index_t first, index_t n, f32* squares) const noexcept {
    index_t const wanted = n + options_.size - 1 + lanes, base = first - before_;
    index_t const from = max_of(-base, 0), to = max_of(from, min_of(wanted, channels_ - base));
    for (index_t i = 0; i < from; ++i) squares[i] = 0;
    index_t i = from;
    for (; i + lanes <= to; i += lanes) {
      V const v = V::load(x + base + i);
      (v * v).store(squares + i);
    }
    for (; i < to; ++i) squares[i] = x[base + i] * x[base + i];
    for (; i < wanted; ++i) squares[i] = 0;
  }
  template <class Power>
  IA_NN_INLINE V scaled(V x, f32 const* squares, Power const& power) const noexcept {
    V s = V::load(squares);
    for (index_t j = 1; j < options_.size; ++j) s = s + V::load(squares + j);
    return x * power(fma(s, V::broadcast(scale_), V::broadcast(options_.bias)));
  }

  index_t channels_;
  lrn_options options_;
  index_t before_;
  f32 scale_;
};

IA_NN_END
