// SPDX-License-Identifier: Apache-2.0
//
// Networks that have, in 8 bits, each kernel and each way from one storage type to another.
#pragma once

#include "nets.hpp"

namespace graph_nets {

constexpr value conv3(value x, label const& name, ia_nn::index_t filters = 6) {
  return conv2d(x, {.filters = filters, .kernel = 3, .pad = 1, .name = name});
}

/// Every element-wise stage behind sums: those that keep steps of the result, and others.
struct byte_stages {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 3});
    auto const a = relu(conv3(x, "a")), d = conv3(a, "d");
    auto const all = {
        d + a,
        relu(d + a),
        leaky_relu(a - conv3(a, "from"), 0.25F),
        abs(conv3(a, "abs") - a),
        linear(conv3(a, "linear"), -0.5F, 0.75F),
        clip(maximum(conv3(a, "max"), d), -0.5F, 1.25F),
        relu6(minimum(clip(conv3(a, "min"), -1, 2), a)),
        relu(conv3(a, "times") * a),
        batch_norm(relu(conv3(a, "late")), {.name = "late_norm"}),
        relu(batch_norm(conv3(a, "norm"), {.name = "norm_norm"})),
        gelu(conv3(a, "gelu")),
        swish(conv3(a, "swish") + a),
        sigmoid(conv3(a, "sigmoid")),
        tanh(batch_norm(conv3(a, "tanh"), {.name = "tanh_norm"})) + d,
        hard_swish(conv3(a, "hard")) * a,
        elu(conv3(a, "elu"), 0.5F),
        mish(conv3(a, "mish") - d),
        exp(conv3(a, "exp") * 0.25F),
        a / square(exp(conv3(a, "over"))),
        conv3(a, "scaled") * learned_in(a, {6}, "scale") + learned_in(a, {6}, "shift"),
        conv3(a, "placed") + learned_in(a, {6, 5, 6}, "places")};
    value sum = d;
    int k = 0;
    for (value const y : all) // in 8 bits: each is read by a layer
      sum = conv2d(y, {.filters = 6, .groups = k % 3 == 0 ? 2 : 1, .name = label("end") + k++}) + sum;
    output(sum);
  }
};

/// Chains by themselves, with operands of both kinds and all shapes, and what lies between layers.
struct byte_chains {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 4});
    auto const a = relu(conv3(x, "a", 4)), c = conv3(x, "c", 4), f = softmax(c);
    auto const mean = sigmoid(dense(global_average_pool(a), {.units = 4, .name = "gate"}));
    auto const gate = reshape(mean, {1, 1, -1});
    auto const row = slice(a, {.end = 1});
    auto const all = {tanh(a) * c,
                      relu(c + a),
                      batch_norm(a, {.name = "norm"}),
                      a * gate + f,
                      relu(f - a),
                      maximum(c - row, f),
                      c * learned_in(c, {6, 5, 1}, "rows") - learned_in(c, {4}, "row"),
                      swish(a - c) * 0.5F};
    value sum = c;
    int k = 0;
    for (value const y : all) sum = conv3(y, label("end") + k++, 4) + sum;
    output(sum);
  }
};

/// Pools, moves and concats between layers, in and out of 8 bits.
struct byte_moves {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 3}, {.layout = layout::channels_first});
    auto const a = conv3(x, "a"), r = relu(conv3(a, "r"));
    auto const p = max_pool(r, {.kernel = 3, .stride = 1, .pad = 1});
    auto const q = average_pool(a, {.kernel = 3, .stride = 1, .pad = 1});
    auto const w = average_pool(p, {.kernel = 3, .stride = 1, .pad = 1, .count_padding = false});
    auto const e = adaptive_average_pool(a, {.out = {6, 5}}), m = adaptive_max_pool(q, {.out = {6, 5}});
    auto const t = transpose(transpose(q, {2, 1, 3}), {2, 1, 3});
    auto const s = slice(slice(pad(a, {.begin = {1, 2}, .value = 0.4F}), {.axis = 1, .begin = -6}),
                         {.axis = 2, .begin = 0, .end = 5});
    auto const flip = slice(r, {.begin = -1, .step = -1});
    auto const c = concat({conv3(p, "slice0"), softmax(w), relu(conv3(q, "slice1", 5)), e, m, t, x});
    auto const d = conv3(c, "d"), f = deconv2d(s, {.filters = 6, .kernel = 3, .pad = 1, .name = "f"});
    auto const rows = concat({conv3(d, "rows0"), f, s, flip}, {.axis = 1});
    output(conv3(rows, "last"));
    output(d); // and read in 8 bits
    auto const both = concat({conv3(d, "both0"), conv3(d, "both1")});
    output(both);
    output(conv3(both, "of_both"));
    output(dense(flatten(channel_shuffle(conv3(flip, "shuffled"), {.groups = 3})),
                 {.units = 7, .name = "columns"}));
    auto const flat = dense(reshape(relu(conv3(reshape(r, {5, 6, 6}), "turned")), {10, 18},
                                    {.order = order::channels_last}),
                            {.units = 9, .name = "reshaped"});
    output(relu(flat) + flat);
  }
};

