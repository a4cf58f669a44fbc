// SPDX-License-Identifier: Apache-2.0
//
// A seeded generator writes networks.
#pragma once

#include <ia_nn/graph/layers.hpp>

#include <array>

namespace graph_test {

using namespace ia_nn::graph;
using ia_nn::index_t;

struct generator {
  std::uint64_t state;
  constexpr int below(int n) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int>((state >> 33) % static_cast<std::uint64_t>(n));
  }
};

constexpr std::array<value, 2> random_network(builder& b, std::uint64_t seed) {
  generator g{seed * 0x9e3779b97f4a7c15U + 1};
  for (int i = 0; i < 8; ++i) static_cast<void>(g.below(2));
  layout const outside = seed % 3 == 0 ? layout::channels_first : layout::channels_last;
  value all[20]{input(b, "x", {any_batch, 6, 5, 4}, {.layout = outside})};
  int count = 1;
  auto const any = [&] { // rather a new one than an old one
    int const back = g.below(count < 4 ? count : 4);
    return all[count - 1 - back];
  };
  auto const alike = [&](value x) { // a value of the same shape, x itself at worst
    for (int tries = 0; tries < 6; ++tries)
      if (value const y = all[g.below(count)]; y.shape() == x.shape()) return y;
    return x;
  };
  all[count++] = conv2d(all[0], {.filters = 4, .kernel = 3, .pad = 1});
  while (count < 14) {
    value const x = any();
    value y;
    auto const learned = [&](value like, dims const& shape) {
      return parameter(like, {.shape = shape, .name = ia_nn::graph::label("p") + b.net.count()});
    };
    switch (g.below(28)) {
    case 0:
      y = conv2d(x, {.filters = 4, .kernel = 3, .pad = 1});
      break;
    case 1:
      y = conv2d(x, {.filters = 4 + 3 * g.below(2), .bias = g.below(2) == 0});
      break;
    case 2:
      y = depthwise_conv2d(x, {.kernel = 3, .pad = 1});
      break;
    case 3:
      y = dense(x, {.units = 4});
      break;
    case 4:
    case 5:
      y = batch_norm(x, {.affine = g.below(2) == 0});
      break;
    case 6:
    case 7:
      y = x + alike(x);
      break;
    case 8:
      y = g.below(2) ? alike(x) - x : x * sigmoid(alike(x));
      break;
    case 9:
    case 10:
      y = relu(x);
      break;
    case 11:
      y = g.below(2) ? tanh(x) : gelu(x) * 0.5F;
      break;
    case 12:
      y = max_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
      break;
    case 13:
      y = average_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
      break;
    case 14:
      if (value const z = any(); z.shape()[1] == x.shape()[1] && z.shape()[2] == x.shape()[2])
        y = concat({x, z});
      break;
    case 15:
      y = g.below(2) ? softmax(dropout(x)) : relu6(identity(x));
      break;
    case 16:
      y = deconv2d(x, {.filters = 4, .kernel = 3, .pad = 1});
      break;
    case 17: // the large epsilon keeps what is nearly constant from being blown up
      y = group_norm(x, {.groups = x.shape().last() % 2 == 0 ? 2 : 1, .epsilon = 0.5F});
      break;
    case 18:
      y = conv2d(pad(x, {.begin = {1, 1}, .value = g.below(2) ? 0.0F : 0.5F}),
                 {.filters = 4, .kernel = 3});
      break;
    case 19:
      y = transpose(x, {2, 1, 3});
      break;
    case 20:
      if (index_t const c = x.shape().last(); g.below(2))
        y = channel_shuffle(x, {.groups = c % 2 == 0 ? 2 : c % 3 == 0 ? 3 : 1});
      else y = slice(x, {.begin = -1, .step = -1}); // channels backwards
      break;
    case 21:
    case 22:
    case 23: { // columns and back: what takes PyTorch's order, and what must be transposed
      auto const flat = [&](value v) {
        bool const first = g.below(4) > 0, known = b.net[v.id].meaning != meaning::either;
        return flatten(v, {.order = known && first ? order::of_value
                                    : first        ? order::channels_first
                                                   : order::channels_last});
      };
      value v = flat(x);
      for (int i = g.below(4); i > 0; --i) {
        int const what = g.below(7);
        bool const like_x = v.shape().last() == x.shape().item();
        v = what == 0             ? relu(v)
            : what == 1           ? batch_norm(v)
            : what == 2 && like_x ? v * sigmoid(flat(alike(x)))
            : what == 3           ? concat({v, tanh(flat(any()))})
            : what == 4           ? softmax(v) * 9.0F
            : what == 5           ? v - learned(v, {v.shape().last()})
                                  : dense(v, {.units = v.shape().last()});
      }
      if (g.below(4) == 0) v = slice(v, {.end = 90});
      index_t const channels = 2 + g.below(3);
      v = dense(v, {.units = 30 * channels});
      if (g.below(2)) v = tanh(batch_norm(v));
      y = reshape(v, {6, 5, channels});
      break;
    }
    case 24:
    case 25: { // a learned row, item, column or number, or a part of a concat
      index_t const height = x.shape()[1], width = x.shape()[2], c = x.shape().last();
      int const what = g.below(6), sum = g.below(3);
      value const p = learned(x, what < 2    ? dims{c}
                                 : what == 2 ? dims{height, width, 1}
                                 : what == 3 ? dims{1}
                                             : dims{height, width, c});
      y = what == 5        ? concat({x, p}, {.axis = 1 + g.below(3)})
          : sum == 0       ? x * p + x
          : sum == 1       ? p - x
                           : relu(p + x);
      if (what == 5) y = slice(slice(y, {.axis = 1, .begin = -height}), {.axis = 2, .begin = -width});
      break;
    }
    default: { // a factor for each channel, or for each pixel
      value const each = reshape(sigmoid(global_average_pool(x)), {1, 1, -1});
      y = g.below(2) ? x * each : maximum(x, slice(x, {.end = 1}));
      break;
    }
    }
    if (y.id >= 0 && y.shape().last() <= 40) all[count++] = y;
  }
  return {all[count - 1], all[count - 2 - g.below(3)]};
}

} // namespace graph_test
