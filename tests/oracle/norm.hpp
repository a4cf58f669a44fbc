// SPDX-License-Identifier: Apache-2.0
//
// Normalizations and softmax in double, by their formulas.
#pragma once

#include <ia_nn/core/types.hpp>

#include <cmath>
#include <vector>

namespace ia_nn_test {

using ia_nn::f32;
using ia_nn::index_t;

struct mean_and_variance {
  double mean = 0, variance = 0;
};

/// Of get(0) ... get(n - 1).
template <class Get> mean_and_variance moments_reference(index_t n, Get&& get) {
  mean_and_variance m;
  for (index_t i = 0; i < n; ++i) m.mean += get(i) / static_cast<double>(n);
  for (index_t i = 0; i < n; ++i)
    m.variance += (get(i) - m.mean) * (get(i) - m.mean) / static_cast<double>(n);
  return m;
}

/// One pixel of `channels`: x[c] (bias + alpha / size * sum of squares)^-beta.
/// An even size has one more channel in front of c, or behind it.
inline std::vector<double> lrn_reference(f32 const* x, index_t channels, index_t size, double alpha,
                                         double beta, double bias, bool more_behind) {
  std::vector<double> y;
  for (index_t c = 0; c < channels; ++c) {
    double squares = 0;
    index_t const small = (size - 1) / 2, large = size / 2;
    index_t const from = c - (more_behind ? small : large), to = c + (more_behind ? large : small);
    for (index_t j = from; j <= to; ++j)
      if (j >= 0 && j < channels) squares += static_cast<double>(x[j]) * static_cast<double>(x[j]);
    y.push_back(static_cast<double>(x[c]) *
                std::pow(bias + alpha / static_cast<double>(size) * squares, -beta));
  }
  return y;
}

/// softmax of get(0) ... get(n - 1), or its logarithm. Infinities as ops/softmax.hpp says.
template <class Get> std::vector<double> softmax_reference(index_t n, Get&& get, bool logarithm) {
  double highest = -HUGE_VAL, total = 0;
  bool nan = false;
  for (index_t i = 0; i < n; ++i) {
    nan = nan || std::isnan(get(i));
    highest = get(i) > highest ? get(i) : highest;
  }
  std::vector<double> y;
  for (index_t i = 0; i < n; ++i) y.push_back(get(i) == highest ? 0 : get(i) - highest);
  for (double const d : y) total += std::exp(d);
  for (double& d : y) d = nan ? NAN : logarithm ? d - std::log(total) : std::exp(d) / total;
  return y;
}

} // namespace ia_nn_test
