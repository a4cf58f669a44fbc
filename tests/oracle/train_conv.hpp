// SPDX-License-Identifier: Apache-2.0
//
// Convolution and its gradients by their definition, in double, channels last.
#pragma once

#include "train.hpp"

#include <ia_nn/ops/deconv.hpp>

namespace ia_nn_test {

using ia_nn::conv_shape;
using ia_nn::deconv_shape;
using ia_nn::spatial;

/// f(src element, dst element, weight element) for each product that the convolution adds up; dst
/// element / filters is the output pixel, dst element % filters the filter.
template <class F> void each_conv_product(conv_shape const& s, index_t batch, F&& f) {
  spatial const in = s.in, out = s.out(), k = s.win.kernel;
  auto const place = [&](int d, index_t o, index_t i) {
    index_t const p = o * s.win.stride[d] - s.win.pad_begin[d] + i * s.win.dilation[d];
    return p >= 0 && p < in[d] ? p : index_t{-1};
  };
  index_t const gc = s.group_channels(), gf = s.group_filters();
  for (index_t n = 0; n < batch; ++n)
    for (index_t o = 0; o < out.size(); ++o) {
      index_t const ox = o % out.width, oy = o / out.width % out.height;
      index_t const oz = o / out.width / out.height;
      for (index_t q = 0; q < k.size(); ++q) {
        index_t const x = place(2, ox, q % k.width), y = place(1, oy, q / k.width % k.height);
        index_t const z = place(0, oz, q / k.width / k.height);
        if (x < 0 || y < 0 || z < 0) continue;
        index_t const pixel = (n * in.size()) + (z * in.height + y) * in.width + x;
        for (index_t filter = 0; filter < s.filters; ++filter)
          for (index_t c = 0; c < gc; ++c)
            f(pixel * s.channels + filter / gf * gc + c, (n * out.size() + o) * s.filters + filter,
              (filter * gc + c) * k.size() + q);
      }
    }
}

inline doubles convolved(conv_shape const& s, index_t batch, doubles const& src,
                            doubles const& weights, doubles const& bias) {
  doubles dst(at(batch * s.out().size() * s.filters));
  for (std::size_t i = 0; i < dst.size(); ++i) dst[i] = bias[i % at(s.filters)];
  each_conv_product(s, batch, [&](index_t i, index_t o, index_t w) {
    dst[at(o)] += src[at(i)] * weights[at(w)];
  });
  return dst;
}

struct conv_gradients {
  sums src, weights, bias;

  conv_gradients(conv_shape const& s, index_t batch, doubles const& x, doubles const& w,
                 doubles const& diff_dst)
      : src(batch * s.in.size() * s.channels), weights(s.weights()), bias(s.filters) {
    each_conv_product(s, batch, [&](index_t i, index_t o, index_t k) {
      src.add(i, diff_dst[at(o)] * w[at(k)]);
      weights.add(k, diff_dst[at(o)] * x[at(i)]);
    });
    for (std::size_t o = 0; o < diff_dst.size(); ++o)
      bias.add(static_cast<index_t>(o) % s.filters, diff_dst[o]);
  }
};

/// f(src element, dst element, weight element) for each product that a transposed convolution adds up.
/// Weights are [channels][filters / groups][taps].
template <class F> void each_deconv_product(deconv_shape const& s, index_t batch, F&& f) {
  spatial const in = s.in, out = s.out(), k = s.win.kernel;
  index_t const gc = s.channels / s.groups, gf = s.filters / s.groups;
  auto const place = [&](int d, index_t i, index_t t) {
    index_t const p = i * s.win.stride[d] - s.win.pad_begin[d] + t * s.win.dilation[d];
    return p >= 0 && p < out[d] ? p : index_t{-1};
  };
  for (index_t n = 0; n < batch; ++n)
    for (index_t i = 0; i < in.size(); ++i)
      for (index_t q = 0; q < k.size(); ++q) {
        index_t const x = place(2, i % in.width, q % k.width);
        index_t const y = place(1, i / in.width % in.height, q / k.width % k.height);
        index_t const z = place(0, i / in.width / in.height, q / k.width / k.height);
        if (x < 0 || y < 0 || z < 0) continue;
        index_t const to = (n * out.size() + (z * out.height + y) * out.width + x) * s.filters;
        for (index_t c = 0; c < s.channels; ++c)
          for (index_t g = 0; g < gf; ++g)
            f((n * in.size() + i) * s.channels + c, to + c / gc * gf + g, (c * gf + g) * k.size() + q);
      }
}

inline doubles deconvolved(deconv_shape const& s, index_t batch, doubles const& src,
                              doubles const& weights, doubles const& bias) {
  doubles dst(at(batch * s.out().size() * s.filters));
  for (std::size_t i = 0; i < dst.size(); ++i) dst[i] = bias[i % at(s.filters)];
  each_deconv_product(s, batch, [&](index_t i, index_t o, index_t w) {
    dst[at(o)] += src[at(i)] * weights[at(w)];
  });
  return dst;
}

struct deconv_gradients {
  sums src, weights, bias;

  deconv_gradients(deconv_shape const& s, index_t batch, doubles const& x, doubles const& w,
                   doubles const& diff_dst)
      : src(batch * s.in.size() * s.channels), weights(s.weights()), bias(s.filters) {
    each_deconv_product(s, batch, [&](index_t i, index_t o, index_t k) {
      src.add(i, diff_dst[at(o)] * w[at(k)]);
      weights.add(k, diff_dst[at(o)] * x[at(i)]);
    });
    for (std::size_t o = 0; o < diff_dst.size(); ++o)
      bias.add(static_cast<index_t>(o) % s.filters, diff_dst[o]);
  }
};

} // namespace ia_nn_test
