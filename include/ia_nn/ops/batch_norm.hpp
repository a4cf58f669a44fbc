// SPDX-License-Identifier: Apache-2.0
//
// Batch normalization with known statistics: one fused multiply-add per element.
//
//   y = (x - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c] = x a[c] + b[c]
//
// a and b are computed in double and rounded once. Behind a convolution or a dense layer a and b
// go into its weights and bias instead, and cost nothing.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/math/activation.hpp>

#include <span>
#include <vector>

#include <ia_nn/begin.hpp>

/// One number per channel each; an empty `scale` is all 1, an empty `shift` all 0.
struct batch_norm_parameters {
  std::span<f32 const> mean, variance, scale{}, shift{};
  f32 epsilon = 1e-5F;

  /// Errors: errc::bad_shape for different lengths, errc::bad_parameter where variance + epsilon is
  /// not positive. `who` begins the sentence.
  void check(char const* who, index_t channels) const {
    auto const length = [&](std::span<f32 const> s, char const* what, bool optional) {
      index_t const n = static_cast<index_t>(s.size());
      if (n != channels && !(optional && n == 0))
        throw_error(errc::bad_shape, std::string(who) + ": " + what + " has " + std::to_string(n) +
                                         " elements, there are " + std::to_string(channels) +
                                         " channels");
    };
    length(mean, "mean", false), length(variance, "variance", false);
    length(scale, "scale", true), length(shift, "shift", true);
    for (f32 const v : variance)
      if (!(v + epsilon > 0))
        throw_error(errc::bad_parameter, std::string(who) + ": a variance of " +
                                             detail::number_text(v) + " with epsilon " +
                                             detail::number_text(epsilon) + " has no inverse root");
  }
  double factor(index_t c) const noexcept {
    std::size_t const i = static_cast<std::size_t>(c);
    double const root =
        __builtin_sqrt(static_cast<double>(variance[i]) + static_cast<double>(epsilon));
    return (scale.empty() ? 1.0 : static_cast<double>(scale[i])) / root;
  }
  /// What `value` becomes, as a channel's bias.
  double offset(index_t c, double value) const noexcept {
    std::size_t const i = static_cast<std::size_t>(c);
    return (value - static_cast<double>(mean[i])) * factor(c) +
           (shift.empty() ? 0.0 : static_cast<double>(shift[i]));
  }
};

/// y = activation(x a + b) over [pixels][channels]. Errors at construction: errc::bad_shape,
/// errc::bad_parameter (batch_norm_parameters::check), errc::unsupported_isa.
template <isa::tag I> class batch_norm {
  using V = vec<f32, I>;

public:
  explicit batch_norm(batch_norm_parameters const& p)
      : channels_(static_cast<index_t>(p.mean.size())) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (channels_ < 1) throw_error(errc::bad_shape, "batch_norm: there are no channels");
    p.check("batch_norm", channels_);
    a_ = aligned_array<f32>(channels_), b_ = aligned_array<f32>(channels_);
    for (index_t c = 0; c < channels_; ++c) {
      a_[c] = static_cast<f32>(p.factor(c));
      b_[c] = static_cast<f32>(p.offset(c, 0.0));
    }
  }

  index_t channels() const noexcept { return channels_; }
  f32 const* factors() const noexcept { return a_.data(); }
  f32 const* offsets() const noexcept { return b_.data(); }

  /// src and dst [pixels][channels]; dst may be src.
  template <class Activation, executor E = sequential>
    requires activation_for<Activation, V>
  void run(index_t pixels, f32 const* src, f32* dst, Activation const& f, E&& e = {}) const noexcept {
    parallel_blocks(e, pixels, ceil_div(8192, channels_), [&](index_t begin, index_t end, int) {
      for (index_t p = begin; p < end; ++p) one(src + p * channels_, dst + p * channels_, f);
    });
  }
  /// Without an activation.
  template <executor E = sequential>
  void run(index_t pixels, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    run(pixels, src, dst, activation::identity{}, e);
  }

private:
  template <class F> IA_NN_INLINE void one(f32 const* src, f32* dst, F const& f) const noexcept {
    f32 const *const a = a_.data(), *const b = b_.data();
    detail::each_register<V>(0, channels_, [&](index_t c, auto at) IA_NN_LAMBDA {
      V const x = at.template load<V>(src + c);
      at.store(f(fma(x, at.template load<V>(a + c), at.template load<V>(b + c))), dst + c);
    });
  }

  index_t channels_;
  aligned_array<f32> a_, b_;
};

/// Changes weights and bias [filters] of a linear layer so that it computes what batch_norm would
/// make of its result. Weight i belongs to filter filter_of(i), as many to each. Errors:
/// errc::bad_shape, errc::bad_parameter; then nothing has been changed.
template <class F>
void fold_batch_norm(std::span<f32> weights, std::span<f32> bias, batch_norm_parameters const& p,
                     F const& filter_of) {
  index_t const filters = static_cast<index_t>(bias.size());
  if (filters == 0 || weights.size() % bias.size() != 0)
    throw_error(errc::bad_shape, "fold_batch_norm: " + std::to_string(weights.size()) +
                                     " weights are not the same number for each of " +
                                     std::to_string(filters) + " filters");
  p.check("fold_batch_norm", filters);
  std::vector<double> factors(bias.size());
  for (std::size_t f = 0; f < factors.size(); ++f) factors[f] = p.factor(static_cast<index_t>(f));
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] =
        static_cast<f32>(static_cast<double>(weights[i]) *
                         factors[static_cast<std::size_t>(filter_of(static_cast<index_t>(i)))]);
  for (std::size_t f = 0; f < bias.size(); ++f)
    bias[f] = static_cast<f32>(p.offset(static_cast<index_t>(f), static_cast<double>(bias[f])));
}
/// Weights [filters][...].
inline void fold_batch_norm(std::span<f32> weights, std::span<f32> bias,
                            batch_norm_parameters const& p) {
  index_t const each =
      bias.empty() ? 1 : max_of(1, static_cast<index_t>(weights.size() / bias.size()));
  fold_batch_norm(weights, bias, p, [&](index_t i) { return i / each; });
}

IA_NN_END
