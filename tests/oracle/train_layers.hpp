// SPDX-License-Identifier: Apache-2.0
//
// Forward passes in double of the layers that are not products: pooling, batch normalisation,
// cross-entropy. Channels last.
#pragma once

#include "train.hpp"

#include <ia_nn/ops/window.hpp>

#include <limits>

namespace ia_nn_test {

using ia_nn::spatial;
using ia_nn::window;

/// f(output pixel, input pixel) for each element that a window sees; input -1: in the padding, -2:
/// beyond the padding, where ceil mode may reach.
template <class F>
void each_window_element(spatial const& in, window const& w, spatial const& out, F&& f) {
  for (index_t o = 0; o < out.size(); ++o)
    for (index_t q = 0; q < w.kernel.size(); ++q) {
      spatial const at_out{o / out.width / out.height, o / out.width % out.height, o % out.width};
      spatial const tap{q / w.kernel.width / w.kernel.height, q / w.kernel.width % w.kernel.height,
                        q % w.kernel.width};
      index_t pixel = 0;
      for (int d = 0; d < 3; ++d) {
        index_t const p = at_out[d] * w.stride[d] - w.pad_begin[d] + tap[d] * w.dilation[d];
        if (p >= in[d] + w.pad_end[d]) pixel = -2;
        else if ((p < 0 || p >= in[d]) && pixel >= 0) pixel = -1;
        else if (pixel >= 0) pixel = pixel * in[d] + p;
      }
      f(o, pixel);
    }
}

/// Averages of x (batch, in, channels).
inline doubles average_pool(spatial const& in, window const& w, spatial const& out, index_t batch,
                            index_t channels, bool count_padding, doubles const& x) {
  doubles total(at(batch * out.size() * channels)), count(at(out.size()));
  each_window_element(in, w, out, [&](index_t o, index_t i) {
    if (i >= 0 || (i == -1 && count_padding)) ++count[at(o)];
    if (i < 0) return;
    for (index_t n = 0; n < batch; ++n)
      for (index_t c = 0; c < channels; ++c)
        total[at((n * out.size() + o) * channels + c)] += x[at((n * in.size() + i) * channels + c)];
  });
  for (std::size_t i = 0; i < total.size(); ++i)
    total[i] /= count[i / at(channels) % at(out.size())];
  return total;
}

/// Maxima of x, and where each was found first (-1: nowhere).
struct max_pooled {
  doubles y;
  std::vector<s32> index;

  max_pooled(spatial const& in, window const& w, spatial const& out, index_t batch,
             index_t channels, doubles const& x)
      : y(at(batch * out.size() * channels), -std::numeric_limits<double>::infinity()),
        index(y.size(), -1) {
    each_window_element(in, w, out, [&](index_t o, index_t i) {
      if (i < 0) return;
      for (index_t n = 0; n < batch; ++n)
        for (index_t c = 0; c < channels; ++c) {
          std::size_t const to = at((n * out.size() + o) * channels + c);
          double const value = x[at((n * in.size() + i) * channels + c)];
          if (index[to] < 0 || value > y[to]) y[to] = value, index[to] = static_cast<s32>(i);
        }
    });
    for (double& v : y)
      if (v < -1e300) v = 0; // a window of padding alone: no gradient
  }
};

struct normalised {
  doubles y, mean, variance;

  normalised(index_t rows, index_t channels, double epsilon, doubles const& x, doubles const& gamma,
             doubles const& beta)
      : y(x.size()), mean(at(channels)), variance(at(channels)) {
    auto const n = static_cast<double>(rows);
    auto const channel = [&](std::size_t i) { return i % at(channels); };
    for (std::size_t i = 0; i < x.size(); ++i) mean[channel(i)] += x[i] / n;
    for (std::size_t i = 0; i < x.size(); ++i) {
      double const d = x[i] - mean[channel(i)];
      variance[channel(i)] += d * d / n;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::size_t const c = channel(i);
      y[i] = gamma[c] * (x[i] - mean[c]) / std::sqrt(variance[c] + epsilon) + beta[c];
    }
  }
};

/// Weighted losses of the rows of x (rows, classes), and the sum of their weights. A label below 0
/// is ignored.
struct row_losses {
  doubles loss, log_p;
  double weights = 0;

  row_losses(index_t classes, doubles const& x, std::vector<s32> const& labels,
             doubles const& class_weights, bool log_probabilities)
      : loss(labels.size()), log_p(x) {
    for (std::size_t r = 0; r < labels.size(); ++r) {
      double* const row = log_p.data() + r * at(classes);
      if (!log_probabilities) {
        double const most = *std::max_element(row, row + classes);
        double sum = 0;
        for (index_t j = 0; j < classes; ++j) sum += std::exp(row[j] - most);
        for (index_t j = 0; j < classes; ++j) row[j] -= most + std::log(sum);
      }
      if (labels[r] < 0) continue;
      double const w = class_weights.empty() ? 1 : class_weights[at(labels[r])];
      weights += w;
      loss[r] = -w * row[labels[r]];
    }
  }
  double total() const {
    double s = 0;
    for (double const l : loss) s += l;
    return s;
  }
};

} // namespace ia_nn_test
