// SPDX-License-Identifier: Apache-2.0
//
// Small networks that have channels first outside, or permute channels, each with how many moves
// must be left in it: 0 where weights take the order.
#pragma once

#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

namespace channel_nets {

using namespace ia_nn::graph;
using ia_nn::index_t;

constexpr value image(builder& b, index_t channels = 6, char const* name = "x") {
  return input(b, name, {any_batch, 4, 3, channels});
}
constexpr value planes(builder& b, index_t channels = 5, char const* name = "x") {
  return input(b, name, {any_batch, 4, 3, channels}, {.layout = layout::channels_first});
}
constexpr void planes_out(value x) { output(x, {}, {.layout = layout::channels_first}); }
constexpr value conv(value x, char const* name, index_t groups = 1) {
  return conv2d(x, {.filters = 6, .kernel = {1, 2}, .groups = groups, .name = name});
}
constexpr value features(builder& b, index_t groups = 1) {
  return conv(image(b), "first", groups); // 4 x 2 x 6
}
constexpr value fc(value x, index_t units, char const* name) {
  return dense(x, {.units = units, .name = name});
}
constexpr value backwards(value x) { return slice(x, {.step = -1}); }
/// `channel_shuffle` by hand.
constexpr value shuffled(value x, index_t groups) {
  dims const s = x.shape();
  reshape_layer const last{.order = order::channels_last};
  if (s.rank == 2)
    return reshape(transpose(reshape(x, {groups, -1}, last), {2, 1}), {s.last()}, last);
  value const parts = reshape(x, {s[1], s[2], groups, s.last() / groups}, last);
  return reshape(transpose(parts, {1, 2, 4, 3}), {s[1], s[2], s.last()}, last);
}
/// view(batch, groups, c / groups, h, w).transpose(1, 2).reshape(batch, c, h, w)
constexpr value shuffled_as_pytorch(value x, index_t groups) {
  dims const s = x.shape();
  value const parts = reshape(x, {s.last() / groups, s[1], s[2], groups});
  return reshape(transpose(parts, {4, 2, 3, 1}), {s[1], s[2], s.last()},
                 {.order = order::channels_first});
}

struct channel_net {
  char const* name;
  int moves;
  void (*build)(builder&);
};

constexpr channel_net layouts[] = {
    {"planes to a convolution", 0, [](builder& b) { output(conv(planes(b), "c")); }},
    {"planes with padding", 0,
     [](builder& b) { output(conv(pad(planes(b), {.begin = {1, 2}}), "c")); }},
    {"planes in groups", 0, [](builder& b) { output(conv(planes(b, 6), "c", 2)); }},
    {"many planes", 1, [](builder& b) { output(conv(planes(b, 20), "c")); }},
    {"planes to a depthwise convolution", 1,
     [](builder& b) { output(depthwise_conv2d(planes(b), {.kernel = 2, .name = "d"})); }},
    {"planes to two convolutions", 1,
     [](builder& b) {
       auto const x = planes(b);
       output(conv(x, "a") + conv(x, "b"));
     }},
    {"planes to a pool", 1, [](builder& b) { output(max_pool(planes(b), {.kernel = 2})); }},
    {"planes to dense", 0, [](builder& b) { output(fc(flatten(planes(b)), 4, "fc")); }},
    {"planes, functions, dense", 0,
     [](builder& b) { output(fc(tanh(flatten(relu(planes(b) * 0.5F))), 4, "fc")); }},
    {"planes to dense and to a convolution", 0,
     [](builder& b) {
       auto const x = planes(b);
       output(fc(flatten(x), 4, "fc"));
       output(conv(x, "c"));
     }},
    {"as they lie here", 1, // not as they lie outside
     [](builder& b) { output(fc(flatten(planes(b), {.order = order::channels_last}), 4, "fc")); }},
    {"flat planes", 0, [](builder& b) { output(flatten(planes(b))); }},
    {"one channel, one pixel", 0,
     [](builder& b) {
       layout const first = layout::channels_first;
       output(conv(planes(b, 1), "c"));
       auto const x = input(b, "pixel", {any_batch, 1, 1, 7}, {.layout = first});
       output(relu(x), {}, {.layout = first});
       output(fc(x, 3, "fc"));
     }},
    {"a line", 0,
     [](builder& b) {
       auto const x = input(b, "x", {any_batch, 7, 3}, {.layout = layout::channels_first});
       output(conv1d(x, {.filters = 4, .kernel = 3}));
     }},
    {"a volume", 0,
     [](builder& b) {
       auto const x = input(b, "x", {any_batch, 3, 4, 3, 2}, {.layout = layout::channels_first});
       output(conv3d(x, {.filters = 4, .kernel = 2}));
     }},
    {"planes of a static batch", 0,
     [](builder& b) {
       auto const x = input(b, "x", {3, 4, 3, 2}, {.layout = layout::channels_first});
       output(conv(x, "c"));
     }},
    {"planes out", 1, [](builder& b) { planes_out(conv(image(b), "c")); }},
    {"planes in and out", 0, [](builder& b) { planes_out(tanh(planes(b))); }},
    {"planes through a convolution", 1, [](builder& b) { planes_out(conv(planes(b), "c")); }},
    {"planes of dense", 0,
     [](builder& b) {
       auto const x = fc(input(b, "x", {any_batch, 7}), 24, "fc");
       planes_out(sigmoid(reshape(x, {3, 2, 4})));
     }},
    {"both ways out", 1,
     [](builder& b) {
       auto const x = conv(image(b), "c");
       output(x);
       planes_out(x);
     }},
    {"rows out", 1, // (batch, features, time)
     [](builder& b) {
       auto const x = input(b, "x", {any_batch, 4, 3});
       planes_out(gru(x, {.hidden = 5, .name = "g"}));
     }},
};

constexpr channel_net permutations[] = {
    // ---- folded into what reads
    {"input backwards", 0, [](builder& b) { output(conv(backwards(image(b, 3)), "c")); }},
    {"planes backwards", 0, [](builder& b) { output(conv(backwards(planes(b, 3)), "c")); }},
    {"functions and norms", 0,
     [](builder& b) {
       auto x = batch_norm(relu(shuffled(image(b), 2)), {.name = "bn"});
       x = group_norm(layer_norm(x, {.name = "ln"}), {.groups = 6, .name = "each"});
       output(conv(softmax(x * 0.5F), "c"));
     }},
    {"grouped, shuffled", 0, // ShuffleNet v1 with one group behind
     [](builder& b) {
       auto x = relu(batch_norm(features(b, 3), {.name = "bn"}));
       x = depthwise_conv2d(shuffled(x, 3), {.kernel = 2, .name = "d"});
       output(conv2d(batch_norm(x, {.name = "bn2"}), {.filters = 4, .name = "last"}));
     }},
    {"PyTorch's view", 0,
     [](builder& b) { output(conv(relu(shuffled_as_pytorch(features(b, 2), 2)), "c")); }},
    {"into a transposed convolution", 0,
     [](builder& b) {
       auto const x = channel_shuffle(features(b, 2), {.groups = 3});
       output(deconv2d(x, {.filters = 4, .kernel = 2, .name = "up"}));
     }},
    {"what keeps channels", 0,
     [](builder& b) {
       auto x = pad(shuffled(features(b, 2), 2), {.begin = {1, 1}, .value = 0.5F});
       x = max_pool(x, {.kernel = 2});
       x = slice(transpose(x, {2, 1, 3}), {.axis = 1, .end = 2});
       x = concat({x, tanh(x)}, {.axis = 1});
       output(fc(global_average_pool(x), 4, "fc"));
     }},
    {"a factor for each channel", 0,
     [](builder& b) {
       auto const x = shuffled(features(b, 2), 3);
       auto const mean = reduce_mean(x, {.first = 1, .last = 2, .keep = true});
       output(conv(x * sigmoid(fc(mean, 6, "gate")), "c"));
     }},
    {"a factor for each pixel", 0,
     [](builder& b) {
       auto const x = shuffled(features(b, 2), 3);
       output(conv(x * sigmoid(fc(x, 1, "gate")), "c"));
     }},
    {"part of a concat", 0,
     [](builder& b) {
       auto const x = features(b, 2);
       output(conv(tanh(concat({shuffled(x, 2), relu(x), backwards(x)})), "c"));
     }},
    {"shuffled twice, backwards", 0,
     [](builder& b) {
       auto const x = relu(shuffled(backwards(shuffled(image(b, 12), 3)), 2));
       output(conv(batch_norm(shuffled(x, 4), {.name = "bn"}), "c"));
     }},
    {"there and back", 0, [](builder& b) { output(shuffled(tanh(shuffled(image(b), 2)), 3)); }},
    {"columns", 0,
     [](builder& b) { output(fc(shuffled(relu(input(b, "x", {any_batch, 12})), 3), 4, "fc")); }},
    {"flattened columns", 0,
     [](builder& b) {
       auto const x = shuffled(flatten(features(b)), 6);
       output(fc(batch_norm(x, {.name = "bn"}), 4, "fc"));
     }},
    {"slices in another order", 0,
     [](builder& b) {
       auto const x = image(b, 3);
       auto const channel = [&](int c) { return slice(x, {.begin = c, .end = c + 1}); };
       output(conv(concat({channel(2), channel(1), channel(0)}), "c"));
     }},
    {"slices that shuffle", 0,
     [](builder& b) {
       auto const x = tanh(image(b));
       output(conv(concat({slice(x, {.step = 2}), slice(x, {.begin = 1, .step = 2})}), "c"));
     }},
    // ---- folded into what makes
    {"filters backwards", 0,
     [](builder& b) { output(backwards(relu(batch_norm(features(b), {.name = "bn"})))); }},
    {"norm behind the shuffle", 0, // folded into the weights nonetheless
     [](builder& b) { output(tanh(batch_norm(shuffled(features(b), 2), {.name = "bn"}))); }},
    {"in front of groups", 0,
     [](builder& b) { output(conv(relu(shuffled(features(b), 2)), "c", 2)); }},
    {"in front of flatten", 0,
     [](builder& b) {
       output(fc(flatten(channel_shuffle(features(b), {.groups = 2})), 4, "fc"));
     }},
    {"in front of neighbours", 0,
     [](builder& b) { output(lrn(shuffled(features(b), 2), {.size = 3})); }},
    {"units and a recurrent layer", 0,
     [](builder& b) {
       auto const x = fc(input(b, "x", {any_batch, 4, 3}), 6, "fc");
       output(gru(relu(backwards(x)), {.hidden = 5, .name = "g"}));
     }},
    {"transposed", 0,
     [](builder& b) {
       output(shuffled(deconv2d(image(b), {.filters = 6, .kernel = {1, 2}, .name = "up"}), 2));
     }},
    {"a depthwise one between", 0,
     [](builder& b) {
       auto const x =
           deconv2d(features(b), {.filters = 6, .kernel = {2, 1}, .groups = 6, .name = "up"});
       output(backwards(depthwise_conv2d(x, {.kernel = 2, .name = "d"})));
     }},
    // ---- moved
    {"input to output", 1, [](builder& b) { output(shuffled(image(b), 2)); }},
    {"input backwards to output", 1, [](builder& b) { output(backwards(image(b))); }},
    {"groups on both sides", 1, // ShuffleNet v1
     [](builder& b) {
       auto const x = relu(batch_norm(features(b, 3), {.name = "bn"}));
       output(conv(depthwise_conv2d(shuffled(x, 3), {.kernel = {1, 1}, .name = "d"}), "c", 3));
     }},
    {"groups on both sides, backwards too", 2,
     [](builder& b) { output(conv(backwards(shuffled(features(b, 3), 3)), "c", 3)); }},
    {"sum with itself", 1,
     [](builder& b) {
       auto const x = features(b);
       output(conv(x + shuffled(x, 2), "c"));
     }},
    {"both orders out", 1,
     [](builder& b) {
       auto const x = features(b);
       output(x);
       output(backwards(tanh(x)));
     }},
    {"norm over groups", 1,
     [](builder& b) {
       auto const x = shuffled(features(b, 2), 2);
       output(group_norm(x, {.groups = 3, .epsilon = 0.5F, .name = "gn"}));
     }},
    {"cut", 1, // and what is cut itself
     [](builder& b) {
       output(conv(slice(shuffled(features(b), 2), {.begin = 1, .end = 3}), "c"));
     }},
    {"slices turned around", 2, // no such order: they stay
     [](builder& b) {
       auto const x = features(b);
       output(conv(concat({slice(x, {.begin = 2}), slice(x, {.end = 2})}), "c"));
     }},
};

} // namespace channel_nets