/// What is no number, or infinite, and bounds in the wrong order.
struct byte_extremes {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5, 3});
    auto const a = conv3(x, "a"), r = relu(conv3(a, "r"));
    auto const all = {sqrt(conv3(a, "root")),
                      log(conv3(a, "log")),
                      relu(log(conv3(a, "relu_of_log"))),
                      conv3(r, "by_zero") / r,
                      r / relu(conv3(a, "zero")),
                      exp(conv3(a, "large") * 200.0F),
                      maximum(sqrt(conv3(a, "nan_max")), r),
                      clip(conv3(a, "turned"), 0.75F, -0.5F),
                      clip(clip(conv3(a, "twice"), -0.25F, 2), 0.5F, 1),
                      sqrt(a),
                      log(r) * a};
    value sum = r;
    int k = 0;
    for (value const y : all) sum = conv3(y, label("end") + k++) + sum;
    output(sum);
  }
};

/// One and three image axes, strides, dilation, groups, weights of few bits.
struct byte_axes {
  static constexpr quantize_rules quantize{.weights_per_tensor = true,
                                           .weights = ia_nn::weight_range::reduced};
  static constexpr void build(builder& b) {
    auto const x = input(b, "line", {any_batch, 17, 8});
    auto const v = input(b, "volume", {any_batch, 3, 4, 5, 6});
    auto y = relu(conv1d(x, {.filters = 12, .kernel = 5, .stride = 2, .pad = 2, .groups = 4, .name = "a"}));
    y = conv1d(y, {.filters = 12, .kernel = 3, .dilation = 2, .groups = 12, .bias = false, .name = "b"});
    output(conv1d(max_pool(y, {.kernel = 2}), {.filters = 70, .name = "c"}));
    auto z = relu6(conv3d(v, {.filters = 6, .kernel = {2, 3, 3}, .pad = {0, 1, 1}, .name = "d"}));
    z = conv3d(average_pool(z, {.kernel = 2, .stride = 1}), {.filters = 33, .kernel = 1, .name = "e"});
    output(dense(relu(z), {.units = 65, .bias = false, .name = "f"}));
  }
};

/// A network in bf16 with layers in 8 bits between others.
struct byte_islands {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 4, 20});
    auto const narrow = [](value y, char const* name) { return dense(y, {.units = 20, .name = name}); };
    auto const bytes = [](value y, char const* name) {
      return dense(y, {.units = 20, .precision = precision::s8, .name = name});
    };
    auto const a = gelu(narrow(x, "a"));
    auto const c = tanh(bytes(a, "b")), d = relu(c) - a; // a chain of both types
    auto const e = bytes(d, "c"), w = narrow(x, "w");
    output(narrow(swish(e) * w, "d") + e);
    output(bytes(narrow(c, "e"), "f"));
    output(narrow(bytes(relu(w), "g"), "h") + narrow(bytes(relu(a), "i"), "j"));
  }
};
/// Recurrent layers whose states have the range of their results, between layers in 8 bits.
struct byte_states {
  static constexpr void build(builder& b) {
    auto x = dense(input(b, "x", {any_batch, 5, 7}), {.units = 20, .name = "a"});
    x = rnn(x, {.hidden = 9, .direction = direction::both, .activation = function::relu, .name = "b"});
    x = lstm(x, {.hidden = 20, .projection = 6, .name = "c"});
    output(dense(relu(x), {.units = 4, .name = "d"}));
  }
};

/// Tables whose rows are read in 8 bits, beside numbers that are converted; the last one is not.
struct byte_tables {
  static constexpr void build(builder& b) {
    auto const i = input(b, "i", {any_batch, 1}, value_type::s32),
               j = input(b, "j", {any_batch, 1}, value_type::s32);
    auto const x = input(b, "x", {any_batch, 6});
    auto const rows = concat({embedding(i, {.rows = 9, .width = 5, .name = "a"}),
                              embedding(j, {.rows = 4, .width = 70, .name = "b"}), x});
    output(relu(dense(rows, {.units = 9, .name = "d"})));
    output(dense(embedding(i, {.rows = 11, .width = 16, .name = "c"}), {.units = 3, .name = "e"}));
    output(softmax(embedding(j, {.rows = 5, .width = 4, .name = "f"})));
  }
};

} // namespace graph_nets
