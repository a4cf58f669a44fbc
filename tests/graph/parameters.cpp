// SPDX-License-Identifier: Apache-2.0
//
// Learned numbers as values: where they are read, the shapes that a source may have them in, and
// what is said about others. Every use of them runs in layers.cpp, too.
#include "../gemm/throws.hpp"
#include "nets.hpp"
#include "support.hpp"

#include <ia_nn/graph/show/dump.hpp>

namespace {

using namespace graph_test;
using namespace graph_nets;
using ia_nn::errc, ia_nn::index_t;

template <auto Body> struct net {
  static constexpr auto build(builder& b) { return Body(input(b, "x", {any_batch, 5, 3, 6})); }
};
template <class Net> constexpr step step_of(char const* name) {
  auto const& p = schedule<Net>;
  for (int i = 0; i < p.count; ++i)
    if (simplified<Net>[p.steps[i].anchor].name.view() == name) return p.steps[i];
  return {};
}
template <class Net> constexpr bool has_step(char const* name) {
  return step_of<Net>(name).anchor >= 0;
}

// ---- shapes and meaning
constexpr dims shape_of(auto body) {
  builder b;
  output(body(input(b, "x", {any_batch, 5, 3, 6})));
  return b.net.wrong() ? dims{} : b.net[b.net.count() - 1].shape;
}
static_assert(shape_of([](value x) { return learned_in(x, {6}, "p"); }) ==
              dims{any_batch, 1, 1, 6});
static_assert(shape_of([](value x) { return learned_in(x, {3, 6}, "p"); }) ==
              dims{any_batch, 1, 3, 6});
static_assert(shape_of([](value x) { return learned_in(flatten(x), {7, 6}, "p"); }) ==
              dims{any_batch, 7, 6});
static_assert(shape_of([](value x) { return x + learned_in(x, {5, 3, 6}, "p"); }) ==
              dims{any_batch, 5, 3, 6});
/// The shape of the weight, of the last node.
constexpr dims source_shape(auto body) {
  builder b;
  body(input(b, "x", {any_batch, 5, 3, 6}));
  return weights_of(b.net, b.net.count() - 1)[0].shape;
}
template <order O> constexpr auto whole = [](value x) { return learned_in(x, {5, 3, 6}, "p", O); };
template <order O>
constexpr auto line = [](value x) { return learned_in(reshape(x, {15, 6}), {15, 6}, "p", O); };
static_assert(source_shape(whole<order::of_value>) == dims{6, 5, 3}); // an image
static_assert(source_shape(whole<order::channels_first>) == dims{6, 5, 3});
static_assert(source_shape(whole<order::channels_last>) == dims{5, 3, 6});
static_assert(source_shape(line<order::of_value>) == dims{15, 6});
static_assert(source_shape(line<order::channels_first>) == dims{6, 15});
static_assert(source_shape([](value x) { return learned_in(flatten(x), {90}, "p"); }) == dims{90});

// ---- where it is read
static_assert(schedule<vision_head>.count == 10 && has_step<vision_head>("cls_token"));
static_assert(!has_step<vision_head>("pos_embed") && !has_step<vision_head>("blocks.0.ls2.gamma"));
constexpr step fc2 = step_of<vision_head>("blocks.0.mlp.fc2");
static_assert(fc2.stages.count == 2 && fc2.stages[0].kind == stage_kind::multiply &&
              fc2.stages[0].how == spread::every_row && fc2.stages[1].kind == stage_kind::add);
static_assert(step_of<learned>("c").stages.count == 3); // scale, shift, relu
static_assert(step_of<learned>("c").stages[1].how == spread::every_row);
static_assert(step_of<learned>("c2").stages[0].kind == stage_kind::subtract_from);
static_assert(step_of<learned>("c3").stages.count == 0); // an epilogue knows no items
static_assert(has_step<learned>("twice") && has_step<learned>("of_output") &&
              has_step<learned>("two") && !has_step<learned>("one") &&
              !has_step<learned>("dividend") && has_step<learned>("flat"));
static_assert(step_of<learned>("slice").slice_of >= 0);
static_assert(cost_of(simplified<vision_head>, fc2).weights == 4 * (20 * 40 + 20 + 20));

// Columns in the order of the image that they were: in a stage, in memory, and over a concat.
struct ordered {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 5, 3, 6});
    auto const c = flatten(conv2d(x, {.filters = 4, .kernel = 3, .pad = 1, .name = "c"}));
    auto const d = flatten(conv2d(x, {.filters = 2, .name = "d"}));
    auto const scaled = c * learned_in(c, {60}, "scale") + learned_in(c, {1}, "shift");
    output(dense(scaled, {.units = 4, .name = "fc"}));
    output(dense(layer_norm(learned_in(d, {30}, "alone"), {.name = "norm"}) - d,
                 {.units = 3, .name = "fc2"}));
    output(dense(concat({d, learned_in(d, {7}, "part")}), {.units = 3, .name = "fc3"}));
    output(dense(concat({relu(c), relu(d)}) * learned_in(d, {90}, "over"),
                 {.units = 5, .name = "fc4"}));
  }
};
constexpr channel_order order_of(char const* name) {
  for (node const& n : simplified<ordered>.nodes)
    if (n.name.view() == name) return n.attributes.lies;
  return channel_order::as_read();
}
static_assert(order_of("scale") == channel_order::shuffled(4, 60) &&
              order_of("alone") == channel_order::shuffled(2, 30));
static_assert(!has_step<ordered>("scale") && !has_step<ordered>("shift") &&
              has_step<ordered>("alone"));

