// SPDX-License-Identifier: Apache-2.0
//
// Convolutions whose gradients are tested: every kind of window, groups, sizes around registers, tiles
// and slices.
#pragma once

#include "oracle/train_conv.hpp"
#include "support.hpp"

#include <ia_nn/train/conv_src.hpp>
#include <ia_nn/train/conv_weights.hpp>

namespace ia_nn_test {

using ia_nn::conv_backward_src;
using ia_nn::conv_backward_weights;

struct conv_case {
  char const* name;
  index_t batch, channels, filters, groups;
  spatial in, kernel, stride{}, dilation{};
  spatial pad_begin = ia_nn::no_padding, pad_end = ia_nn::no_padding;

  conv_shape shape() const {
    return {channels, filters, groups, in, {kernel, stride, dilation, pad_begin, pad_end}};
  }
};

// Small enough for one forward pass in double per element.
inline conv_case const small_cases[] = {
    {"one element", 1, 1, 1, 1, {}, {}},
    {"3 x 3, padded", 2, 3, 4, 1, {1, 4, 5}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"stride 2, padding at the end",
     1,
     2,
     3,
     1,
     {1, 6, 5},
     {1, 3, 2},
     {1, 2, 2},
     {},
     {0, 0, 0},
     {0, 1, 2}},
    {"dilation", 1, 2, 2, 1, {1, 7, 6}, {1, 3, 2}, {}, {1, 2, 3}, {0, 2, 0}, {0, 1, 1}},
    {"two groups", 2, 4, 6, 2, {1, 4, 3}, {1, 2, 2}, {}, {}, {0, 1, 0}, {0, 0, 1}},
    {"depthwise", 1, 3, 3, 3, {1, 5, 5}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"a signal", 2, 3, 2, 1, {1, 1, 13}, {1, 1, 4}, {1, 1, 2}, {1, 1, 2}, {0, 0, 2}, {0, 0, 1}},
    {"depthwise signal", 2, 5, 5, 5, {1, 1, 9}, {1, 1, 3}, {1, 1, 2}, {}, {0, 0, 2}, {0, 0, 1}},
    {"depthwise volume", 1, 2, 2, 2, {3, 4, 5}, {2, 3, 3}, {1, 2, 1}, {2, 1, 1}, {1, 1, 1}, {0, 1, 0}},
    {"depthwise, dilation and stride",
     1,
     3,
     3,
     3,
     {1, 7, 6},
     {1, 2, 3},
     {1, 2, 3},
     {1, 3, 2},
     {0, 2, 0},
     {0, 1, 3}},
    {"a volume", 1, 2, 2, 1, {3, 4, 4}, {2, 3, 2}, {2, 1, 1}, {}, {1, 0, 1}, {0, 1, 0}},
};
inline conv_case const large_cases[] = {
    {"kernel larger than the image",
     1,
     3,
     5,
     1,
     {1, 2, 2},
     {1, 5, 5},
     {},
     {},
     {0, 2, 2},
     {0, 2, 2}},
    {"negative padding", 2, 3, 3, 1, {1, 9, 9}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 0}, {0, -2, -1}},
    {"stride beyond the kernel", 2, 5, 7, 1, {1, 10, 11}, {1, 2, 2}, {1, 3, 4}},
    {"15 channels", 2, 15, 17, 1, {1, 8, 8}, {1, 5, 5}, {}, {}, {0, 2, 2}, {0, 2, 2}},
    {"16 channels", 1, 16, 16, 1, {1, 6, 6}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"35 channels", 1, 35, 33, 1, {1, 5, 6}, {1, 3, 3}, {}, {}, {0, 1, 0}, {0, 0, 1}},
    {"several slices of the kernel",
     2,
     150,
     9,
     1,
     {1, 5, 5},
     {1, 3, 3},
     {},
     {},
     {0, 1, 1},
     {0, 1, 1}},
    {"several slices of the channels", 1, 1100, 5, 1, {1, 4, 3}, {}},
    {"many pixels", 5, 1, 3, 1, {1, 40, 40}, {1, 5, 5}, {}, {}, {0, 2, 2}, {0, 2, 2}},
    {"three groups of 17", 2, 51, 6, 3, {1, 5, 5}, {1, 3, 3}, {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, two filters each",
     1,
     18,
     36,
     18,
     {1, 7, 7},
     {1, 3, 3},
     {1, 2, 2},
     {},
     {0, 1, 1},
     {0, 1, 1}},
    {"depthwise, 15", 2, 15, 15, 15, {1, 9, 7}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, 16, stride 2", 2, 16, 16, 16, {1, 9, 12}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, 37, stride 2, wide padding", 2, 37, 37, 37, {1, 7, 20}, {1, 3, 3}, {1, 2, 2}, {}, {0, 2, 2}, {0, 0, 2}},
    {"depthwise, 64, stride 2, no padding", 1, 64, 64, 64, {1, 6, 19}, {1, 3, 3}, {1, 2, 2}, {}},
    {"depthwise, 33, stride 2, one pixel", 1, 33, 33, 33, {}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, 17, 5 x 5", 1, 17, 17, 17, {1, 8, 9}, {1, 5, 5}, {}, {}, {0, 2, 1}, {0, 0, 3}},
    {"depthwise, 64, 5 x 3", 1, 64, 64, 64, {1, 8, 11}, {1, 5, 3}, {1, 1, 2}, {}, {0, 2, 1}, {0, 2, 2}},
    {"depthwise, 65", 3, 65, 65, 65, {1, 6, 5}, {1, 3, 3}, {}, {}, {0, 1, 0}, {0, 1, 2}},
    {"depthwise, 131, one pixel", 2, 131, 131, 131, {}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"depthwise, 4 x 3 x 3", 1, 21, 21, 21, {5, 6, 7}, {4, 3, 3}, {2, 1, 2}, {}, {1, 2, 1}, {2, 0, 1}},
    {"depthwise, wide padding", 1, 9, 9, 9, {1, 3, 4}, {1, 3, 3}, {}, {}, {0, 4, 5}, {0, 3, 4}},
    {"depthwise, stride beyond the kernel", 2, 33, 33, 33, {1, 10, 11}, {1, 2, 1}, {1, 3, 4}},
    {"depthwise, negative padding", 1, 12, 12, 12, {1, 9, 9}, {1, 3, 3}, {1, 2, 1}, {}, {0, 1, 0}, {0, -2, -1}},
    {"1 x 1, 64 channels", 2, 64, 33, 1, {1, 9, 7}, {}},
    {"1 x 1, stride 2", 2, 40, 31, 1, {1, 9, 8}, {}, {1, 2, 2}},
    {"1 x 1 of 112 pixels, 96 channels", 2, 96, 64, 1, {1, 14, 16}, {}},
    {"stride 2, 33 channels", 2, 33, 18, 1, {1, 11, 14}, {1, 3, 3}, {1, 2, 2}, {}, {0, 1, 1}, {0, 1, 0}},
    {"stride 3, 2 x 4", 1, 32, 35, 1, {1, 13, 20}, {1, 2, 4}, {1, 3, 3}, {}, {0, 0, 2}, {0, 1, 1}},
    {"stride and dilation 2", 1, 48, 16, 1, {1, 12, 13}, {1, 3, 3}, {1, 2, 2}, {1, 2, 2}, {0, 2, 2}, {0, 2, 2}},
    {"stride 2, dilation 3", 1, 34, 15, 1, {1, 12, 13}, {1, 3, 2}, {1, 2, 2}, {1, 3, 3}, {0, 3, 1}, {0, 2, 2}},
    {"two groups of 36, stride 2", 1, 72, 34, 2, {1, 9, 10}, {1, 3, 3}, {1, 2, 1}, {}, {0, 1, 1}, {0, 1, 1}},
    {"two groups of 20, 29 filters", 2, 40, 58, 2, {1, 6, 7}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"a volume of 32 channels, stride 2",
     1,
     32,
     17,
     1,
     {5, 6, 7},
     {3, 2, 3},
     {2, 2, 1},
     {},
     {1, 0, 1},
     {1, 1, 1}},
    {"1 x 1, many pixels, more filters", 2, 9, 64, 1, {1, 70, 61}, {}},
    {"1 x 1, many pixels, two groups", 1, 14, 64, 2, {1, 90, 92}, {}},
    {"several bands", 2, 64, 64, 1, {1, 60, 60}, {1, 3, 3}, {}, {}, {0, 1, 1}, {0, 1, 1}},
    {"a dilated volume",
     2,
     4,
     6,
     2,
     {6, 5, 7},
     {2, 2, 3},
     {1, 2, 1},
     {3, 1, 2},
     {1, 0, 2},
     {2, 1, 0}},
};

struct conv_data {
  conv_shape s;
  index_t batch;
  exact_buffer<f32> src, weights, diff_dst;

  conv_data(conv_case const& c, random& r)
      : s(c.shape()), batch(c.batch), src(batch * s.in.size() * s.channels), weights(s.weights()),
        diff_dst(batch * s.out().size() * s.filters) {
    r.fill(src.data(), src.size());
    r.fill(weights.data(), weights.size());
    r.fill(diff_dst.data(), diff_dst.size());
  }
};

struct conv_results {
  exact_buffer<f32> src, weights, bias;
  explicit conv_results(conv_data const& d)
      : src(d.src.size()), weights(d.weights.size()), bias(d.s.filters) {}
};

} // namespace ia_nn_test
