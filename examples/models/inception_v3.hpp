// SPDX-License-Identifier: Apache-2.0
//
// Inception v3 (Szegedy et al., Rethinking the Inception Architecture, 2015) without the auxiliary
// head: 94 convolutions with batch norm, 11 mixed blocks whose branches are concatenated. Names are
// those of torchvision's model.
#pragma once

#include "blocks.hpp"

namespace models {

constexpr graph::value same_average(graph::value x) { // zeros of the padding count
  return average_pool(x, {.kernel = 3, .stride = 1, .pad = 1, .count_padding = true});
}

constexpr graph::value inception_a(graph::value x, graph::label const& name,
                                   index_t pool_filters) {
  graph::label const at = name + ".branch";
  auto const one = basic_conv(x, at + "1x1", {.filters = 64});
  auto five = basic_conv(x, at + "5x5_1", {.filters = 48});
  five = basic_conv(five, at + "5x5_2", {.filters = 64, .kernel = 5, .pad = 2});
  auto twice = basic_conv(x, at + "3x3dbl_1", {.filters = 64});
  twice = basic_conv(twice, at + "3x3dbl_2", {.filters = 96, .kernel = 3, .pad = 1});
  twice = basic_conv(twice, at + "3x3dbl_3", {.filters = 96, .kernel = 3, .pad = 1});
  auto const pool = basic_conv(same_average(x), at + "_pool", {.filters = pool_filters});
  return graph::concat({one, five, twice, pool}, {.name = name});
}

constexpr graph::value inception_b(graph::value x, graph::label const& name) {
  graph::label const at = name + ".branch";
  auto const three = basic_conv(x, at + "3x3", {.filters = 384, .kernel = 3, .stride = 2});
  auto twice = basic_conv(x, at + "3x3dbl_1", {.filters = 64});
  twice = basic_conv(twice, at + "3x3dbl_2", {.filters = 96, .kernel = 3, .pad = 1});
  twice = basic_conv(twice, at + "3x3dbl_3", {.filters = 96, .kernel = 3, .stride = 2});
  return graph::concat({three, twice, max_pool(x, {.kernel = 3, .stride = 2})}, {.name = name});
}

/// `width`: of the 7 x 1 and 1 x 7 convolutions between the first and the last.
constexpr graph::value inception_c(graph::value x, graph::label const& name, index_t width) {
  graph::label const at = name + ".branch";
  graph::conv_layer const across{.filters = width, .kernel = {1, 7}, .pad = {0, 3}},
      down{.filters = width, .kernel = {7, 1}, .pad = {3, 0}};
  graph::conv_layer last_across = across, last_down = down;
  last_across.filters = last_down.filters = 192;
  auto const one = basic_conv(x, at + "1x1", {.filters = 192});
  auto seven = basic_conv(x, at + "7x7_1", {.filters = width});
  seven = basic_conv(seven, at + "7x7_2", across);
  seven = basic_conv(seven, at + "7x7_3", last_down);
  auto twice = basic_conv(x, at + "7x7dbl_1", {.filters = width});
  twice = basic_conv(twice, at + "7x7dbl_2", down);
  twice = basic_conv(twice, at + "7x7dbl_3", across);
  twice = basic_conv(twice, at + "7x7dbl_4", down);
  twice = basic_conv(twice, at + "7x7dbl_5", last_across);
  auto const pool = basic_conv(same_average(x), at + "_pool", {.filters = 192});
  return graph::concat({one, seven, twice, pool}, {.name = name});
}

constexpr graph::value inception_d(graph::value x, graph::label const& name) {
  graph::label const at = name + ".branch";
  auto three = basic_conv(x, at + "3x3_1", {.filters = 192});
  three = basic_conv(three, at + "3x3_2", {.filters = 320, .kernel = 3, .stride = 2});
  auto seven = basic_conv(x, at + "7x7x3_1", {.filters = 192});
  seven = basic_conv(seven, at + "7x7x3_2", {.filters = 192, .kernel = {1, 7}, .pad = {0, 3}});
  seven = basic_conv(seven, at + "7x7x3_3", {.filters = 192, .kernel = {7, 1}, .pad = {3, 0}});
  seven = basic_conv(seven, at + "7x7x3_4", {.filters = 192, .kernel = 3, .stride = 2});
  return graph::concat({three, seven, max_pool(x, {.kernel = 3, .stride = 2})}, {.name = name});
}

/// 1 x 3 and 3 x 1 side by side.
constexpr graph::value both_ways(graph::value x, graph::label const& at) {
  auto const across = basic_conv(x, at + "a", {.filters = 384, .kernel = {1, 3}, .pad = {0, 1}});
  auto const down = basic_conv(x, at + "b", {.filters = 384, .kernel = {3, 1}, .pad = {1, 0}});
  return graph::concat({across, down});
}
constexpr graph::value inception_e(graph::value x, graph::label const& name) {
  graph::label const at = name + ".branch";
  auto const one = basic_conv(x, at + "1x1", {.filters = 320});
  auto const three = both_ways(basic_conv(x, at + "3x3_1", {.filters = 384}), at + "3x3_2");
  auto twice = basic_conv(x, at + "3x3dbl_1", {.filters = 448});
  twice = basic_conv(twice, at + "3x3dbl_2", {.filters = 384, .kernel = 3, .pad = 1});
  twice = both_ways(twice, at + "3x3dbl_3");
  auto const pool = basic_conv(same_average(x), at + "_pool", {.filters = 192});
  return graph::concat({one, three, twice, pool}, {.name = name});
}

template <index_t Batch = graph::any_batch, index_t Pixels = 299, index_t Classes = 1000>
struct inception_v3 {
  static constexpr auto build(graph::builder& b) {
    auto x = input(b, "image", {Batch, Pixels, Pixels, 3});
    x = basic_conv(x, "Conv2d_1a_3x3", {.filters = 32, .kernel = 3, .stride = 2});
    x = basic_conv(x, "Conv2d_2a_3x3", {.filters = 32, .kernel = 3});
    x = basic_conv(x, "Conv2d_2b_3x3", {.filters = 64, .kernel = 3, .pad = 1});
    x = max_pool(x, {.kernel = 3, .stride = 2});
    x = basic_conv(x, "Conv2d_3b_1x1", {.filters = 80});
    x = basic_conv(x, "Conv2d_4a_3x3", {.filters = 192, .kernel = 3});
    x = max_pool(x, {.kernel = 3, .stride = 2});
    x = inception_a(x, "Mixed_5b", 32);
    x = inception_a(x, "Mixed_5c", 64);
    x = inception_a(x, "Mixed_5d", 64);
    x = inception_b(x, "Mixed_6a");
    x = inception_c(x, "Mixed_6b", 128);
    x = inception_c(x, "Mixed_6c", 160);
    x = inception_c(x, "Mixed_6d", 160);
    x = inception_c(x, "Mixed_6e", 192);
    x = inception_d(x, "Mixed_7a");
    x = inception_e(x, "Mixed_7b");
    x = inception_e(x, "Mixed_7c");
    return dense(dropout(global_average_pool(x)), {.units = Classes, .name = "fc"});
  }
};

} // namespace models
