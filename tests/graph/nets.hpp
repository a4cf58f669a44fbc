// SPDX-License-Identifier: Apache-2.0
//
// Small networks that have every operator between them.
#pragma once

#include <ia_nn/graph/layers/custom.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

#include <array>

namespace graph_nets {

using namespace ia_nn::graph;
using ia_nn::pad_mode;

struct images {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 6, 4});
    auto y = deconv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .pad = 1, .output_padding = 1,
                          .groups = 2, .name = "up"});
    y = relu(batch_norm(y, {.name = "up_norm"})); // 14 x 12 x 6
    output(y);
    output(deconv2d(x, {.filters = 3, .kernel = {1, 4}, .stride = {3, 1}, .bias = false}) * 0.5F);
    auto const g = group_norm(y, {.groups = 3, .name = "group"});
    output(gelu(instance_norm(g)));
    output(instance_norm(g, {.affine = true, .name = "instance"}));
    output(adaptive_average_pool(g, {.out = {5, 7}}));
    output(adaptive_max_pool(g, {.out = {4, 12}}));
    output(batch_norm(max_pool(g, {.kernel = 2}), {.name = "alone"})); // does not fold
    output(average_pool(y, {.kernel = 3, .stride = 2, .pad = 1}));
    output(average_pool(y, {.kernel = 4, .pad = 2, .ceil_mode = true, .count_padding = false}));
    output(lrn(y, {.size = 4, .alpha = 2.0F}) -
           lrn(y, {.size = 2, .alpha = 2.0F, .window = ia_nn::lrn_window::onnx}));
    output(reduce_mean(g, {.first = 1, .last = 2}) + global_average_pool(y));
  }
};

struct lines_and_volumes {
  static constexpr void build(builder& b) {
    auto const x = input(b, "line", {any_batch, 9, 5});
    auto const v = input(b, "volume", {any_batch, 3, 4, 5, 2});
    output(tanh(deconv1d(x, {.filters = 3, .kernel = 4, .stride = 3, .pad = 2, .dilation = 2})));
    output(conv1d(x, {.filters = 7, .kernel = 3, .stride = 2}));
    output(deconv3d(v, {.filters = 3, .kernel = 2, .stride = {1, 2, 1}}));
    output(sigmoid(conv3d(v, {.filters = 4, .kernel = {2, 3, 3}, .pad = {0, 1, 1}})));
  }
};

struct moves {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 6, 3});
    for (pad_mode const mode :
         {pad_mode::constant, pad_mode::reflect, pad_mode::edge, pad_mode::wrap})
      output(pad(x, {.begin = {2, 1}, .end = {1, 3}, .mode = mode, .value = 0.75F}));
    output(pad(x, {.axis = 2, .begin = {-2, 1}}));
    output(transpose(x, {3, 1, 2}));
    output(relu(transpose(x, {2, 1, 3})));
    output(slice(x, {.axis = 1, .begin = 1, .end = 4, .step = 2}));
    output(slice(x, {.axis = 2, .begin = -1, .step = -2}));
    auto const parts = split<3>(x);
    output(concat({parts[2], parts[0], tanh(parts[1])}));
    output(concat({slice(x, {.axis = 1, .end = 2}), x}, {.axis = 1}));
  }
};

struct repeated { // one operand is smaller
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 4, 5, 6});
    auto const gate = reshape(sigmoid(global_average_pool(x)), {1, 1, -1});
    output(conv2d(x, {.filters = 6, .name = "c"}) * gate);
    auto const row = slice(x, {.end = 1}); // (n, 4, 5, 1)
    output(relu(x - row));
    output(row / (abs(x) + 1.0F));
    auto const one = reshape(slice(reshape(x, {-1}), {.begin = 7, .end = 8}), {1, 1, 1});
    output(minimum(maximum(x, one), row));
    output(gelu(x + gate) * x - one);
  }
};

