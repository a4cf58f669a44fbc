// SPDX-License-Identifier: Apache-2.0
//
// Small networks, one for each pattern that fuses and each that must not.
#pragma once

#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

#include <array>

namespace patterns {

using namespace ia_nn::graph;

/// Calls Body with an input and hands its results out.
template <auto Body> struct net {
  static constexpr auto build(builder& b) { return Body(input(b, "x", {any_batch, 8, 8, 4})); }
};
using two = std::array<value, 2>;

constexpr value conv(value x, char const* name) {
  return conv2d(x, {.filters = 4, .kernel = 3, .pad = 1, .name = name});
}
inline constexpr auto conv_only = [](value x) { return conv(x, "c"); };
inline constexpr auto conv_bn = [](value x) { return batch_norm(conv(x, "c")); };
inline constexpr auto conv_act = [](value x) { return gelu(conv(x, "c")); };
inline constexpr auto conv_relu6 = [](value x) { return relu6(conv(x, "c")); };
inline constexpr auto conv_clip = [](value x) { return clip(conv(x, "c"), -1, 1); }; // any bounds
inline constexpr auto conv_bn_sigmoid = [](value x) { return sigmoid(batch_norm(conv(x, "c"))); };
inline constexpr auto conv_log_sigmoid = [](value x) { return log_sigmoid(conv(x, "c")); };
inline constexpr auto conv_bn_act = [](value x) { return mish(batch_norm(conv(x, "c"))); };
inline constexpr auto other_pool = [](value x) {
  return max_pool(conv(x, "other"), {.kernel = 3, .stride = 1, .pad = 1, .name = "pool"});
};
inline constexpr auto conv_add = [](value x) {
  auto const p = other_pool(x);
  return conv(x, "c") + p;
};
inline constexpr auto add_conv = [](value x) {
  auto const p = other_pool(x);
  return p + conv(x, "c");
};
inline constexpr auto conv_waits = [](value x) {
  auto const c = conv(x, "c");
  return c + other_pool(x);
};
inline constexpr auto x_plus_conv = [](value x) { return x + conv(x, "c"); };
inline constexpr auto conv_of_sum = [](value x) { return conv(x + conv(x, "c"), "d"); };
inline constexpr auto x_plus_bn = [](value x) { return x + batch_norm(conv(x, "c")); };
inline constexpr auto bn_plus_x = [](value x) { return batch_norm(conv(x, "c")) + x; };
inline constexpr auto two_convs = [](value x) {
  auto const first = leaky_relu(conv(x, "first"));
  return first + conv(x, "second");
};
inline constexpr auto block_out = [](value x) { // the output of a block, and a convolution of it
  auto const out = x + batch_norm(conv(relu6(conv(x, "expand")), "project"));
  return out + batch_norm(conv(out, "c"));
};
inline constexpr auto post_sum = [](value x) { return sigmoid(batch_norm(conv(x, "c")) + x); };
inline constexpr auto act_add_act_mul = [](value x) { return tanh(relu(conv(x, "c")) - x) * x; };
inline constexpr auto from_sum = [](value x) { return x - conv(x, "c"); };
inline constexpr auto quotients = [](value x) {
  return minimum(maximum(x / square(conv(x, "c")), -x), square(x) + 1.0F);
};
inline constexpr auto nine = [](value x) { // a step has room for eight
  x = conv(x, "c");
  for (int i = 0; i < 9; ++i) x = i % 2 ? tanh(x) : softsign(x);
  return x;
};
inline constexpr auto late_bn = [](value x) { return batch_norm(relu(conv(x, "c"))); };
inline constexpr auto bn_relu = [](value x) { return relu(batch_norm(x, {.name = "bn"})); };
inline constexpr auto depthwise = [](value x) {
  return relu(batch_norm(depthwise_conv2d(x, {.kernel = 3, .pad = 1, .name = "c"})));
};
inline constexpr auto conv_1d = [](value x) {
  return relu(conv1d(reshape(x, {64, 4}), {.filters = 3, .kernel = 5, .name = "c"}));
};
inline constexpr auto conv_3d = [](value x) {
  return relu(conv3d(reshape(x, {4, 4, 4, 4}), {.filters = 3, .kernel = 2, .name = "c"}));
};
inline constexpr auto bn_then_conv = [](value x) {
  return conv(relu(batch_norm(x, {.name = "bn"})), "c");
};
inline constexpr auto conv_reshape_conv = [](value x) {
  return conv(reshape(relu(conv(x, "c")), {4, 16, 4}), "d");
};
inline constexpr auto pool_relu = [](value x) { // the relu moves in front of the pool
  return relu(max_pool(conv(x, "c"), {.kernel = 3, .stride = 2, .pad = 1, .name = "pool"}),
              {.name = "relu"});
};
// Four branches of convolutions of one value, and one of values with and without a sign.
inline constexpr auto four_convs = [](value x) {
  return concat({conv(x, "a"), conv(x, "b"), conv(x, "c"), conv(x, "d")});
};
inline constexpr auto signed_concat = [](value x) { return concat({x, relu(conv(x, "c"))}); };
// Squeeze and excitation: a factor for each item and channel.
inline constexpr auto excite = [](value x) {
  auto const c = conv(x, "c");
  auto const s =
      sigmoid(dense(reduce_mean(c, {.last = 2, .keep = true}), {.units = 4, .name = "fc"}));
  return relu(s * c) + x;
};
inline constexpr auto conv_times_items = [](value x) { // not a stage of a convolution
  auto const s = reduce_mean(x, {.last = 3, .keep = true});
  return relu(conv(x, "c") * s);
};
inline constexpr auto conv_is_repeated = [](value x) {
  auto const s = conv2d(x, {.filters = 4, .kernel = 8, .name = "c"});
  return relu(x - s);
};
inline constexpr auto fc = [](value x) { return dense(x, {.units = 4, .name = "fc"}); };
inline constexpr auto fc_flat = [](value x) {
  return relu(dense(flatten(x), {.units = 4, .bias = false, .name = "fc"}));
};
inline constexpr auto fc_acts = [](value x) { return sqrt(abs(fc(x))); };
inline constexpr auto fc_add = [](value x) { return fc(x) + x; };
inline constexpr auto add_fc = [](value x) { return x + fc(x); };
inline constexpr auto fc_gelu_add = [](value x) { return gelu(fc(x)) + x; };
inline constexpr auto fc_identity_relu = [](value x) { return relu(dropout(identity(fc(x)))); };
inline constexpr auto fc_reshape = [](value x) {
  return tanh(flatten(relu(fc(x)), {.order = order::channels_last}), {.name = "tanh"});
};
inline constexpr auto fc_bn = [](value x) { return batch_norm(fc(x)); };
inline constexpr auto pow_mul = [](value x) { return square(x) * 3.0F; };
inline constexpr auto conv_bn_shared = [](value x) {
  auto const c = conv(x, "c");
  return two{batch_norm(c, {.name = "bn"}), tanh(c)};
};
inline constexpr auto conv_relu_shared = [](value x) {
  auto const c = conv(x, "c");
  return two{relu(c), tanh(c)};
};
inline constexpr auto conv_add_shared = [](value x) {
  auto const c = conv(x, "c");
  return two{c + x, tanh(c)};
};
inline constexpr auto conv_is_output = [](value x) {
  auto const c = conv(x, "c");
  return two{relu(c), c};
};
inline constexpr auto conv_twice = [](value x) {
  auto const c = conv(x, "c");
  return c + c;
};
inline constexpr auto bn_relu_conv_read = [](value x) {
  auto const c = conv(x, "c");
  return two{relu(batch_norm(c)), tanh(c)};
};
inline constexpr auto bn_relu_bn_read = [](value x) {
  auto const n = batch_norm(conv(x, "c"));
  return two{relu(n, {.name = "relu"}), tanh(n)};
};
inline constexpr auto chain_conv_read = [](value x) {
  auto const c = conv(x, "c");
  return two{relu(batch_norm(c) + x), tanh(c)};
};
inline constexpr auto chain_bn_read = [](value x) {
  auto const n = batch_norm(conv(x, "c"));
  return two{relu(n + x), tanh(n)};
};
inline constexpr auto chain_sum_read = [](value x) {
  auto const s = batch_norm(conv(x, "c")) + x;
  return two{relu(s), tanh(s)};
};
inline constexpr auto fc_relu_shared = [](value x) {
  auto const c = fc(x);
  return two{relu(c), tanh(c)};
};
inline constexpr auto fc_softmax_shared = [](value x) { // a reader that could fuse and one that not
  auto const c = fc(x);
  return two{relu(c), softmax(c)};
};
inline constexpr auto fc_add_shared = [](value x) {
  auto const c = fc(x);
  return two{c + x, tanh(c)};
};

constexpr value deconv(value x, char const* name) {
  return deconv2d(x, {.filters = 4, .kernel = 3, .pad = 1, .name = name});
}
inline constexpr auto deconv_bn_add_act = [](value x) {
  return relu(batch_norm(deconv(x, "d")) + x);
};
inline constexpr auto deconv_act_add = [](value x) { return x + gelu(deconv(x, "d")); };
inline constexpr auto deconv_shared = [](value x) {
  auto const d = deconv(x, "d");
  return two{relu(d), tanh(d)};
};
inline constexpr auto lstm_add = [](value x) {
  auto const s = reshape(x, {8, 32}, {.order = order::channels_last});
  return relu(lstm(s, {.hidden = 32, .name = "l"}) + s, {.name = "relu"});
};
inline constexpr auto conv_transpose_conv = [](value x) {
  return conv(transpose(relu(conv(x, "c")), {2, 1, 3}), "d");
};
inline constexpr auto padded = [](value x) {
  return relu(conv2d(pad(x, {.begin = {1, 0}, .end = {2, 1}}),
                     {.filters = 4, .kernel = 3, .pad = {0, 1}, .name = "c"}));
};

/// Calls f.operator()<Body>(name) for each that `compiled` has kernels for.
template <class F> void for_each_pattern(F&& f) {
  f.template operator()<conv_only>("conv_only");
  f.template operator()<conv_bn>("conv_bn");
  f.template operator()<conv_act>("conv_act");
  f.template operator()<conv_relu6>("conv_relu6");
  f.template operator()<conv_clip>("conv_clip");
  f.template operator()<conv_bn_act>("conv_bn_act");
  f.template operator()<other_pool>("other_pool");
  f.template operator()<conv_add>("conv_add");
  f.template operator()<add_conv>("add_conv");
  f.template operator()<conv_waits>("conv_waits");
  f.template operator()<x_plus_conv>("x_plus_conv");
  f.template operator()<conv_of_sum>("conv_of_sum");
  f.template operator()<x_plus_bn>("x_plus_bn");
  f.template operator()<bn_plus_x>("bn_plus_x");
  f.template operator()<two_convs>("two_convs");
  f.template operator()<post_sum>("post_sum");
  f.template operator()<act_add_act_mul>("act_add_act_mul");
  f.template operator()<from_sum>("from_sum");
  f.template operator()<late_bn>("late_bn");
  f.template operator()<bn_relu>("bn_relu");
  f.template operator()<depthwise>("depthwise");
  f.template operator()<fc>("fc");
  f.template operator()<fc_acts>("fc_acts");
  f.template operator()<fc_add>("fc_add");
  f.template operator()<add_fc>("add_fc");
  f.template operator()<fc_gelu_add>("fc_gelu_add");
  f.template operator()<fc_identity_relu>("fc_identity_relu");
  f.template operator()<fc_bn>("fc_bn");
  f.template operator()<pow_mul>("pow_mul");
  f.template operator()<conv_bn_shared>("conv_bn_shared");
  f.template operator()<conv_relu_shared>("conv_relu_shared");
  f.template operator()<conv_add_shared>("conv_add_shared");
  f.template operator()<conv_is_output>("conv_is_output");
  f.template operator()<conv_twice>("conv_twice");
  f.template operator()<bn_relu_conv_read>("bn_relu_conv_read");
  f.template operator()<bn_relu_bn_read>("bn_relu_bn_read");
  f.template operator()<chain_conv_read>("chain_conv_read");
  f.template operator()<chain_bn_read>("chain_bn_read");
  f.template operator()<chain_sum_read>("chain_sum_read");
  f.template operator()<fc_relu_shared>("fc_relu_shared");
  f.template operator()<fc_add_shared>("fc_add_shared");
  f.template operator()<conv_bn_sigmoid>("conv_bn_sigmoid");
  f.template operator()<conv_log_sigmoid>("conv_log_sigmoid");
  f.template operator()<block_out>("block_out");
  f.template operator()<quotients>("quotients");
  f.template operator()<nine>("nine");
  f.template operator()<conv_1d>("conv_1d");
  f.template operator()<conv_3d>("conv_3d");
  f.template operator()<bn_then_conv>("bn_then_conv");
  f.template operator()<conv_reshape_conv>("conv_reshape_conv");
  f.template operator()<pool_relu>("pool_relu");
  f.template operator()<four_convs>("four_convs");
  f.template operator()<signed_concat>("signed_concat");
  f.template operator()<fc_flat>("fc_flat");
  f.template operator()<fc_reshape>("fc_reshape");
  f.template operator()<fc_softmax_shared>("fc_softmax_shared");
}

} // namespace patterns
