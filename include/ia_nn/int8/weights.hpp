// SPDX-License-Identifier: Apache-2.0
//
// f32 weights as s8 with a scale per filter, and biases as s32 in units of the sums.
//
//   scale[c]   max |w[c]| / 127; / 64 in the reduced range
//   w[c][i]    saturate(round(w / scale[c])) in [-127, 127] or [-64, 64]
//   bias[c]    round(bias / (data_scale * scale[c]))       in double
//
// A bias that is large beside its filter's weights would not fit s32: the filter's scale is widened
// until |bias[c]| <= 2^30, so that 2^30 are left for the sum of products. A filter of zeros (what
// pruning leaves) takes the scale of its bias in the same way, and so keeps it; 1 without a bias.
#pragma once

#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <cmath>
#include <cstdlib>
#include <span>
#include <vector>

#include <ia_nn/begin.hpp>

/// Weights [filters][each] with their scales and biases, ready for quantized_dense and
/// quantized_conv.
struct quantized_weights {
  aligned_array<s8> values; ///< [filters][each]
  aligned_array<f32> scales;
  aligned_array<s32> bias; ///< in units of data_scale * scales[c]; zeros if there is none
  index_t filters = 0, each = 0;
  f32 data_scale = 0; ///< of the data that the biases were quantized for; 0 if there are none
  /// One per filter: a weight is scales[c] * (values - zero_points[c]). Empty if all are 0.
  aligned_array<s32> zero_points{};

  s32 zero_point(index_t c) const noexcept { return zero_points.size() ? zero_points[c] : 0; }
  std::span<s32 const> zeros() const noexcept {
    return {zero_points.data(), static_cast<std::size_t>(zero_points.size())};
  }
};

namespace detail {

inline constexpr double most_bias = 1 << 30;

// Of a filter that is nothing but a bias: the factor of its sums, scale * scale(src) / scale(dst),
// must not vanish because the bias is tiny.
inline constexpr f32 smallest_bias_scale = 0x1p-64F;

inline aligned_array<s32> copy_of(aligned_array<s32> const& from) {
  aligned_array<s32> to(from.size());
  for (index_t i = 0; i < from.size(); ++i) to[i] = from[i];
  return to;
}

inline void check_weights(char const* who, std::size_t size, index_t filters, std::size_t bias,
                          f32 data_scale) {
  if (filters < 1 || size == 0 || size % static_cast<std::size_t>(filters) != 0)
    throw_error(errc::bad_shape, std::string(who) + ": " + std::to_string(size) +
                                     " weights cannot be divided among " + std::to_string(filters) +
                                     " filters");
  if (bias != 0 && bias != static_cast<std::size_t>(filters))
    throw_error(errc::bad_shape, std::string(who) + ": " + std::to_string(bias) + " biases for " +
                                     std::to_string(filters) + " filters");
  if (bias != 0) quantization::check_scale(who, data_scale);
}

} // namespace detail

/// Quantizes weights [filters][...]; `bias` is empty or has one value per filter, `data_scale` is
/// that of the layer's input. With `per_tensor` all filters share the widest scale; `range` says how
/// large a weight may become.
///
/// Errors: errc::bad_shape (the filters do not divide the weights, another number of biases),
/// errc::bad_parameter (weights or biases that are NaN or infinite, the scale).
inline quantized_weights quantize_weights(std::span<f32 const> w, index_t filters,
                                          std::span<f32 const> bias = {}, f32 data_scale = 1,
                                          bool per_tensor = false,
                                          weight_range range = weight_range::full) {
  constexpr char const* who = "quantize_weights";
  detail::check_weights(who, w.size(), filters, bias.size(), data_scale);
  auto const at = [](index_t i) { return static_cast<std::size_t>(i); };
  index_t const each = static_cast<index_t>(w.size()) / filters;
  quantized_weights q{aligned_array<s8>(filters * each),
                      aligned_array<f32>(filters),
                      aligned_array<s32>(filters),
                      filters,
                      each,
                      bias.empty() ? 0.0F : data_scale};
  auto const refuse = [&](char const* what, index_t c) {
    throw_error(errc::bad_parameter, std::string(who) + ": " + what + " of filter " +
                                         std::to_string(c) + " is NaN or infinite");
  };
  f32 const most = static_cast<f32>(range);
  f32 widest = 0;
  for (index_t c = 0; c < filters; ++c) {
    f32 largest = 0;
    for (index_t i = 0; i < each; ++i) {
      f32 const x = __builtin_fabsf(w[at(c * each + i)]);
      if (!(x <= 0x1.fffffep127F)) refuse("a weight", c);
      largest = x > largest ? x : largest;
    }
    f32 scale = largest > 0 ? detail::positive_scale(largest / most, largest) : 0;
    if (!bias.empty()) {
      double const b = std::fabs(static_cast<double>(bias[at(c)]));
      if (!(b <= 0x1.fffffep127)) refuse("the bias", c);
      double const least = b / (static_cast<double>(data_scale) * detail::most_bias);
      if (static_cast<double>(scale) < least) {
        if (least > 0x1p127)
          throw_error(errc::bad_parameter,
                      std::string(who) + ": the bias of filter " + std::to_string(c) +
                          " is too large for data of scale " + detail::number_text(data_scale));
        scale = std::nextafter(static_cast<f32>(least), 0x1p127F); // rounded, but not below it
        if (largest == 0 && scale < detail::smallest_bias_scale)
          scale = detail::smallest_bias_scale;
      }
    }
    q.scales[c] = scale > 0 ? scale : 1.0F;
    widest = scale > widest ? scale : widest;
  }
  for (index_t c = 0; c < filters; ++c) {
    if (per_tensor) q.scales[c] = widest > 0 ? widest : 1.0F;
    f32 const s = q.scales[c];
    for (index_t i = 0; i < each; ++i)
      q.values[c * each + i] = static_cast<s8>(std::nearbyint(w[at(c * each + i)] / s));
    if (!bias.empty())
      q.bias[c] = static_cast<s32>(
          std::nearbyint(static_cast<double>(bias[at(c)]) /
                         (static_cast<double>(data_scale) * static_cast<double>(s))));
  }
  return q;
}

