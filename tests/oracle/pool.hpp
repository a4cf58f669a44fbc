// SPDX-License-Identifier: Apache-2.0
//
// Pooling by its definition: for each element of the result, lists of what it takes along each
// axis, and loops over them.
#pragma once

#include <ia_nn/ops/pool.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace ia_nn_test {

/// What one element of a result is made of.
struct pooled {
  double highest = -std::numeric_limits<double>::infinity();
  double sum = 0, magnitude = 0; ///< of the taps in the image; of their absolute values
  ia_nn::index_t taps = 0;       ///< in the image
  ia_nn::index_t counted = 0;    ///< in the image and its padding
  ia_nn::index_t place = -1;     ///< pixel of the first of the highest
};

/// Elements of an axis, in order; -1 for one that lies in the padding.
using axis_taps = std::vector<ia_nn::index_t>;

inline axis_taps window_taps(ia_nn::window const& w, ia_nn::spatial const& in, int d,
                             ia_nn::index_t o) {
  axis_taps taps;
  for (ia_nn::index_t i = 0; i < w.kernel[d]; ++i) {
    ia_nn::index_t const at = o * w.stride[d] - w.pad_begin[d] + i * w.dilation[d];
    if (at >= in[d] + w.pad_end[d]) continue; // beyond the padding, or cut off
    taps.push_back(at >= 0 && at < in[d] ? at : -1);
  }
  return taps;
}
inline axis_taps adaptive_taps(ia_nn::index_t in, ia_nn::index_t out, ia_nn::index_t o) {
  axis_taps taps;
  double const start = std::floor(static_cast<double>(o * in) / static_cast<double>(out));
  double const end = std::ceil(static_cast<double>((o + 1) * in) / static_cast<double>(out));
  for (double at = start; at < end; ++at) taps.push_back(static_cast<ia_nn::index_t>(at));
  return taps;
}

/// One channel of one image, `src` its first element, `channels` elements from pixel to pixel.
template <class T>
pooled pool_one(T const* src, ia_nn::index_t channels, ia_nn::spatial const& in,
                axis_taps const& zs, axis_taps const& ys, axis_taps const& xs) {
  pooled p;
  for (ia_nn::index_t const z : zs)
    for (ia_nn::index_t const y : ys)
      for (ia_nn::index_t const x : xs) {
        ++p.counted;
        if (z < 0 || y < 0 || x < 0) continue;
        ++p.taps;
        ia_nn::index_t const pixel = (z * in.height + y) * in.width + x;
        double const v = static_cast<double>(src[pixel * channels]);
        p.sum += v;
        p.magnitude += std::abs(v);
        bool const first_nan = std::isnan(v) && !std::isnan(p.highest);
        if (p.place < 0 || v > p.highest || first_nan) p.highest = v, p.place = pixel;
      }
  return p;
}

/// Images of `batch` x `in` x `channels`; `taps(d, o)` lists what element o of axis d takes.
template <class T, class Taps>
std::vector<pooled> pool_reference(ia_nn::index_t batch, ia_nn::index_t channels,
                                   ia_nn::spatial const& in, ia_nn::spatial const& out,
                                   T const* src, Taps&& taps) {
  std::vector<pooled> result;
  std::vector<axis_taps> of[3];
  for (int d = 0; d < 3; ++d)
    for (ia_nn::index_t o = 0; o < out[d]; ++o) of[d].push_back(taps(d, o));
  for (ia_nn::index_t b = 0; b < batch; ++b)
    for (axis_taps const& z : of[0])
      for (axis_taps const& y : of[1])
        for (axis_taps const& x : of[2])
          for (ia_nn::index_t c = 0; c < channels; ++c)
            result.push_back(pool_one(src + b * in.size() * channels + c, channels, in, z, y, x));
  return result;
}

/// The average as u8 or s8: see ops/pool.hpp. Padding is the zero point, so that it adds nothing.
template <class T> T rounded_average(pooled const& p, ia_nn::index_t count, int zero) {
  float const scale = count > 0 ? static_cast<float>(1.0 / static_cast<double>(count)) : 0.0F;
  float const mean = static_cast<float>(p.sum - static_cast<double>(p.taps) * zero) * scale;
  double const lo = std::numeric_limits<T>::min(), hi = std::numeric_limits<T>::max();
  double const q = std::nearbyint(static_cast<double>(mean)) + zero;
  return static_cast<T>(std::min(hi, std::max(lo, q)));
}

} // namespace ia_nn_test
