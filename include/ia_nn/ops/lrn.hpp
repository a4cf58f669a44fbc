// SPDX-License-Identifier: Apache-2.0
//
// Local response normalization across channels, which come last.
//
//   y[c] = x[c] (bias + alpha / size * sum of x[j]^2)^-beta
//   j from c - floor(size / 2) to c + floor((size - 1) / 2), within the channels
//
// The formula is that of PyTorch's local_response_norm; the ONNX operator LRN has one more channel
// behind instead of in front where the size is even. The squares of a piece of the channels go into a
// buffer with zeros around them, so that the sums need no bounds:
//
//   | 0 0 | x0^2 x1^2 ... | 0 0 |       y[c .. c + lanes) adds `size` loads from it
//
// s^-beta takes roots and a division for beta 0.5, 0.75 and 1, else e^(-beta log s). A piece whose
// squares are so large that a sum or its power could overflow, or, beside a bias of about 0, so small
// that one vanishes or its power overflows, is computed in double.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/math/exp.hpp>
#include <ia_nn/math/log.hpp>
#include <ia_nn/ops/window.hpp>

#include <ia_nn/begin.hpp>

struct lrn_options {
  index_t size = 5; ///< channels in a sum
  f32 alpha = 1e-4F, beta = 0.75F, bias = 1.0F;
  lrn_window window = lrn_window::pytorch;
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
      : channels_(channels), options_(o), before_((o.window == lrn_window::pytorch ? o.size : o.size - 1) / 2),
        scale_(o.alpha / static_cast<f32>(o.size < 1 ? 1 : o.size)) {
    auto const larger = [](f32 a, f32 b) { return a < b ? b : a; };
    f32 const factor = larger(o.alpha, -o.alpha), power = larger(larger(o.beta, -o.beta), 1);
    // Of squares below most_ neither a sum nor its power overflows, nor alpha times their mean.
    f32 const large = __builtin_exp2f(116 / power);
    most_ = o.bias < large ? large / larger(factor, 1) : 0;
    // What vanishes of a sum is 2^-30 of it or less, and its power does not overflow.
    least_ = larger(larger(factor * 0x1p-120F, 0x1p-100F), __builtin_exp2f(-116 / power));
    isa::require<typename detail::vec_tag<I>::type>();
    if (channels < 1)
      throw_error(errc::bad_shape, "lrn: there are " + std::to_string(channels) + " channels");
    if (o.size < 1 || o.size > largest)
      throw_error(errc::bad_parameter, "lrn: size is " + std::to_string(o.size) +
                                           ", it must lie between 1 and " +
                                           std::to_string(largest));
    for (f32 const v : {o.alpha, o.beta, o.bias})
      if (!(v > -detail::infinity && v < detail::infinity))
        throw_error(errc::bad_parameter, "lrn: alpha, beta or bias is " + detail::number_text(v));
  }

  index_t channels() const noexcept { return channels_; }

  /// src and dst [pixels][channels]; dst may be src if there are at most 1024 channels.
  template <executor E = sequential>
  void run(index_t pixels, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    run(pixels, src, dst, channels_, e);
  }
  /// dst [pixels][dst_ld], a slice of a larger image: dst_ld is at least `channels`, dst is not
  /// src.
  template <executor E = sequential>
  void run(index_t pixels, f32 const* src, f32* dst, index_t dst_ld, E&& e = {}) const noexcept {
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
        if (IA_NN_UNLIKELY(!fill(x, first, n, squares))) {
          wide(x, first, n, y);
          continue;
        }
        detail::each_register<V>(0, n, [&](index_t c, auto at) IA_NN_LAMBDA {
          at.store(scaled(at.template load<V>(x + first + c), squares + c, power), y + c);
        });
      }
  }
  // squares[i] belongs to channel first - before_ + i. False where f32 has no room for their sums.
  IA_NN_INLINE bool fill(f32 const* x, index_t first, index_t n, f32* squares) const noexcept {
    index_t const wanted = n + options_.size - 1 + lanes, base = first - before_;
    index_t const from = max_of(-base, 0), to = max_of(from, min_of(wanted, channels_ - base));
    for (index_t i = 0; i < from; ++i) squares[i] = 0;
    index_t i = from;
    V most = V::zero();
    for (; i + lanes <= to; i += lanes) {
      V const v = V::load(x + base + i), square = v * v;
      square.store(squares + i);
      most = max(square, most); // a NaN leaves `most` as it is
    }
    f32 highest = highest_lane(most);
    for (; i < to; ++i) {
      squares[i] = x[base + i] * x[base + i];
      highest = squares[i] > highest ? squares[i] : highest;
    }
    for (; i < wanted; ++i) squares[i] = 0;
    return highest < most_ && (options_.bias >= least_ || sums_remain(n, squares));
  }
  static IA_NN_INLINE f32 highest_lane(V v) noexcept { return highest(v); }
  IA_NN_NOINLINE bool sums_remain(index_t n, f32 const* squares) const noexcept {
    bool remain = true;
    for (index_t c = 0; c < n; ++c) {
      f32 s = 0;
      for (index_t j = 0; j < options_.size; ++j) s += squares[c + j];
      remain = remain && __builtin_fmaf(s, scale_, options_.bias) >= least_;
    }
    return remain;
  }
  IA_NN_NOINLINE void wide(f32 const* x, index_t first, index_t n, f32* y) const noexcept {
    double const bias = static_cast<double>(options_.bias);
    double const scale = static_cast<double>(options_.alpha) / static_cast<double>(options_.size);
    double bases[piece]; // all before y, which may be x
    for (index_t c = 0; c < n; ++c) {
      index_t const from = first + c - before_;
      double sum = 0;
      for (index_t j = max_of(from, 0); j < min_of(from + options_.size, channels_); ++j)
        sum += static_cast<double>(x[j]) * static_cast<double>(x[j]);
      bases[c] = sum * scale + bias;
    }
    for (index_t c = 0; c < n; ++c)
      y[c] = static_cast<f32>(static_cast<double>(x[first + c]) *
                              __builtin_pow(bases[c], -static_cast<double>(options_.beta)));
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
  f32 scale_, most_, least_;
};

IA_NN_END
