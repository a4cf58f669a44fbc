// SPDX-License-Identifier: Apache-2.0
//
// What several families are made of.
#pragma once

#include "network_of.hpp"

#include <initializer_list>

namespace models {

/// Convolution without bias, batch norm.
constexpr graph::value conv_bn(graph::value x, graph::conv_layer o, graph::label const& norm) {
  o.bias = false;
  return batch_norm(conv2d(x, o), {.name = norm});
}

/// The convolution of all Inceptions: convolution, batch norm, relu, named as the module of PyTorch
/// that holds them.
constexpr graph::value basic_conv(graph::value x, graph::label const& name, graph::conv_layer o) {
  o.bias = false;
  o.name = name + ".conv";
  return relu(batch_norm(conv2d(x, o), {.epsilon = 1e-3F, .name = name + ".bn"}));
}

/// One behind the other, as a sequence of PyTorch: name.0, name.1, ...
constexpr graph::value basic_convs(graph::value x, graph::label const& name,
                                   std::initializer_list<graph::conv_layer> layers) {
  int i = 0;
  for (graph::conv_layer const& o : layers) x = basic_conv(x, name + "." + i++, o);
  return x;
}

/// What blocks of the later Inceptions have in common: a 3x3 that keeps the image and one that halves
/// it, rows of 1 x n and columns of n x 1.
constexpr graph::conv_layer square(index_t filters) {
  return {.filters = filters, .kernel = 3, .pad = 1};
}
constexpr graph::conv_layer halving(index_t filters) {
  return {.filters = filters, .kernel = 3, .stride = 2};
}
constexpr graph::conv_layer across(index_t filters, index_t width) {
  return {.filters = filters, .kernel = {1, width}, .pad = {0, width / 2}};
}
constexpr graph::conv_layer down(index_t filters, index_t height) {
  return {.filters = filters, .kernel = {height, 1}, .pad = {height / 2, 0}};
}
constexpr graph::value halving_pool(graph::value x) {
  return max_pool(x, {.kernel = 3, .stride = 2});
}
/// 3x3 averages of what lies in the image, and a 1x1.
constexpr graph::value averaged_conv(graph::value x, graph::label const& name, index_t filters) {
  auto const y = average_pool(x, {.kernel = 3, .stride = 1, .pad = 1, .count_padding = false});
  return basic_conv(y, name + ".1", {.filters = filters});
}

} // namespace models
