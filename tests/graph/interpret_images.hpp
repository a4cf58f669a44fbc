// SPDX-License-Identifier: Apache-2.0
//
// Oracles of what resizes images, shuffles pixels, selects, and adds up: in double.
#pragma once

#include "interpret_layers.hpp"

#include <ia_nn/graph/layers/resize.hpp>
#include <ia_nn/graph/layers/select.hpp>

namespace ia_nn_test {

/// Where an element of a resized axis is read, by the definition of ONNX' operator.
inline double resize_place(graph::node const& n, int d, index_t o, index_t in, index_t out) {
  double const f = n.attributes.factors[d] > 0 ? static_cast<double>(n.attributes.factors[d])
                                               : static_cast<double>(out) / static_cast<double>(in);
  double const x = static_cast<double>(o);
  switch (n.attributes.places) {
  case ia_nn::resize_places::half_pixel: return (x + 0.5) / f - 0.5;
  case ia_nn::resize_places::align_corners: return out == 1 ? 0 : x * static_cast<double>(in - 1) / static_cast<double>(out - 1);
  default: return x / f;
  }
}
inline void interpret_resize(graph::node const& n, graph::dims const& in_shape, std::vector<double> const& x,
                             std::vector<double>& y) {
  ia_nn::spatial const in = graph::detail::image_of(in_shape), out = graph::detail::image_of(n.shape);
  index_t const channels = n.shape.last();
  bool const nearest = n.kind == graph::op::resize_nearest;
  for (std::size_t i = 0; i < y.size(); ++i) {
    index_t const c = static_cast<index_t>(i) % channels, p = static_cast<index_t>(i) / channels;
    index_t const o[3] = {p / (out.height * out.width) % out.depth, p / out.width % out.height, p % out.width};
    double sum = 0;
    for (int corner = 0; corner < 8; ++corner) {
      double weight = 1;
      index_t pixel = p / out.size();
      for (int d = 0; d < 3; ++d) {
        double const at = resize_place(n, d, o[d], in[d], out[d]);
        bool const right = (corner >> d & 1) != 0;
        index_t from;
        if (nearest) {
          ia_nn::resize_rounding const how = n.attributes.rounding;
          from = static_cast<index_t>(how == ia_nn::resize_rounding::half_down ? std::ceil(at - 0.5)
                                      : how == ia_nn::resize_rounding::half_up ? std::floor(at + 0.5)
                                      : how == ia_nn::resize_rounding::down    ? std::floor(at)
                                                                               : std::ceil(at));
          weight *= right ? 0 : 1;
        } else {
          double const inside = std::fmin(std::fmax(at, 0), static_cast<double>(in[d] - 1)), low = std::floor(inside);
          from = static_cast<index_t>(low) + (right ? 1 : 0);
          weight *= right ? inside - low : 1 - (inside - low);
        }
        pixel = pixel * in[d] + std::min(std::max<index_t>(from, 0), in[d] - 1);
      }
      if (weight > 0) sum += weight * x[static_cast<std::size_t>(pixel * channels + c)];
    }
    y[i] = sum;
  }
}
/// Channel and pixel of the image with few channels belong to one of the other.
inline void interpret_shuffle(graph::node const& n, graph::dims const& in, std::vector<double> const& x,
                              std::vector<double>& y) {
  bool const back = n.kind == graph::op::pixel_unshuffle;
  graph::dims const &few = back ? in : n.shape, &many = back ? n.shape : in;
  index_t const b = n.attributes.block, channels = few[3];
  for (std::size_t i = 0; i < y.size(); ++i) { // elements of the one with few channels
    index_t rest = static_cast<index_t>(i);
    index_t const c = rest % channels, w = (rest /= channels) % few[2], h = (rest /= few[2]) % few[1], item = rest / few[1];
    index_t const block = h % b * b + w % b;
    index_t const channel = n.attributes.shuffled == ia_nn::shuffle_order::column_row_depth ? c * b * b + block : block * channels + c;
    std::size_t const other = element_at(many, {item, h / b, w / b, channel, 0});
    if (back) y[other] = x[i];
    else y[i] = x[other];
  }
}
/// x holds for the three operands.
template <class Element> void interpret_where(graph::node const& n, Element const& element, std::vector<double>& y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    double const x = element(0, static_cast<index_t>(i)), number = static_cast<double>(n.attributes.number);
    bool holds = false;
    switch (n.attributes.is) {
    case ia_nn::comparison::not_equal: holds = x != number; break;
    case ia_nn::comparison::equal: holds = x == number; break;
    case ia_nn::comparison::less: holds = x < number; break;
    case ia_nn::comparison::less_equal: holds = x <= number; break;
    case ia_nn::comparison::greater: holds = x > number; break;
    case ia_nn::comparison::greater_equal: holds = x >= number; break;
    }
    y[i] = element(holds ? 1 : 2, static_cast<index_t>(i));
  }
}
inline void interpret_cumulative_sum(graph::node const& n, std::vector<double> const& x, std::vector<double>& y) {
  index_t inner = 1, count = n.shape[n.attributes.axis];
  for (int d = n.attributes.axis + 1; d < n.shape.rank; ++d) inner *= n.shape[d];
  for (std::size_t i = 0; i < y.size(); ++i) {
    index_t const at = static_cast<index_t>(i), own = at / inner % count;
    y[i] = 0;
    for (index_t j = 0; j < count; ++j) {
      bool const before = n.attributes.backwards ? j > own : j < own;
      if (before || (j == own && !n.attributes.exclusive)) y[i] += x[static_cast<std::size_t>(at + (j - own) * inner)];
    }
  }
}

} // namespace ia_nn_test
