// SPDX-License-Identifier: Apache-2.0
//
// Small networks that flatten and reshape images, each with how many transpositions must be left in
// it: 0 where weights take PyTorch's order.
#pragma once

#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

namespace order_nets {

using namespace ia_nn::graph;

constexpr value image(builder& b, char const* name = "x") {
  return input(b, name, {any_batch, 4, 3, 5});
}
constexpr value features(builder& b) {
  return relu(conv2d(image(b), {.filters = 6, .kernel = 2, .name = "conv"})); // 3 x 2 x 6
}
constexpr value fc(value x, ia_nn::index_t units, char const* name) {
  return dense(x, {.units = units, .name = name});
}
constexpr value columns(builder& b, ia_nn::index_t count = 7) {
  return input(b, "x", {any_batch, count});
}
constexpr value up(value x, char const* name = "up") {
  return deconv2d(x, {.filters = 3, .kernel = 2, .name = name});
}

struct order_net {
  char const* name;
  int transpositions;
  void (*build)(builder&);
};

constexpr order_net all[] = {
    // ---- flatten in front of dense
    {"dense", 0, [](builder& b) { output(fc(flatten(features(b)), 4, "fc")); }},
    {"dense of the input", 0, [](builder& b) { output(fc(flatten(image(b)), 4, "fc")); }},
    {"as they lie", 0,
     [](builder& b) {
       output(fc(flatten(features(b), {.order = order::channels_last}), 4, "fc"));
     }},
    {"functions and norms between", 0,
     [](builder& b) {
       auto x = batch_norm(dropout(flatten(features(b))), {.name = "bn"});
       x = softmax(layer_norm(identity(relu(x)), {.name = "ln"}));
       output(fc(batch_norm(gelu(x) * 2.0F, {.name = "last"}), 4, "fc"));
     }},
    {"read twice", 0,
     [](builder& b) {
       auto const x = flatten(features(b));
       output(fc(x, 4, "a") + fc(tanh(x), 4, "b"));
     }},
    {"flattened twice", 0,
     [](builder& b) {
       auto const y = features(b);
       output(fc(flatten(y) * sigmoid(flatten(conv2d(y, {.filters = 6, .name = "d"}))), 4, "fc"));
     }},
    {"a factor for each item", 0,
     [](builder& b) {
       auto const x = flatten(features(b));
       output(fc(x * fc(x, 1, "gate"), 4, "fc"));
     }},
    {"dense plus flatten", 0,
     [](builder& b) { // the first dense layer gives the order of the image
       auto const x = flatten(features(b));
       output(fc(x + batch_norm(fc(x, 36, "a"), {.name = "bn"}), 4, "b"));
     }},
    {"parts of a concat", 0,
     [](builder& b) {
       auto const y = features(b);
       auto const pooled = flatten(max_pool(y, {.kernel = {1, 2}})); // 3 x 1 x 6
       auto const x = concat({flatten(y), global_average_pool(y), pooled});
       output(fc(batch_norm(relu(x), {.name = "bn"}), 4, "fc"));
     }},
    {"concat of concats, read twice", 0,
     [](builder& b) {
       auto const y = features(b);
       auto const x = concat({flatten(y), flatten(conv2d(y, {.filters = 2}))});
       output(fc(concat({tanh(x), flatten(y), x}), 4, "a"));
       output(fc(x, 4, "b"));
     }},
    {"a line", 0,
     [](builder& b) {
       auto const x = conv1d(input(b, "x", {any_batch, 8, 3}), {.filters = 4, .kernel = 3});
       output(fc(flatten(max_pool(batch_norm(x), {.kernel = 2})), 5, "fc"));
     }},
    {"a volume", 0,
     [](builder& b) {
       auto const x = conv3d(input(b, "x", {any_batch, 3, 4, 3, 2}), {.filters = 4, .kernel = 2});
       output(fc(flatten(x), 5, "fc"));
     }},
    {"image to rows of other images", 0,
     [](builder& b) { // channels are kept
       auto const x = reshape(features(b), {6, 6});
       output(fc(flatten(conv1d(x, {.filters = 5, .kernel = 2})), 4, "fc"));
     }},
    {"one pixel, one channel", 0,
     [](builder& b) {
       auto const y = features(b);
       output(flatten(max_pool(y, {.kernel = {3, 2}})));
       output(flatten(conv2d(y, {.filters = 1})));
       output(reshape(global_average_pool(y), {1, 1, 6}));
       output(reshape(flatten(conv2d(y, {.filters = 1, .name = "e"})), {2, 3, 1}));
     }},
    {"rows", 0,
     [](builder& b) {
       auto const x = gru(input(b, "x", {any_batch, 4, 3}), {.hidden = 5, .name = "gru"});
       output(fc(flatten(fc(relu(x), 3, "a")), 4, "b"));
       output(flatten(transpose(x, {2, 1})));
     }},
    // ---- nothing with weights takes it
    {"flatten alone", 1, [](builder& b) { output(flatten(features(b))); }},
    {"flatten of the input alone", 1, [](builder& b) { output(flatten(image(b))); }},
    {"an output too", 1,
     [](builder& b) {
       auto const x = tanh(flatten(features(b)));
       output(x);
       output(fc(x, 4, "fc"));
     }},
    {"softmax last", 1, [](builder& b) { output(softmax(flatten(features(b)))); }},
    {"cut", 1, [](builder& b) { output(fc(slice(flatten(features(b)), {.end = 20}), 4, "fc")); }},
    {"a concat that is an output", 2,
     [](builder& b) {
       auto const y = features(b);
       auto const x = concat({flatten(y), flatten(y * y)});
       output(x);
       output(fc(x, 4, "fc"));
     }},
    {"two orders", 2,
     [](builder& b) { // 6 channels of 6 pixels and 4 of 9
       auto const y = features(b);
       auto const z = conv2d(image(b, "z"), {.filters = 4, .kernel = {2, 1}, .name = "d"});
       output(fc(flatten(y) + flatten(z), 4, "fc"));
     }},
    {"rows of PyTorch's flatten", 1,
     [](builder& b) {
       output(gru(reshape(flatten(features(b)), {4, 9}), {.hidden = 5, .name = "gru"}));
     }},
    // ---- to images
    {"dense to image", 0,
     [](builder& b) { output(up(reshape(fc(columns(b), 24, "fc"), {3, 2, 4}))); }},
    {"functions and norms between dense and image", 0,
     [](builder& b) {
       auto x = relu(batch_norm(fc(columns(b), 24, "fc"), {.name = "bn"}));
       x = batch_norm(tanh(x), {.name = "late"});
       output(up(reshape(layer_norm(x, {.name = "ln"}), {3, 2, 4})));
     }},
    {"sum of dense layers", 0,
     [](builder& b) {
       auto const x = columns(b);
       auto const y = maximum(fc(x, 24, "a") - gelu(fc(x, 24, "b")), -0.5F);
       output(up(reshape(y, {3, 2, 4})));
     }},
    {"code of images", 0,
     [](builder& b) { // flatten, dense, dense, image
       auto const code = relu(fc(flatten(features(b)), 7, "in"));
       output(up(reshape(fc(code, 36, "out"), {3, 2, 6})));
     }},
    {"image, columns, image", 0,
     [](builder& b) {
       auto const x = flatten(features(b));
       output(up(reshape(sigmoid(x) * fc(x, 36, "fc"), {3, 2, 6})));
     }},
    {"line", 0,
     [](builder& b) {
       auto const x = reshape(fc(columns(b), 24, "fc"), {6, 4}, {.order = order::channels_first});
       output(deconv1d(x, {.filters = 3, .kernel = 2}));
     }},
    {"volume", 0,
     [](builder& b) {
       output(conv3d(reshape(fc(columns(b), 24, "fc"), {2, 3, 2, 2}), {.filters = 3}));
     }},
    {"rows made by dense", 0,
     [](builder& b) {
       auto const x = reshape(fc(columns(b), 24, "fc"), {6, 4}, {.order = order::channels_last});
       output(deconv1d(x, {.filters = 3, .kernel = 2}));
     }},
    {"columns to image", 1,
     [](builder& b) { output(up(reshape(columns(b, 24), {3, 2, 4}))); }},
    {"an output and an image", 1,
     [](builder& b) {
       auto const x = fc(columns(b), 24, "fc");
       output(x);
       output(up(reshape(x, {3, 2, 4})));
     }},
    {"two images", 1,
     [](builder& b) { // two of 4 channels and one of 2: the columns take the order of the first
       auto const x = fc(columns(b), 24, "fc");
       output(up(reshape(x, {3, 2, 4}), "a") + up(reshape(x, {3, 2, 4}), "b"));
       output(up(reshape(x, {3, 4, 2}), "c"));
     }},
    {"image to image", 2, [](builder& b) { output(up(reshape(features(b), {3, 3, 4}))); }},
    {"image to line", 1, // from pixels x 6 channels to 2 x the rest
     [](builder& b) {
       auto const x = reshape(features(b), {18, 2}, {.order = order::channels_first});
       output(conv1d(x, {.filters = 3}));
     }},
};

} // namespace order_nets