struct recurrent {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 5});
    output(lstm(x, {.hidden = 7, .layers = 2, .direction = direction::both, .name = "a"}));
    output(lstm(x, {.hidden = 9, .last_only = true, .projection = 4, .name = "b"}));
    output(gru(x, {.hidden = 8, .layers = 2, .direction = direction::both, .last_only = true,
                   .name = "c"}));
    output(gru(x, {.hidden = 6, .direction = direction::reverse, .bias = false,
                   .reset_before = true, .name = "d"}));
    output(relu(rnn(x, {.hidden = 17, .name = "e"}) * 2.0F));
    output(rnn(x, {.hidden = 5, .last_only = true, .activation = function::relu, .name = "f"}));
  }
};

/// Each layer is enough work for the members of a team.
struct large_recurrent {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 20});
    output(lstm(x, {.hidden = 70, .layers = 2, .direction = direction::both, .name = "a"}));
    output(gru(x, {.hidden = 96, .direction = direction::both, .last_only = true, .name = "b"}));
    output(gru(x, {.hidden = 96, .reset_before = true, .name = "c"}));
    output(rnn(x, {.hidden = 130, .direction = direction::reverse, .name = "d"}));
    output(rnn(x, {.hidden = 130, .last_only = true, .activation = function::relu, .name = "e"}));
  }
};

/// Layers that say what they multiply.
struct precise {
  static constexpr auto build(builder& b) {
    auto x = input(b, "x", {any_batch, 20});
    x = relu(dense(x, {.units = 40, .precision = precision::bf16, .name = "a"}));
    x = relu(dense(x, {.units = 30, .precision = precision::bf16_terms2, .name = "b"}));
    x = relu(dense(x, {.units = 20, .precision = precision::bf16_terms3, .name = "c"}));
    return relu(dense(x, {.units = 10, .precision = precision::f32, .name = "d"}));
  }
};

/// Values between steps that are bf16 in a bf16 network, written and read by all that can.
struct narrow {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 8, 9, 4});
    auto const c = gelu(conv2d(x, {.filters = 6, .kernel = 3, .pad = 1, .name = "a"}));
    auto y = deconv2d(max_pool(c, {.kernel = 2}), {.filters = 6, .kernel = 2, .stride = 2, .name = "b"});
    y = pad(average_pool(y, {.kernel = 3, .stride = 1, .pad = 1}), {.begin = {0, 0}, .end = {0, 1}, .value = 0.3F});
    y = conv2d(y, {.filters = 6, .kernel = 3, .pad = 1, .name = "c"}) + c;    // an operand of its type
    auto const gate = sigmoid(reduce_mean(c, {.first = 1, .last = 2, .keep = true}));
    auto const z = dropout(identity(swish(y * gate - c))); // of three types of operands
    auto const w = concat({slice(z, {.begin = 1, .end = 4}), transpose(transpose(z, {2, 1, 3}), {2, 1, 3}), c});
    y = hard_swish(conv2d(depthwise_conv2d(w, {.kernel = 3, .pad = 1, .name = "dw"}), {.filters = 7, .name = "pw"}));
    auto const f = dense(flatten(y), {.units = 12, .name = "d"});
    return dense(relu(dense(f * f + f, {.units = 20, .name = "e"})), {.units = 5, .name = "f"});
  }
};

struct halve {
  static constexpr char const* name = "halve";
  static constexpr dims shape(dims const& x) { return x; }
  static void run(custom_call const& c) noexcept {
    for (ia_nn::index_t i = 0; i < c.size; ++i) c.dst[i] = 0.5F * c.src[0][i];
  }
};

// Concats along both axes, branches, outputs of which one is an input, slices that are written by
// kernels of rows, a static batch, a constant.
struct mixed {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {2, 6, 6, 3});
    auto const p = relu(conv2d(x, {.filters = 5, .kernel = 3, .pad = 1, .name = "p"}));
    auto const q = max_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
    auto const c = concat({p, q, x});
    auto const d = lrn(layer_norm(concat({c, tanh(c)}, {.axis = 1}), {.name = "ln"}));
    auto const e = custom<halve>({d});
    return std::array<value, 5>{log_softmax(e), x, concat({flatten(q), flatten(p)}),
                                concat({softmax(d), log_softmax(d), lrn(e), layer_norm(d)}),
                                constant(x, 0.75F)};
  }
};