namespace detail {

/// Refuses weights whose sums of products with data of type A may leave s32. Errors:
/// errc::bad_parameter.
template <byte_element A>
void check_sums(char const* who, quantized_weights const& w, s32 zero_point) {
  std::int64_t const below = zero_point - lowest_byte<A>, above = highest_byte<A> - zero_point;
  for (index_t c = 0; c < w.filters; ++c) {
    std::int64_t sum = 0;
    for (index_t i = 0; i < w.each; ++i) {
      int const x = w.values[c * w.each + i] - w.zero_point(c);
      sum += x < 0 ? -x : x;
    }
    sum = sum * (below > above ? below : above) + std::abs(std::int64_t{w.bias[c]});
    if (sum > INT32_MAX)
      throw_error(errc::bad_parameter, std::string(who) + ": sums of filter " + std::to_string(c) +
                                           " may reach " + std::to_string(sum) +
                                           ", more than s32 holds");
  }
}

// Zero points of 8-bit weights: where all weights of a filter less its zero point are values of s8,
// they are stored so, and layers need not know.
inline void take_zero_points(quantized_weights& q, std::span<s32 const> zeros) {
  bool kept = false;
  q.zero_points = aligned_array<s32>(q.filters);
  for (index_t c = 0; c < q.filters; ++c) {
    s32 const zero = zeros[zeros.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    s8* const w = q.values.data() + c * q.each;
    bool fits = true;
    for (index_t i = 0; i < q.each; ++i) fits = fits && w[i] - zero >= -128 && w[i] - zero <= 127;
    if (fits)
      for (index_t i = 0; i < q.each; ++i) w[i] = static_cast<s8>(w[i] - zero);
    else q.zero_points[c] = zero;
    kept = kept || !fits;
  }
  if (!kept) q.zero_points = {};
}

template <byte_element Q>
quantized_weights take_weights(std::span<Q const> w, index_t filters, std::span<f32 const> scales,
                               std::span<s32 const> bias, f32 data_scale,
                               std::span<s32 const> zeros) {
  constexpr char const* who = "take_weights";
  constexpr s32 shift = std::same_as<Q, u8> ? 128 : 0; // of u8 to s8
  check_weights(who, w.size(), filters, bias.size(), data_scale);
  auto const one_or_each = [&](std::size_t n, char const* what) {
    if (n != 1 && n != static_cast<std::size_t>(filters))
      throw_error(errc::bad_shape, std::string(who) + ": " + std::to_string(n) + ' ' + what + " for " +
                                       std::to_string(filters) +
                                       " filters: one, or one for each");
  };
  one_or_each(scales.size(), "scales");
  if (!zeros.empty()) one_or_each(zeros.size(), "zero points");
  index_t const each = static_cast<index_t>(w.size()) / filters;
  quantized_weights q{aligned_array<s8>(filters * each),
                      aligned_array<f32>(filters),
                      aligned_array<s32>(filters),
                      filters,
                      each,
                      bias.empty() ? 0.0F : data_scale};
  for (index_t i = 0; i < filters * each; ++i)
    q.values[i] = static_cast<s8>(w[static_cast<std::size_t>(i)] - shift);
  for (index_t c = 0; c < filters; ++c) {
    q.scales[c] = scales[scales.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    quantization::check_scale(who, q.scales[c]);
    if (!bias.empty()) q.bias[c] = bias[static_cast<std::size_t>(c)];
  }
  std::vector<s32> shifted(zeros.begin(), zeros.end());
  for (s32& zero : shifted) {
    quantization::check_zero_point<Q>(who, zero);
    zero -= shift;
  }
  if (shift != 0 && shifted.empty()) shifted.push_back(-shift);
  if (!shifted.empty()) take_zero_points(q, shifted);
  return q;
}

} // namespace detail

/// Weights that another tool has quantized: s8 or u8 [filters][each], one scale or one per filter,
/// biases in units of data_scale * scale, zero points: none, one, or one per filter. Errors:
/// errc::bad_shape; errc::bad_parameter (scales, zero points that are no value of the weights' type).
inline quantized_weights take_weights(std::span<s8 const> w, index_t filters,
                                      std::span<f32 const> scales, std::span<s32 const> bias = {},
                                      f32 data_scale = 0, std::span<s32 const> zero_points = {}) {
  return detail::take_weights(w, filters, scales, bias, data_scale, zero_points);
}
inline quantized_weights take_weights(std::span<u8 const> w, index_t filters,
                                      std::span<f32 const> scales, std::span<s32 const> bias = {},
                                      f32 data_scale = 0, std::span<s32 const> zero_points = {}) {
  return detail::take_weights(w, filters, scales, bias, data_scale, zero_points);
}

IA_NN_END