// ---- sentences
template <auto Body> constexpr std::string_view said = mistake<net<Body>>();
static_assert(said<[](value x) { return x + parameter(x, {.shape = {6}}); }> ==
              "ia_nn: parameter: it needs a name: that of its weight");
static_assert(said<[](value x) { return x + learned_in(x, {}, "p"); }> ==
              "ia_nn: parameter 'p': a shape has 1 to 4 extents behind the batch");
static_assert(said<[](value x) { return x + learned_in(x, {1, 1, 5, 3, 6}, "p"); }> ==
              "ia_nn: parameter 'p': a shape has 1 to 4 extents behind the batch");
static_assert(said<[](value x) { return x + learned_in(x, {0}, "p"); }> ==
              "ia_nn: parameter 'p': shape (0): extents are at least 1, and there are at most 2^40 "
              "elements");
static_assert(
    said<[](value x) { return x + learned_in(x, {1 << 30, 1 << 30, 1 << 30}, "p"); }>.starts_with(
        "ia_nn: parameter 'p': shape (1073741824, 1073741824, 1073741824): extents are"));
static_assert(said<[](value x) { return add(x, learned_in(x, {3}, "p"), {.name = "sum"}); }> ==
              "ia_nn: add 'sum': input 'x' has shape (any, 5, 3, 6), parameter 'p' (any, 1, 1, 3)");
static_assert(said<[](value x) { return learned_in(x, {6}, "p") * learned_in(x, {6}, "p"); }> ==
              "ia_nn: parameter 'p': another layer has this name");

TEST_CASE("parameters", "[graph]") {
  REQUIRE(ready());
  check_net<vision_head>(1);
  check_net<learned>(2);
  check_net<of_three>(3);
  check_net<ordered>(4);
  CHECK(dump_steps<vision_head>().find("dense * blocks.0.ls2.gamma + add_6") != std::string::npos);
  CHECK(dot_steps<vision_head>().find("pos_embed") != std::string::npos);
}

/// A network of bf16 adds and scales in f32.
TEST_CASE("parameters of networks of bf16", "[graph]") {
  REQUIRE(ready());
  problem const p = problem_of<vision_head>(4, 2);
  call const c = run<vision_head, native<ia_nn::isa::native, ia_nn::bf16>>(p, {.max_batch = 2});
  CHECK(distance(c.out[0], p.expected[0]) <= 0.05);
}

using of_image = net<[](value x) { return x + learned_in(x, {5, 3, 6}, "pos.embed"); }>;
using of_channels = net<[](value x) { return x * learned_in(x, {6}, "gamma"); }>;
using of_number = net<[](value x) { return x * learned_in(x, {1}, "logit_scale"); }>;

template <class Net> std::vector<f32> run_with(char const* name, std::vector<index_t> shape) {
  memory_weights w;
  index_t size = 1;
  for (index_t const n : shape) size *= n;
  std::vector<f32> numbers(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<f32>(i);
  w.add(name, std::move(shape), std::move(numbers));
  compiled<Net> const n(w);
  workspace scratch(n.workspace_bytes());
  std::vector<f32> const x(90, 1.0F);
  std::vector<f32> y(90);
  n.run(1, x, y, scratch).require();
  return y;
}

TEST_CASE("shapes of parameters in a source", "[graph]") {
  REQUIRE(ready());
  std::vector<f32> const y = run_with<of_image>("pos.embed", {6, 5, 3});
  CHECK((y[0] == 1 && y[1] == 16 && y[6] == 2 && y[89] == 90));
  CHECK(run_with<of_image>("pos.embed", {1, 6, 5, 3}) == y);
  for (std::vector<index_t> const& s :
       {std::vector<index_t>{6}, {6, 1, 1}, {1, 1, 6}, {1, 1, 1, 6}}) {
    std::vector<f32> const scaled = run_with<of_channels>("gamma", s);
    CHECK((scaled[0] == 0 && scaled[5] == 5 && scaled[89] == 5));
  }
  for (std::vector<index_t> const& s : {std::vector<index_t>{}, {1}, {1, 1}})
    CHECK(run_with<of_number>("logit_scale", s) == std::vector<f32>(90, 0.0F));
  REQUIRE_ERROR(
      [] { run_with<of_image>("pos.embed", {5, 3, 6}); }, errc::bad_shape,
      "parameter 'pos.embed': weight 'pos.embed' has the shape (5, 3, 6), expected (6, 5, 3)");
  REQUIRE_ERROR([] { run_with<of_image>("pos.embed", {90}); }, errc::bad_shape,
                "has the shape (90)");
  REQUIRE_ERROR([] { run_with<of_image>("pos.embed.weight", {6, 5, 3}); }, errc::bad_parameter,
                "parameter 'pos.embed': there is no weight 'pos.embed'");
  REQUIRE_ERROR([] { run_with<of_channels>("gama", {6}); }, errc::bad_parameter,
                "there is no weight 'gamma'; the nearest that no layer reads is 'gama'");
}

TEST_CASE("another name and a prefix for a parameter", "[graph]") {
  REQUIRE(ready());
  memory_weights w;
  w.add("module.layer_scale", {6, 1, 1}, std::vector<f32>(6, 2.0F));
  compiled<of_channels> const n(w, {.prefixes = {"module."}, .names = {{"gamma", "layer_scale"}}});
  workspace scratch(n.workspace_bytes());
  std::vector<f32> const x(90, 1.5F);
  std::vector<f32> y(90);
  n.run(1, x, y, scratch).require();
  CHECK(y == std::vector<f32>(90, 3.0F));
}

} // namespace
