// SPDX-License-Identifier: Apache-2.0
//
// From exact sums to the result of a quantized layer. In f32, in this order, the same on every
// instruction set:
//
//   factor[c]   (scale(src) * scale(weights, c)) / scale(dst)           at set-up
//   y           f32(sum + bias[c]) * factor[c]                          the sum is s32
//   y           fma(f32(r - zero_point(r)), scale(r) / scale(dst), y)   with a residual r
//   y           max(lowest / scale(dst), min(highest / scale(dst), y))  relu, bounded relu
//   u8, s8      saturate(round(y) + zero_point(dst))                    ties to even; y is clamped to
//               what the type holds before, so nothing is left to saturate
//   f32, bf16   y, with 1 in the place of scale(dst)
//   s32         sum + bias[c]
#pragma once

#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/int8/weights.hpp>

#include <ia_nn/begin.hpp>

/// What a quantized layer reads and writes, and the limits of its calls.
struct quantized_options {
  quantization src{};      ///< of the input
  quantization dst{};      ///< of a u8 or s8 output
  quantization residual{}; ///< of what `run_add` adds
  /// The result is clamped to [lowest, highest]: relu is 0 and infinity, the default is neither.
  f32 lowest = -__builtin_inff(), highest = __builtin_inff();
  index_t max_rows = 1; ///< images or rows of the largest batch
  int workers = 1;      ///< concurrency of the executor

  quantized_options with_relu(f32 bound = __builtin_inff()) const {
    quantized_options o = *this;
    o.lowest = 0, o.highest = bound;
    return o;
  }
};

namespace detail {

/// The formula above as a stage.
template <bool Rounds> struct quantized_stage {
  s32 const* bias;
  f32 const* factor;
  f32 low, high;
  s32 zero;

  template <vector_register V, class At> IA_NN_INLINE auto operator()(V sum, At at) const noexcept {
    return rounded(scaled(sum, at));
  }

protected:
  template <class V, class At> IA_NN_INLINE auto scaled(V sum, At at) const noexcept {
    auto const x = to_f32(sum + at.template columns<V>(bias));
    return x * at.template columns<decltype(to_f32(sum))>(factor);
  }
  template <class F> IA_NN_INLINE auto rounded(F y) const noexcept {
    y = max(F::broadcast(low), min(F::broadcast(high), y));
    if constexpr (Rounds) {
      auto const q = to_s32(y);
      return in_byte_range<decltype(q + q)>{q + q.broadcast(zero)};
    } else {
      return y;
    }
  }
};

/// With a residual, ld elements from row to row.
template <bool Rounds, byte_element R> struct quantized_add_stage : quantized_stage<Rounds> {
  R const* residual;
  index_t ld;
  f32 residual_factor, residual_zero;

  template <vector_register V, class At> IA_NN_INLINE auto operator()(V sum, At at) const noexcept {
    auto const y = this->scaled(sum, at);
    using F = decltype(to_f32(sum));
    F const r = at.template matrix<F>(residual, ld) - F::broadcast(residual_zero);
    return this->rounded(fma(r, F::broadcast(residual_factor), y));
  }
};

/// Biases and factors of a layer, checked.
template <byte_element A, element C> class quantized_epilogue {
  static constexpr bool rounds = byte_element<C>;

public:
  quantized_epilogue(char const* who, quantized_weights const& w, quantized_options const& o)
      : options_(o), bias_(w.filters), factor_(w.filters) {
    auto const fail = [&](std::string const& what) {
      throw_error(errc::bad_parameter, std::string(who) + ": " + what);
    };
    o.src.check<A>(who);
    if constexpr (rounds) o.dst.check<C>(who);
    if (!(o.lowest <= o.highest))
      fail("the result cannot be clamped to [" + number_text(o.lowest) + ", " +
           number_text(o.highest) + "]");
    if (std::same_as<C, s32> && !(o.lowest == -__builtin_inff() && o.highest == __builtin_inff()))
      fail("sums (s32) are not clamped; choose another type of result");
    if (w.data_scale != 0 && w.data_scale != o.src.scale)
      fail("the biases were quantized for data of scale " + number_text(w.data_scale) +
           ", the input has " + number_text(o.src.scale));
    check_sums<A>(who, w, o.src.zero_point);
    for (index_t c = 0; c < w.filters; ++c) {
      bias_[c] = w.bias[c];
      factor_[c] = o.src.scale * w.scales[c] / out_scale();
      if (!usable_scale(factor_[c]))
        fail("scale(src) * scale(weights) / scale(dst) of filter " + std::to_string(c) + " is " +
             number_text(factor_[c]) + ", it must be positive and finite");
    }
  }

  auto stage() const noexcept {
    if constexpr (std::same_as<C, s32>) return add_bias{bias_.data()};
    else return plain();
  }
  template <byte_element R> auto stage(R const* residual, index_t ld) const noexcept {
    static_assert(!std::same_as<C, s32>,
                  "ia_nn: a residual is added to results of type u8, s8, f32 or bf16, not to s32");
    return quantized_add_stage<rounds, R>{plain(), residual, ld, options_.residual.scale / out_scale(),
                                      static_cast<f32>(options_.residual.zero_point)};
  }
  quantized_options const& options() const noexcept { return options_; }

private:
  f32 out_scale() const noexcept { return rounds ? options_.dst.scale : 1.0F; }
  quantized_stage<rounds> plain() const noexcept {
    f32 low = options_.lowest / out_scale(), high = options_.highest / out_scale();
    s32 const zero = options_.dst.zero_point;
    if constexpr (rounds) {
      f32 const least = static_cast<f32>(lowest_byte<C> - zero),
                most = static_cast<f32>(highest_byte<C> - zero);
      low = low < least ? least : low > most ? most : low;
      high = high < least ? least : high > most ? most : high;
    }
    return {bias_.data(), factor_.data(), low, high, zero};
  }

  quantized_options options_;
  aligned_array<s32> bias_;
  aligned_array<f32> factor_;
};

} // namespace detail

IA_NN_END
