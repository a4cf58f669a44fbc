// SPDX-License-Identifier: Apache-2.0
//
// Convolution by its definition, one sum after the other.
#pragma once

#include <ia_nn/ops/window.hpp>

#include <vector>

namespace ia_nn_test::oracle {

using ia_nn::index_t;

/// dst [batch][out][filters] of src [batch][in][channels] and weights
/// [filters][channels / groups][kernel]: sums in Acc of (src - zero_point) * weights.
template <class Acc, class A, class B>
std::vector<Acc> conv(ia_nn::conv_shape const& s, index_t batch, A const* src, B const* weights,
                      Acc zero_point = 0) {
  ia_nn::spatial const out = s.out(), in = s.in, kernel = s.win.kernel;
  index_t const channels = s.group_channels(), filters = s.group_filters();
  std::vector<Acc> dst(static_cast<std::size_t>(batch * out.size() * s.filters));
  auto const at = [&](int d, index_t o, index_t i) {
    return o * s.win.stride[d] - s.win.pad_begin[d] + i * s.win.dilation[d];
  };
  std::size_t next = 0;
  for (index_t n = 0; n < batch; ++n)
    for (index_t d = 0; d < out.depth; ++d)
      for (index_t h = 0; h < out.height; ++h)
        for (index_t w = 0; w < out.width; ++w)
          for (index_t f = 0; f < s.filters; ++f) {
            Acc sum = 0;
            for (index_t i = 0; i < kernel.depth; ++i)
              for (index_t j = 0; j < kernel.height; ++j)
                for (index_t k = 0; k < kernel.width; ++k) {
                  index_t const z = at(0, d, i), y = at(1, h, j), x = at(2, w, k);
                  if (z < 0 || z >= in.depth || y < 0 || y >= in.height || x < 0 || x >= in.width)
                    continue;
                  A const* const a =
                      src + (((n * in.depth + z) * in.height + y) * in.width + x) * s.channels +
                      f / filters * channels;
                  B const* const b = weights + f * channels * kernel.size() +
                                     (i * kernel.height + j) * kernel.width + k;
                  for (index_t c = 0; c < channels; ++c)
                    sum += (static_cast<Acc>(a[c]) - zero_point) *
                           static_cast<Acc>(b[c * kernel.size()]);
                }
            dst[next++] = sum;
          }
  return dst;
}

} // namespace ia_nn_test::oracle
