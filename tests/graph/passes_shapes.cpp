// SPDX-License-Identifier: Apache-2.0
//
// Shapes of all layers, and what is said about those that do not fit: proved by the compiler. Each
// sentence names the layer and the shapes.
#include "../catch.hpp"
#include "patterns.hpp"

#include <ia_nn/graph/show/cost.hpp>
#include <ia_nn/graph/layers/custom.hpp>

#include <climits>

namespace {

using namespace patterns;
using ia_nn::index_t;

/// The shape of what `body` makes of (any, 8, 8, 4).
constexpr dims shape_of(auto body) {
  builder b;
  output(body(input(b, "x", {any_batch, 8, 8, 4})));
  return b.net.wrong() ? dims{} : b.net[b.net.count() - 1].shape;
}
constexpr node node_of(auto body) {
  builder b;
  body(input(b, "x", {any_batch, 8, 8, 4}));
  return b.net[b.net.count() - 1];
}
template <auto Body> constexpr std::string_view said = mistake<net<Body>>();

// ---- windows
// ------------------------------------------------------------------------------------------
static_assert(shape_of([](value x) {
                return conv2d(x, {.filters = 6, .kernel = 3, .stride = 2, .pad = 1});
              }) == dims{any_batch, 4, 4, 6});
static_assert(shape_of([](value x) {
                return conv2d(x, {.filters = 6, .kernel = {1, 3}, .dilation = 2});
              }) == dims{any_batch, 8, 4, 6});
static_assert(shape_of([](value x) {
                return max_pool(x, {.kernel = 3, .stride = 2, .ceil_mode = true});
              }) == dims{any_batch, 4, 4, 4});
static_assert(shape_of([](value x) { // one window beyond the image
                return max_pool(x, {.kernel = 10, .stride = 3, .ceil_mode = true});
              }) == dims{any_batch, 1, 1, 4});
static_assert(shape_of([](value x) { return global_average_pool(x); }) == dims{any_batch, 4});
static_assert(shape_of([](value x) {
                return deconv2d(x, {.filters = 6, .kernel = 4, .stride = 2, .pad = 1});
              }) == dims{any_batch, 16, 16, 6});
static_assert(shape_of([](value x) {
                return deconv2d(x, {.filters = 6,
                                    .kernel = {3, 2},
                                    .stride = {3, 1},
                                    .pad = {1, 0},
                                    .output_padding = {2, 0}});
              }) == dims{any_batch, 24, 9, 6}); // 7 * 3 + 3 - 2 + 2
static_assert(shape_of([](value x) {
                return deconv1d(reshape(x, {64, 4}), {.filters = 2, .kernel = 2, .stride = 2});
              }) == dims{any_batch, 128, 2});
static_assert(shape_of([](value x) {
                return deconv3d(reshape(x, {4, 4, 4, 4}),
                                {.filters = 2, .kernel = 3, .dilation = 2, .groups = 2});
              }) == dims{any_batch, 8, 8, 8, 2});
static_assert(shape_of([](value x) { return adaptive_max_pool(x, {.out = 3}); }) ==
              dims{any_batch, 3, 3, 4});
static_assert(shape_of([](value x) { return adaptive_average_pool(x, {.out = {1, 4}}); }) ==
              dims{any_batch, 1, 4, 4});
// Windows that are all alike are an ordinary pool.
static_assert(node_of([](value x) { return adaptive_max_pool(x, {.out = 3}); }).attributes.adaptive);
static_assert(node_of([](value x) {
                return adaptive_average_pool(x, {.out = {2, 8}});
              }).attributes.win.kernel == ia_nn::spatial{1, 4, 1});
static_assert(!node_of([](value x) { return adaptive_max_pool(x, {.out = 4}); }).attributes.adaptive);

// ---- moves
// --------------------------------------------------------------------------------------------

static_assert(shape_of([](value x) { return concat({x, relu(x)}, {.axis = 1}); }) ==
              dims{any_batch, 16, 8, 4});
static_assert(shape_of([](value x) { return flatten(x); }) == dims{any_batch, 256});
static_assert(shape_of([](value x) { return reshape(x, {2, 2, -1}); }) == dims{any_batch, 2, 2, 64});
static_assert(shape_of([](value x) { return slice(x, {.axis = 1, .begin = 2, .end = -1}); }) ==
              dims{any_batch, 5, 8, 4});
static_assert(shape_of([](value x) { return slice(x, {.axis = 2, .begin = 1, .step = 3}); }) ==
              dims{any_batch, 8, 3, 4}); // 1 4 7
constexpr node reversed = node_of([](value x) { return slice(x, {.step = -1}); });
static_assert(reversed.shape == dims{any_batch, 8, 8, 4} && reversed.attributes.first == 3 &&
              reversed.attributes.step == -1);
static_assert(shape_of([](value x) {
                return slice(x, {.axis = 1, .begin = 6, .end = 1, .step = -2});
              }) == dims{any_batch, 3, 8, 4}); // 6 4 2
// Ends beyond the axis, and numbers that stand for "to the end", are as in ONNX and NumPy.
struct cut {
  index_t first, step, count;
  friend constexpr bool operator==(cut const&, cut const&) = default;
};
template <slice_layer O> constexpr cut cut_of() {
  node const n = node_of([](value x) { return slice(x, O); }); // axis 1: 8 elements
  return {n.attributes.first, n.attributes.step, n.shape.rank > 0 ? n.shape[1] : -1};
}
constexpr index_t most = INT64_MAX, least = INT64_MIN;
static_assert(cut_of<{.axis = 1, .begin = 3, .end = INT_MAX}>() == cut{3, 1, 5});
static_assert(cut_of<{.axis = 1, .begin = INT_MIN, .end = INT_MAX}>() == cut{0, 1, 8});
static_assert(cut_of<{.axis = 1, .begin = least, .end = most}>() == cut{0, 1, 8});
static_assert(cut_of<{.axis = 1, .begin = -3, .end = 100}>() == cut{5, 1, 3});
static_assert(cut_of<{.axis = 1, .begin = -100, .end = -6}>() == cut{0, 1, 2});
static_assert(cut_of<{.axis = 1, .begin = INT_MAX, .end = INT_MIN, .step = -1}>() ==
              cut{7, -1, 8});
static_assert(cut_of<{.axis = 1, .begin = most, .end = least, .step = -3}>() == cut{7, -3, 3});
static_assert(cut_of<{.axis = 1, .begin = 5, .end = -100, .step = -2}>() == cut{5, -2, 3});
static_assert(cut_of<{.axis = 1, .begin = 2, .step = most}>() == cut{2, 8, 1});
static_assert(cut_of<{.axis = 1, .begin = 2, .step = least}>() == cut{2, -8, 1});
static_assert(cut_of<{.axis = 1, .end = -1, .step = -1}>() == cut{7, -1, -1}); // nothing
static_assert(cut_of<{.axis = 1, .begin = most, .end = most}>() == cut{8, 1, -1});

static_assert(shape_of([](value x) {
                auto const [a, b] = split<2>(x);
                return concat({b, a, b});
              }) == dims{any_batch, 8, 8, 6});
static_assert(shape_of([](value x) { return pad(x, {.begin = {1, 2}, .end = {0, 3}}); }) ==
              dims{any_batch, 9, 13, 4});
static_assert(shape_of([](value x) { return pad(x, {.axis = -1, .begin = 5, .end = -2}); }) ==
              dims{any_batch, 8, 8, 7});
static_assert(shape_of([](value x) { return transpose(x, {3, 1, 2}); }) ==
              dims{any_batch, 4, 8, 8});
static_assert(shape_of([](value x) { return transpose(reshape(x, {64, 4}), {2, 1}); }) ==
              dims{any_batch, 4, 64});

// ---- normalizations, means, recurrent layers
// ----------------------------------------------------------

static_assert(shape_of([](value x) { return group_norm(x, {.groups = 2}); }) ==
              dims{any_batch, 8, 8, 4});
static_assert(node_of([](value x) { return instance_norm(x); }).attributes.groups == 4);
static_assert(shape_of([](value x) { return reduce_mean(x, {.first = 1, .last = 2}); }) ==
              dims{any_batch, 4});
static_assert(shape_of([](value x) { return reduce_mean(x, {.first = -1, .last = -1}); }) ==
              dims{any_batch, 8, 8});
static_assert(shape_of([](value x) {
                return reduce_mean(x, {.first = 2, .last = 3, .keep = true});
              }) == dims{any_batch, 8, 1, 1});

constexpr value sequence(value x) { return reshape(flatten(x), {8, 32}); }
static_assert(shape_of([](value x) { return lstm(sequence(x), {.hidden = 5}); }) ==
              dims{any_batch, 8, 5});
static_assert(shape_of([](value x) {
                return gru(sequence(x), {.hidden = 5, .last_only = true});
              }) == dims{any_batch, 5});
static_assert(shape_of([](value x) {
                return rnn(sequence(x), {.hidden = 5, .layers = 3, .direction = direction::both});
              }) == dims{any_batch, 8, 10});
static_assert(shape_of([](value x) {
                return lstm(sequence(x), {.hidden = 5,
                                          .direction = direction::both,
                                          .last_only = true,
                                          .projection = 3});
              }) == dims{any_batch, 6});
// Layers of 4 x 5 x (32 + 5 + 2) and 4 x 5 x (5 + 5 + 2) numbers.
struct stacked {
  static constexpr auto build(builder& b) {
    return lstm(input(b, "x", {2, 8, 32}), {.hidden = 5, .layers = 2, .name = "l"});
  }
};
static_assert(weight_count(original<stacked>, 1) == 20 * 39 + 20 * 12);

// ---- what layers do if nothing is said: what PyTorch's of the same names do
// ------------------------------------------------------------------------------------------------

constexpr attribute_set given(auto body) { return node_of(body).attributes; }
static_assert(given([](value x) { return average_pool(x, {.kernel = 2}); }).count_padding);
static_assert(given([](value x) { return max_pool(x, {.kernel = {2, 3}}); }).win.stride ==
              ia_nn::spatial{1, 2, 3});
static_assert(!given([](value x) { return max_pool(x, {.kernel = 2}); }).ceil_mode);
static_assert(given([](value x) { return lrn(x); }).sums == ia_nn::lrn_window::pytorch);
static_assert(given([](value x) { return lrn(x, {.size = 2}); }).alpha == 1e-4F &&
              given([](value x) { return lrn(x); }).beta == 0.75F &&
              given([](value x) { return lrn(x); }).offset == 1);
static_assert(!given([](value x) { return instance_norm(x); }).affine &&
              given([](value x) { return group_norm(x, {.groups = 2}); }).affine &&
              given([](value x) { return layer_norm(x); }).affine &&
              given([](value x) { return batch_norm(x); }).affine);
static_assert(given([](value x) { return instance_norm(x); }).epsilon == 1e-5F &&
              given([](value x) { return group_norm(x, {}); }).epsilon == 1e-5F &&
              given([](value x) { return layer_norm(x); }).epsilon == 1e-5F &&
              given([](value x) { return batch_norm(x); }).epsilon == 1e-5F);
constexpr bool same_function(auto body, function f, float a, float b) {
  attribute_set const with = given(body);
  return with.act == f && with.a == a && with.b == b;
}
// By its own name, and by that of the function alone.
#define IA_NN_TEST_FUNCTION(name, a, b)                                                            \
  static_assert(same_function([](value x) { return name(x); }, function::name, a, b) &&            \
                same_function([](value x) { return activation(x, function::name); },               \
                              function::name, a, b))
IA_NN_TEST_FUNCTION(leaky_relu, 0.01F, 0);
IA_NN_TEST_FUNCTION(elu, 1, 0);
IA_NN_TEST_FUNCTION(celu, 1, 0);
IA_NN_TEST_FUNCTION(selu, 1.6732632423543772F, 1.0507009873554805F);
IA_NN_TEST_FUNCTION(hard_sigmoid, 1.0F / 6, 0.5F);
IA_NN_TEST_FUNCTION(swish, 1, 0);
IA_NN_TEST_FUNCTION(gelu, 0, 0);
#undef IA_NN_TEST_FUNCTION
static_assert(same_function([](value x) { return silu(x); }, function::swish, 1, 0));
static_assert(same_function([](value x) { return relu6(x); }, function::clip, 0, 6));

// ---- two values
// ---------------------------------------------------------------------------------------

constexpr dims whole{any_batch, 8, 6, 4};
static_assert(spread_of(whole, whole) == spread::none);
static_assert(spread_of(whole, {any_batch, 1, 1, 4}) == spread::channels);
static_assert(spread_of(whole, {any_batch, 8, 6, 1}) == spread::rows);
static_assert(spread_of(whole, {any_batch, 1, 1, 1}) == spread::items);
static_assert(spread_of(whole, {any_batch, 8, 1, 4}) == spread::wrong);
static_assert(spread_of(whole, {any_batch, 4}) == spread::wrong);
static_assert(spread_of({any_batch, 4}, {any_batch, 1}) == spread::rows);
constexpr auto gate = [](value x) { return reshape(reduce_mean(x, {.last = 2}), {1, 1, 4}); };
static_assert(shape_of([](value x) { return gate(x) / x; }) == dims{any_batch, 8, 8, 4});
static_assert(shape_of([](value x) { return maximum(x, gate(x)); }) == dims{any_batch, 8, 8, 4});

// ---- your own
// -----------------------------------------------------------------------------------------

struct halve {
  static constexpr char const* name = "halve";
  static constexpr dims shape(dims const& x) { return x; }
  static void run(custom_call const& c) noexcept {
    for (index_t i = 0; i < c.size; ++i) c.dst[i] = 0.5F * c.src[0][i];
  }
};
static_assert(shape_of([](value x) { return custom<halve>({x}); }) == dims{any_batch, 8, 8, 4});

// ---- sentences
// ----------------------------------------------------------------------------------------

static_assert(said<[](value x) {
                return conv2d(x, {.filters = 8, .channels = 128, .name = "stage2.conv1"});
              }> == "ia_nn: conv2d 'stage2.conv1': input has 4 channels, weights expect 128");
static_assert(said<[](value x) { return add(x, max_pool(x, {.kernel = 2}), {.name = "sum"}); }> ==
              "ia_nn: add 'sum': input 'x' has shape (any, 8, 8, 4), max_pool 'max_pool_1' (any, 4, "
              "4, 4)");
static_assert(said<[](value x) {
                return relu(x, {.name = "a"}) / dense(x, {.units = 3, .name = "b"});
              }> == "ia_nn: divide 'divide_3': relu 'a' has shape (any, 8, 8, 4), dense 'b' (any, 8, "
                    "8, 3)");
static_assert(said<[](value x) { return conv2d(x, {.filters = 8, .kernel = 9, .name = "c"}); }> ==
              "ia_nn: conv2d 'c': height: the kernel reaches over 9 elements, the padded input "
              "(any, 8, 8, 4) has 8");
static_assert(said<[](value x) { return conv2d(flatten(x), {.filters = 8, .name = "c"}); }> ==
              "ia_nn: conv2d 'c': input (any, 256) must be (batch, height, width, channels)");
static_assert(said<[](value x) { return conv2d(x, {.filters = 8, .groups = 3, .name = "c"}); }> ==
              "ia_nn: conv2d 'c': 3 groups do not divide 4 channels of input (any, 8, 8, 4) and 8 "
              "filters");
static_assert(said<[](value x) { return dense(x, {.units = 8, .columns = 5, .name = "fc"}); }> ==
              "ia_nn: dense 'fc': input (any, 8, 8, 4) has 4 columns, weights expect 5");
static_assert(
    said<[](value x) { return concat({x, max_pool(x, {.kernel = 2})}, {.name = "cat"}); }> ==
    "ia_nn: concat 'cat': input 'x' has shape (any, 8, 8, 4), max_pool 'max_pool_1' (any, 4, 4, 4), "
    "to be joined along axis 3");
static_assert(said<[](value x) { return reshape(x, {3, -1}, {.name = "r"}); }> ==
              "ia_nn: reshape 'r': input (any, 8, 8, 4) has not as many elements as (any, 3, any)");
static_assert(said<[](value x) { return reshape(x, {most, most}, {.name = "r"}); }>.starts_with(
    "ia_nn: reshape 'r': input (any, 8, 8, 4) has not as many elements as (any, 92233720"));
static_assert(said<[](value x) { return pad(x, {.begin = most, .name = "p"}); }> ==
              "ia_nn: pad 'p': 9223372036854775807 elements at an axis");
static_assert(said<[](value x) { return embedding(x, {.rows = 9, .width = 2, .name = "e"}); }> ==
              "ia_nn: embedding 'e': input 'x' has f32 elements, s32 indices are needed");
static_assert(said<[](value x) {
                auto const ids = input(*x.owner, "ids", {any_batch, 8, 8, 4}, value_type::s32);
                return maximum(x, ids, {.name = "m"});
              }> == "ia_nn: maximum 'm': input 'ids' holds s32 indices, f32 elements are needed");
// Numbers for other axes than the image has.
static_assert(said<[](value x) { return conv2d(x, {.kernel = {1, 3, 5}, .name = "c"}); }> ==
              "ia_nn: conv2d 'c': 3 numbers for 2 axes of input (any, 8, 8, 4)");
static_assert(said<[](value x) {
                return conv1d(reshape(x, {64, 4}), {.kernel = {3, 5}, .name = "c"});
              }> == "ia_nn: conv1d 'c': 2 numbers for 1 axis of input (any, 64, 4)");
constexpr auto volume = [](value x) { return reshape(x, {2, 4, 8, 4}); };
static_assert(said<[](value x) {
                return conv3d(volume(x), {.kernel = 3, .pad = 1, .pad_end = {1, 1}, .name = "c"});
              }> == "ia_nn: conv3d 'c': 2 numbers for 3 axes of input (any, 2, 4, 8, 4)");
static_assert(said<[](value x) {
                return deconv2d(x, {.stride = 2, .output_padding = {0, 1, 1}, .name = "d"});
              }> == "ia_nn: deconv2d 'd': 3 numbers for 2 axes of input (any, 8, 8, 4)");
static_assert(said<[](value x) { return max_pool(volume(x), {.kernel = 2, .pad = {1, 1}}); }> ==
              "ia_nn: max_pool: 2 numbers for 3 axes of input (any, 2, 4, 8, 4)");
static_assert(said<[](value x) {
                return adaptive_max_pool(reshape(x, {64, 4}), {.out = {2, 4}});
              }> == "ia_nn: adaptive_max_pool: 2 numbers for 1 axis of input (any, 64, 4)");
// What a recurrent layer would not use.
constexpr auto line = [](value x) { return reshape(x, {64, 4}); };
static_assert(said<[](value x) {
                return rnn(line(x), {.activation = function::gelu, .name = "r"});
              }> == "ia_nn: rnn 'r': the activation is tanh or relu");
static_assert(said<[](value x) { return lstm(line(x), {.activation = function::relu}); }> ==
              "ia_nn: lstm: an rnn alone has another activation");
static_assert(said<[](value x) { return gru(line(x), {.hidden = 3, .projection = 2}); }> ==
              "ia_nn: gru: an lstm alone has a projection");
static_assert(said<[](value x) { return rnn(line(x), {.reset_before = true}); }> ==
              "ia_nn: rnn: a gru alone has reset_before");
// Channels first by mistake.
static_assert(said<[](value x) {
                auto const y = input(*x.owner, "y", {any_batch, 3, 32, 32});
                return std::array{x, conv2d(y, {.filters = 8, .kernel = 5, .name = "c"})};
              }> == "ia_nn: conv2d 'c': height: the kernel reaches over 5 elements, the padded input "
                    "(any, 3, 32, 32) has 3: images are (batch, height, width, channels)");
static_assert(said<[](value x) {
                auto const y = input(*x.owner, "y", {any_batch, 64, 32, 32});
                return std::array{x, conv2d(y, {.filters = 8, .channels = 64, .name = "c"})};
              }> == "ia_nn: conv2d 'c': input has 32 channels, weights expect 64: images are (batch, "
                    "height, width, channels)");
static_assert(said<[](value x) { return lstm(x, {.hidden = 2, .name = "l"}); }> ==
              "ia_nn: lstm 'l': input (any, 8, 8, 4) must be (batch, time, features)");
static_assert(said<[](value x) {
                return dense(dense(x, {.units = 1, .name = "fc"}), {.units = 1, .name = "fc"});
              }> == "ia_nn: dense 'fc': another layer has this name");
static_assert(said<[](value) {}> == "ia_nn: network: nothing is an output");
static_assert(said<[](value x) { return relu(input(*x.owner, "y", {any_batch, 2})); }> ==
              "ia_nn: input 'x': nothing reads it");
static_assert(said<[](value x) { return x + input(*x.owner, "y", {3, 8, 8, 4}); }> ==
              "ia_nn: input 'y': its batch differs from that of another input");
static_assert(said<[](value x) { // what comes first is reported
                return flatten(dense(conv2d(x, {.kernel = 9, .name = "c"}), {.columns = 9}));
              }>.starts_with("ia_nn: conv2d 'c': "));
static_assert(said<[](value x) { return relu(x); }> == "");
static_assert(
    said<[](value x) { return deconv2d(x, {.pad = 5, .name = "d"}); }> ==
    "ia_nn: deconv2d 'd': height: the padding leaves -2 elements of input (any, 8, 8, 4)");
static_assert(said<[](value x) { return deconv2d(x, {.channels = 8, .name = "d"}); }> ==
              "ia_nn: deconv2d 'd': input has 4 channels, weights expect 8");
static_assert(said<[](value x) { return adaptive_max_pool(x, {.out = 9, .name = "p"}); }> ==
              "ia_nn: adaptive_max_pool 'p': height: input (any, 8, 8, 4) cannot be pooled to 9 "
              "elements");
static_assert(said<[](value x) { return group_norm(x, {.groups = 3, .name = "g"}); }> ==
              "ia_nn: group_norm 'g': 3 groups do not divide 4 channels of input (any, 8, 8, 4)");
static_assert(said<[](value x) { return slice(x, {.begin = 3, .end = 3, .name = "s"}); }> ==
              "ia_nn: slice 's': nothing is taken from axis 3 of input (any, 8, 8, 4)");
static_assert(said<[](value x) { return clip(x, 0, __builtin_nanf(""), {.name = "c"}); }> ==
              "ia_nn: clip 'c': a bound is not a number");
static_assert(said<[](value x) { return slice(x, {.axis = 0, .end = 1, .name = "s"}); }> ==
              "ia_nn: slice 's': axis 0 is none of input (any, 8, 8, 4) behind the batch");
static_assert(said<[](value x) { return split<3>(x)[0]; }> ==
              "ia_nn: split: 3 parts of axis 3 of input (any, 8, 8, 4) are not equal");
static_assert(said<[](value x) { return pad(x, {.axis = 3, .begin = {1, 1}, .name = "p"}); }> ==
              "ia_nn: pad 'p': axes 3 to 4 are not all behind the batch of input (any, 8, 8, 4)");
static_assert(said<[](value x) { return pad(x, {.begin = -4, .name = "p"}); }> ==
              "ia_nn: pad 'p': axis 1 of input (any, 8, 8, 4) gets -4 and -4 elements: nothing is "
              "left");
static_assert(
    said<[](value x) { return transpose(x, {2, 1}, {.name = "t"}); }> ==
    "ia_nn: transpose 't': 2 axes for input (any, 8, 8, 4), without the batch there are 3");
static_assert(said<[](value x) { return transpose(x, {1, 1, 2}, {.name = "t"}); }> ==
              "ia_nn: transpose 't': axes 0, 1, 1, 2 are no order of those of input (any, 8, 8, 4) "
              "that begins with the batch");
static_assert(said<[](value x) { return reduce_mean(x, {.first = 3, .last = 2, .name = "m"}); }> ==
              "ia_nn: reduce_mean 'm': axes 3 to 2 are none of input (any, 8, 8, 4) behind the "
              "batch");
static_assert(
    said<[](value x) { return lstm(sequence(x), {.hidden = 4, .projection = 4, .name = "l"}); }> ==
    "ia_nn: lstm 'l': a projection of 4 hidden units to 4");
static_assert(said<[](value x) { return reshape(x, {2, 2, 2, 2, 16}, {.name = "r"}); }> ==
              "ia_nn: reshape 'r': a shape has 1 to 5 extents, the batch first");

// A network may set its own limit; compilers have theirs.
struct limited : net<[](value x) { return tanh(relu(x)); }> {
  static constexpr int max_nodes = 3;
};
static_assert(mistake<limited>() == "ia_nn: output 'output': a network has at most 3 nodes, unless "
                                    "it says max_nodes");

// The precision of a layer is its own, and changes no shape.
constexpr auto in_bf16 = [](value x) {
  return dense(conv2d(x, {.filters = 6, .precision = precision::bf16}),
               {.units = 3, .precision = precision::bf16_terms3});
};
static_assert(node_of(in_bf16).attributes.precision == precision::bf16_terms3 &&
              original<net<in_bf16>>[1].attributes.precision == precision::bf16 &&
              shape_of(in_bf16) == dims{any_batch, 8, 8, 3});
// Those that a layer cannot have are refused.
static_assert(said<[](value x) {
                return conv2d(x, {.filters = 2, .precision = precision::weights_s4, .name = "c"});
              }> == "ia_nn: conv2d 'c': convolutions multiply f32, bf16 or 8 bits; terms of bf16, and 8 or "
                    "4 bits of the weights alone, are for dense layers");
static_assert(said<[](value x) {
                return deconv2d(x, {.filters = 2, .precision = precision::weights_s8, .name = "d"});
              }> == "ia_nn: deconv2d 'd': convolutions multiply f32, bf16 or 8 bits; terms of bf16, and 8 "
                    "or 4 bits of the weights alone, are for dense layers");
static_assert(said<[](value x) {
                return gru(sequence(x),
                           {.hidden = 2, .precision = precision::weights_s8, .name = "g"});
              }> == "ia_nn: gru 'g': recurrent layers multiply f32, bf16 or 8 bits; terms of bf16, and 8 "
                    "or 4 bits of the weights alone, are for dense layers");
constexpr char const* unknown_states =
    "ia_nn: lstm 'l': in 8 bits the range of its states must be known: that of a layer with relu or a "
    "projection is, if there is one layer and it gives all its outputs; precision::dynamic_s8 needs no "
    "ranges";
static_assert(said<[](value x) {
                return lstm(sequence(x), {.hidden = 4, .last_only = true, .projection = 2,
                                          .precision = precision::s8, .name = "l"});
              }> == unknown_states);
static_assert(said<[](value x) {
                return lstm(sequence(x), {.hidden = 4, .projection = 2, .precision = precision::s8});
              }> == "");
static_assert(said<[](value x) {
                return lstm(sequence(x), {.hidden = 4, .layers = 2, .last_only = true, .projection = 2,
                                          .precision = precision::dynamic_s8});
              }> == "");
static_assert(said<[](value x) {
                return rnn(sequence(x), {.hidden = 4, .layers = 2, .precision = precision::s8,
                                         .activation = function::relu, .name = "r"});
              }>.substr(0, 47) == "ia_nn: rnn 'r': in 8 bits the range of its stat");
struct in_f32 : net<in_bf16> {
  static constexpr void pass(draft& d) {
    for (node& n : d.nodes) n.attributes.precision = precision::of_net;
  }
};
// What it reads is converted in a step of its own.
static_assert(schedule<in_f32>.count + 1 == schedule<net<in_bf16>>.count &&
              typed<net<in_bf16>>[typed<net<in_bf16>>.count() - 1].kind == op::convert);

TEST_CASE("shapes", "[graph]") {
  // Everything above is checked by the compiler.
  REQUIRE(said<[](value x) { return slice(x, {.step = 0, .name = "s"}); }> ==
          "ia_nn: slice 's': the step is 0");
}

} // namespace