struct towers { // a group whose members need scratch memory of their own
  static constexpr void build(builder& b) {
    for (int i = 0; i < 3; ++i) {
      auto const x = input(b, label("in") + i, {any_batch, 10 + i});
      output(softmax(gelu(dense(x, {.units = 40, .name = label("fc") + i}))), label("out") + i);
    }
  }
};

/// With depthwise and 1x1 convolutions as one step.
template <class Net> struct paired : Net {
  static constexpr options passes{.fuse_pairs = true};
};

// Each end of a step, with and without something between; slices of a concat; 1 to 3 axes.
struct separable {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 9, 7, 18});
    auto y = depthwise_conv2d(x, {.kernel = 3, .pad = 1, .bias = false, .name = "first"});
    y = relu6(batch_norm(y, {.name = "first_norm"}));
    y = batch_norm(conv2d(y, {.filters = 35, .name = "second"}), {.name = "second_norm"});
    auto const c = relu(y);
    y = depthwise_conv2d(c, {.kernel = {1, 3}, .stride = 2, .name = "narrow"});
    y = gelu(conv2d(y, {.filters = 18, .bias = false, .name = "none_between"})); // 5 x 3
    output(y);
    auto const z = clip(batch_norm(depthwise_conv2d(y, {.kernel = 3, .pad = 1})), -0.5F, 0.25F);
    output(relu(conv2d(z, {.filters = 18}) + y));
    output(concat({conv2d(depthwise_conv2d(y, {.kernel = 3, .pad = 1}), {.filters = 3}), y}));
    auto const line = reshape(c, {63, 35});
    output(conv1d(relu(conv1d(line, {.filters = 35, .kernel = 5, .groups = 35})), {.filters = 17}));
    auto const v = reshape(c, {3, 3, 7, 35});
    output(conv3d(conv3d(v, {.filters = 35, .kernel = 2, .groups = 35}), {.filters = 4}));
  }
};

// Either operand, behind a kernel and alone, whole and repeated.
struct extremes {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 3, 19}), y = input(b, "y", {any_batch, 3, 19});
    output(maximum(x, y));
    output(minimum(x, y));
    output(minimum(maximum(relu(y), x), y * 2.0F));
    auto const fc = dense(x, {.units = 19, .name = "fc"});
    output(maximum(fc, y));
    output(relu6(minimum(y, gelu(dense(x, {.units = 19, .name = "gelu"})))));
    auto const row = slice(x, {.end = 1}), item = slice(y, {.axis = 1, .end = 1});
    output(maximum(row, y));
    output(minimum(x, item));
    output(minimum(maximum(y, slice(row, {.axis = 1, .end = 1})), 0.5F));
    output(maximum(abs(x), constant(x, __builtin_nanf(""))));
  }
};
// Means of many numbers, each by its own name.
struct means {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 25, 40, 19});
    output(global_average_pool(x));
    output(reduce_mean(x, {.first = 1, .last = 2}));
    output(reduce_mean(reshape(x, {1000, 19}), {.first = 1, .last = 1, .keep = true}));
    output(reduce_mean(reshape(x, {19000}), {.first = 1, .last = 1, .keep = true}));
  }
};
// A parameter as each of what it can be: named after it.
constexpr value learned_in(value like, dims const& shape, char const* name,
                           order o = order::of_value) {
  return parameter(like, {.shape = shape, .order = o, .name = name});
}
struct learned {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 3, 6});
    constexpr dims image{5, 3, 6};
    auto const c = conv2d(x, {.filters = 6, .kernel = 3, .pad = 1, .name = "c"});
    output(abs(c * learned_in(c, {6}, "scale") + learned_in(c, {1}, "shift")));
    output(relu(learned_in(c, {6}, "first") - conv2d(x, {.filters = 6, .name = "c2"})));
    output(learned_in(c, image, "dividend") / (square(x) + 1.0F)); // channels first in PyTorch
    output(conv2d(x, {.filters = 6, .name = "c3"}) +
           learned_in(c, image, "positions", order::channels_last));
    output(x * learned_in(x, {5, 3, 1}, "of_rows") + learned_in(x, {1, 1, 1}, "of_all"));
    output(softmax(learned_in(x, image, "of_softmax")));
    output(learned_in(x, {7}, "of_output"));
    output(learned_in(x, {2, 6}, "two") + learned_in(x, {6}, "one"));
    output(concat({x, learned_in(x, {5, 3, 2}, "slice")}));
    auto const twice = learned_in(x, image, "twice"); // an operand, and in memory
    output(concat({x + twice, twice}, {.axis = 1}));
    auto const gate = reduce_mean(x, {.first = 1, .last = 2, .keep = true});
    output(gate * learned_in(x, image, "larger"));
    // Columns in the order of an image.
    auto const f = flatten(relu(x));
    auto y = f * learned_in(f, {90}, "columns") - learned_in(f, {1}, "number");
    output(dense(y, {.units = 4, .name = "fc"}));
    output(f + learned_in(f, {90}, "sum"));
    y = concat({flatten(x * 2.0F), f}) + learned_in(f, {180}, "of_parts");
    output(dense(y, {.units = 3, .name = "fc2"}));
    output(dense(learned_in(f, {90}, "source"), {.units = 3, .name = "fc3"}) * 2.0F);
    output(flatten(learned_in(x, image, "flat")) + learned_in(f, {90}, "to_flat"));
  }
};
// Class token, positions, a block with layer scale, and a head that reads the token.
struct vision_head {
  static constexpr auto build(builder& b) {
    auto const image = input(b, "image", {any_batch, 8, 8, 3});
    auto x = conv2d(image, {.filters = 20, .kernel = 4, .stride = 4, .name = "patch_embed.proj"});
    x = reshape(x, {4, 20});
    x = concat({learned_in(x, {20}, "cls_token"), x}, {.axis = 1});
    x = x + learned_in(x, {5, 20}, "pos_embed");
    auto y = layer_norm(x, {.name = "blocks.0.norm2"});
    y = gelu(dense(y, {.units = 40, .name = "blocks.0.mlp.fc1"}));
    y = dense(y, {.units = 20, .name = "blocks.0.mlp.fc2"});
    x = x + y * learned_in(y, {20}, "blocks.0.ls2.gamma");
    auto const token = flatten(slice(layer_norm(x, {.name = "norm"}), {.axis = 1, .end = 1}));
    return dense(token, {.units = 3, .name = "head"});
  }
};
struct of_three { // a batch that is not open
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {3, 4, 6});
    return concat({learned_in(x, {6}, "token"), x * learned_in(x, {4, 6}, "scales")}, {.axis = 1});
  }
};
struct resized {
  static constexpr void build(builder& b) {
    using ia_nn::resize_places, ia_nn::resize_rounding;
    auto const x = input(b, "x", {any_batch, 5, 4, 8});
    auto const y = conv2d(x, {.filters = 8, .kernel = 3, .pad = 1, .name = "c"});
    output(conv2d(resize(y, {.scale = 2}), {.filters = 3, .name = "d"}));
    output(resize(x, {.size = {3, 9}, .places = resize_places::half_pixel, .rounding = resize_rounding::half_down}));
    output(resize(x, {.scale = {1.7F, 0.5F}, .places = resize_places::half_pixel, .rounding = resize_rounding::half_up}));
    output(resize(x, {.size = {7, 1}, .places = resize_places::align_corners, .rounding = resize_rounding::up}));
    for (resize_places const p : {resize_places::half_pixel, resize_places::align_corners, resize_places::asymmetric})
      output(tanh(resize(y, {.size = {8, 3}, .mode = interpolation::linear, .places = p})));
    output(resize(x, {.scale = 2.6F, .mode = interpolation::linear, .places = resize_places::half_pixel}));
    auto const v = input(b, "v", {any_batch, 3, 2, 4, 5});
    output(resize(v, {.size = {5, 2, 3}, .mode = interpolation::linear, .places = resize_places::half_pixel}));
    output(resize(v, {.scale = {2, 1, 1.5F}}));
    for (auto const order : {ia_nn::shuffle_order::column_row_depth, ia_nn::shuffle_order::depth_column_row}) {
      output(relu(pixel_shuffle(y, {.block = 2, .order = order})));
      output(pixel_unshuffle(resize(y, {.size = {6, 3}}), {.block = 3, .order = order}));
    }
  }
};
struct chosen { // where and running sums
  static constexpr void build(builder& b) {
    using ia_nn::comparison;
    auto const x = input(b, "x", {any_batch, 4, 3, 18}), y = input(b, "y", {any_batch, 4, 3, 18});
    output(where(relu(x), x, y));
    auto const row = slice(x, {.end = 1}), item = slice(slice(y, {.axis = 1, .end = 1}), {.axis = 2, .end = 1});
    output(where(row, y, constant(row, 0.25F), {.is = comparison::less, .than = 0.5F}));
    output(concat({where(x, item, row, {.is = comparison::greater_equal}), y}));
    output(tanh(where(item, slice(item, {.end = 1}), x, {.is = comparison::less_equal, .than = -0.1F})));
    output(where(x - x, x, y, {.is = comparison::equal}) * 2.0F);
    output(where(x, y, x, {.is = comparison::greater, .than = 0.1F}));
    output(cumulative_sum(conv2d(x, {.filters = 18, .name = "c"}), {.axis = 1}));
    output(cumulative_sum(x, {.axis = 2, .exclusive = true}));
    output(cumulative_sum(x, {.reverse = true}));
    output(cumulative_sum(y, {.axis = 1, .exclusive = true, .reverse = true}));
  }
};
struct lengths { // norms of rows
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 4, 3, 21});
    auto const y = l2_norm(conv2d(x, {.filters = 21, .kernel = 3, .pad = 1, .name = "c"}), {.name = "l2"});
    output(conv2d(y, {.filters = 4, .name = "d"}));
    output(concat({rms_norm(x, {.name = "rms"}), l2_norm(x, {.p = 1, .affine = false}), rms_norm(y, {.affine = false})}));
  }
};
/// Products of values, heads one after the other and transposed.
struct products {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 7, 12}), y = input(b, "y", {any_batch, 5, 12});
    output(relu(matmul(x, y, {.transposed_b = true}))); // 7 x 5
    output(matmul(dense(x, {.units = 6, .name = "q"}), x, {.transposed_a = true}));
    auto const heads = transpose(reshape(x, {7, 3, 4}, {.order = order::channels_last}), {2, 1, 3}); // 3 x 7 x 4
    auto const one = reshape(y, {15, 4}, {.order = order::channels_last});
    auto const s = matmul(heads, one, {.transposed_b = true}); // each head by the same
    output(concat({softmax(s), matmul(s, matmul(s, s, {.transposed_a = true}))}));
    output(matmul(one, heads, {.transposed_b = true}) * 0.5F);
  }
};
/// Self and cross attention, all that may be hidden, a block as transformers have it.
struct attending {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 9, 12}), y = input(b, "y", {any_batch, 6, 12});
    auto const n = input(b, "n", {any_batch, 1}, value_type::s32);
    auto const qkv = split<3>(dense(x, {.units = 36, .name = "qkv"}));
    auto z = attention(qkv[0], qkv[1], qkv[2], {.heads = 3, .causal = true, .name = "self"});
    z = x + dense(z, {.units = 12, .name = "out"});
    output(z);
    auto const v = dense(y, {.units = 8, .name = "v"});
    output(relu(attention(z, y, v, {.heads = 4, .lengths = n, .name = "cross"})));
    auto const mask = dense(z, {.units = 6, .name = "mask"}); // of each query
    output(concat({attention(z, y, v, {.heads = 2, .mask = mask}), x}));
    auto const by_key = slice(reshape(mask, {1, 9, 6}, {.order = order::channels_last}), {.axis = 2, .end = 1});
    output(attention(z, y, y, {.causal = true, .mask = by_key, .lengths = n, .scale = 0.25F, .name = "all"}));
  }
};
struct tables { // one lookup in two tables, and one alone
  static constexpr auto build(builder& b) {
    auto const i = input(b, "i", {any_batch, 3}, value_type::s32),
               j = input(b, "j", {any_batch, 3}, value_type::s32);
    return std::array<value, 2>{
        concat({embedding(i, {.rows = 9, .width = 5, .name = "a"}),
                embedding(j, {.rows = 4, .width = 7, .name = "b"})}),
        tanh(embedding(i, {.rows = 11, .width = 16, .name = "c"}))};
  }
};
struct selected { // the largest and the smallest
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 4, 9, 6}), rows = input(b, "rows", {any_batch, 70});
    output(top_k(x, {.k = 3}));
    output(top_k(x, {.k = 4, .axis = 2, .largest = false, .sorted = false}));
    output(top_k_indices(x, {.k = 2, .axis = 1}));
    output(top_k_indices(rows, {.k = 5, .largest = false}));
    output(arg_max(rows));
    output(arg_max(x, {.axis = 2}));
    output(arg_min(x, {.axis = 1, .keep = true, .last = true}));
    // Indices that are made here are read here.
    auto const best = top_k_indices(rows, {.k = 2, .type = value_type::s32});
    output(gather(reshape(rows, {70, 1}), best));
    output(embedding(arg_max(rows, {.type = value_type::s32}), {.rows = 70, .width = 3, .name = "table"}));
    output(relu(top_k(conv2d(x, {.filters = 6, .name = "c"}), {.k = 2, .axis = 1})));
  }
};
struct indexed { // gather, scatter, one-hot rows, bags
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 7, 3});
    auto const i = input(b, "i", {any_batch, 4}, value_type::s32), j = input(b, "j", {any_batch, 2, 3}, value_type::s32);
    auto const each = input(b, "each", {any_batch, 5, 2, 3}, value_type::s32);
    output(gather(x, i));
    output(gather(x, i, {.axis = -1}));
    output(gather(slice(x, {.axis = 1, .end = 3}), j, {.axis = 2}));
    output(gather_elements(x, each, {.axis = 2}));
    output(scatter(x, slice(x, {.axis = 2, .end = 2}), each, {.axis = 2}));
    output(scatter(x, slice(x, {.axis = 2, .begin = 3, .end = 5}), each, {.axis = 2, .add = true}));
    output(one_hot(i, {.depth = 5}));
    output(one_hot(j, {.depth = 3, .on = 2, .off = -0.5F}));
    auto const ids = input(b, "ids", {any_batch, 2, 6}, value_type::s32);
    for (ia_nn::bag_kind const mode : {ia_nn::bag_kind::sum, ia_nn::bag_kind::mean, ia_nn::bag_kind::max})
      output(embedding_bag(ids, {.rows = 9, .width = 19, .mode = mode, .name = label("bag") + static_cast<int>(mode)}));
    // What is moved has any type.
    auto const c = relu(conv2d(x, {.filters = 8, .kernel = 3, .pad = 1, .name = "a"}));
    output(conv2d(gather(c, i), {.filters = 3, .name = "b"}));
    output(conv2d(gather_elements(conv2d(x, {.filters = 3, .name = "d"}), each, {.axis = 2}), {.filters = 3, .name = "e"}));
  }
};
struct detector { // boxes, regions
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6, 7, 18}), boxes = input(b, "boxes", {any_batch, 9, 4});
    auto const scores = input(b, "scores", {any_batch, 9, 3}), deltas = input(b, "deltas", {any_batch, 9, 12});
    output(suppress(boxes, scores, {.score_threshold = -0.25F, .iou_threshold = 0.25F, .background = 1,
                                    .candidates = 7, .per_class = 4, .detections = 8}));
    auto const decoded = decode_boxes(deltas, boxes, {.centre_variance = 0.1F, .size_variance = 0.2F});
    output(decoded);
    output(suppress(decoded, scores, {.iou_threshold = 0.3F, .detections = 20}));
    auto const priors = parameter(boxes, {.shape = {9, 4}, .order = order::channels_last, .name = "priors"});
    output(decode_boxes(slice(deltas, {.end = 4}), priors, {.image_height = 2, .image_width = 3}));
    output(roi_pool(x, boxes, {.out = {3, 2}, .scale = 2}));
    output(roi_align(x, boxes, {.out = 2, .scale = 3, .sampling = 2, .aligned = true}));
    output(roi_align(x, boxes, {.out = {1, 3}, .scale = 3}));
  }
};

} // namespace graph_nets
