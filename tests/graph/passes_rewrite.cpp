// SPDX-License-Identifier: Apache-2.0
//
// Passes that rewrite, pairs of convolutions, groups of each kind, and every switch, proved by the
// compiler.
#include "../../examples/models/mobilenet.hpp"
#include "../catch.hpp"
#include "patterns.hpp"

#include <ia_nn/graph/layers/custom.hpp>
#include <ia_nn/graph/show/dump.hpp>

namespace {

using namespace patterns;
using ia_nn::index_t;

/// The network with other options.
template <auto Body, options O> struct with : net<Body> {
  static constexpr options passes = O;
};
template <auto Body, options O = options{}> constexpr auto const& plan_of = schedule<with<Body, O>>;
template <auto Body, options O = options{}> constexpr int steps = schedule<with<Body, O>>.count;
template <auto Body, options O = options{}> constexpr int nodes = simplified<with<Body, O>>.size;

// ---- zeros around an image
// ----------------------------------------------------------------------------

constexpr ia_nn::window padded_window = simplified<net<padded>>[1].attributes.win;
static_assert(steps<padded> == 1 && padded_window.pad_begin == ia_nn::spatial{0, 1, 1} &&
              padded_window.pad_end == ia_nn::spatial{0, 2, 2});
static_assert(original<net<padded>>[3].shape == simplified<net<padded>>[2].shape);
static_assert(steps<padded, options{.fold_padding = false}> == 2);
// Not other numbers, other modes, channels, negative padding; and who else reads it still can.
template <pad_layer O>
constexpr auto padded_by = [](value x) { return conv2d(pad(x, O), {.filters = 2, .kernel = 3}); };
static_assert(steps<padded_by<pad_layer{.begin = {1, 1}}>> == 1);
static_assert(steps<padded_by<pad_layer{.begin = {1, 1}, .value = 1}>> == 2);
static_assert(steps<padded_by<pad_layer{.begin = {1, 1}, .mode = ia_nn::pad_mode::edge}>> == 2);
static_assert(steps<padded_by<pad_layer{.axis = 2, .begin = {1, 1}}>> == 2);
static_assert(steps<padded_by<pad_layer{.begin = {-1, 1}}>> == 2);
constexpr auto padded_twice = [](value x) {
  auto const p = pad(x, {.begin = {1, 1}});
  return two{conv2d(p, {.filters = 2, .kernel = 3}), tanh(p)};
};
static_assert(steps<padded_twice> == 3 && plan_of<padded_twice>.steps[0].kind == op::pad);

// ---- functions in front of max pools
// ------------------------------------------------------------------

constexpr bool hoisted(auto const& p) {
  return p.count == 2 && p.steps[0].kind == op::conv && p.steps[0].stages.count == 1 &&
         p.steps[1].kind == op::max_pool;
}
static_assert(hoisted(plan_of<pool_relu>) && planned<net<pool_relu>>);
static_assert(steps<pool_relu, options{.hoist_functions = false}> == 3);
template <auto F>
constexpr auto behind_pool = [](value x) { return F(max_pool(conv(x, "c"), {.kernel = 2})); };
static_assert(steps<behind_pool<[](value x) { return relu6(x); }>> == 2);
static_assert(steps<behind_pool<[](value x) { return leaky_relu(x, 0.1F); }>> == 2);
static_assert(steps<behind_pool<[](value x) { return leaky_relu(x, -0.1F); }>> == 3); // falls
static_assert(steps<behind_pool<[](value x) { return abs(x); }>> == 3);
static_assert(steps<behind_pool<[](value x) { return tanh(x); }>> == 3); // rounds
constexpr auto pool_shared = [](value x) {
  auto const p = max_pool(conv(x, "c"), {.kernel = 2});
  return two{relu(p), tanh(p)};
};
constexpr auto pooled_shared = [](value x) {
  auto const c = conv(x, "c");
  return two{relu(max_pool(c, {.kernel = 2})), tanh(c)};
};
constexpr auto pool_of_input = [](value x) { return relu(max_pool(x, {.kernel = 2})); };
constexpr auto average = [](value x) { return relu(average_pool(conv(x, "c"), {.kernel = 2})); };
constexpr auto outside = [](value x) { // windows that see padding alone
  return relu(max_pool(conv(x, "c"), {.kernel = 1, .pad = 1}));
};
static_assert(steps<pool_shared> == 4 && steps<pooled_shared> == 4 && steps<pool_of_input> == 2 &&
              steps<average> == 3 && steps<outside> == 3);

// ---- pairs of convolutions
// ----------------------------------------------------------------------------

constexpr options pairs{.fuse_pairs = true};
template <class Net> struct paired : Net {
  static constexpr options passes = pairs;
};
constexpr auto separable = [](value x) {
  auto const d = relu6(
      batch_norm(depthwise_conv2d(x, {.kernel = 3, .pad = 1, .bias = false, .name = "depthwise"}),
                 {.name = "norm"}));
  return relu(conv2d(d, {.filters = 6, .name = "pointwise"}));
};
constexpr step pair = plan_of<separable, pairs>.steps[0];
static_assert(steps<separable, pairs> == 1 && steps<separable> == 2);
static_assert(pair.depthwise.node == 1 && pair.depthwise.batch_norm == 2 &&
              pair.depthwise.between.act == function::clip && pair.inputs[0] == 0 && pair.anchor == 4 &&
              pair.stages.count == 1);
static_assert(schedule<paired<models::mobilenet<>>>.count == 16 &&
              planned<paired<models::mobilenet<>>>); // 13 pairs, stem, pool, dense
static_assert(schedule<paired<models::mobilenet<>>>.bytes <= schedule<models::mobilenet<>>.bytes);
static_assert(cost_of(simplified<with<separable, pairs>>, pair).weights ==
              cost_of(simplified<net<separable>>, plan_of<separable>.steps[0]).weights +
                  cost_of(simplified<net<separable>>, plan_of<separable>.steps[1]).weights);
// Not with a second reader, another function, a sum, a 3x3 behind, or a stride of the second.
template <auto Between>
constexpr auto apart = [](value x) {
  auto const d = depthwise_conv2d(x, {.kernel = 3, .pad = 1, .name = "depthwise"});
  return Between(x, d);
};
constexpr conv_layer pointwise{.filters = 6};
static_assert(steps<apart<[](value, value d) { return conv2d(d, pointwise); }>, pairs> == 1);
static_assert(steps<apart<[](value, value d) { return two{conv2d(d, pointwise), d}; }>, pairs> ==
              2);
static_assert(steps<apart<[](value, value d) { return conv2d(tanh(d), pointwise); }>, pairs> == 2);
static_assert(steps<apart<[](value x, value d) { return conv2d(d + x, pointwise); }>, pairs> == 2);
static_assert(
    steps<apart<[](value, value d) { return conv2d(d, {.filters = 6, .kernel = 3}); }>, pairs> ==
    2);
static_assert(
    steps<apart<[](value, value d) { return conv2d(d, {.filters = 6, .stride = 2}); }>, pairs> ==
    2);
static_assert(steps<apart<[](value, value d) {
                      return conv2d(d, {.filters = 6, .precision = precision::bf16});
                    }>,
                    pairs> == 3); // of which one converts
template <precision P>
constexpr auto both_multiply = [](value x) {
  return conv2d(depthwise_conv2d(x, {.kernel = 3, .precision = P}), {.filters = 6, .precision = P});
};
static_assert(steps<both_multiply<precision::f32>, pairs> == 1 &&
              steps<both_multiply<precision::bf16>, pairs> == 2); // of which one converts
// A sum behind the second is its own; a residual block is one step more.
constexpr auto residual = [](value x) {
  auto const wide = relu6(conv2d(x, {.filters = 12, .name = "expand"}));
  auto const d = relu6(depthwise_conv2d(wide, {.kernel = 3, .pad = 1, .name = "depthwise"}));
  return x + conv2d(d, {.filters = 4, .name = "project"});
};
static_assert(steps<residual, pairs> == 2 &&
              plan_of<residual, pairs>.steps[1].stages[0].kind == stage_kind::add);

// ---- moves that change nothing
// ------------------------------------------------------------------------

static_assert(steps<[](value x) { return relu(transpose(x, {1, 2, 3})); }> == 1);
static_assert(steps<[](value x) { return relu(slice(x, {.axis = 1})); }> == 1);
static_assert(steps<[](value x) { return relu(pad(x, {.begin = 0})); }> == 1);
static_assert(steps<[](value x) { return relu(adaptive_max_pool(x, {.out = 8})); }> == 1);
static_assert(steps<[](value x) { return relu(slice(x, {.step = -1})); }> == 2);

// ---- concats along every axis
// -------------------------------------------------------------------------

// Two or four convolutions: columns of the result along the channels, copies along other axes.
template <int Axis, int Count>
constexpr auto joined = [](value x) {
  value parts[4];
  for (int i = 0; i < Count; ++i) parts[i] = conv(x, (label("conv") + i).chars);
  return relu(concat(parts, Count, {.axis = Axis}));
};
static_assert(steps<joined<3, 2>> == 3 && steps<joined<-1, 4>> == 5);
static_assert(steps<joined<1, 2>> == 4 && steps<joined<2, 4>> == 6 && steps<joined<1, 4>> == 6);
static_assert(simplified<net<joined<2, 4>>>[5].shape == dims{any_batch, 8, 32, 4});

// ---- parallel groups: each kind that may join, in each structure
// --------------------------------------

struct free_op {
  static constexpr char const* name = "free_op";
  static constexpr bool thread_safe = true;
  static constexpr dims shape(dims const& x) { return x; }
  static void run(custom_call const& c) noexcept {
    for (index_t i = 0; i < c.size; ++i) c.dst[i] = c.src[0][i];
  }
};
struct bound_op : free_op {
  static constexpr bool thread_safe = false;
};
template <auto Op> struct one_to_all { // all read x
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 8, 8, 4});
    return std::array<value, 2>{Op(x, "a"), Op(x, "b")};
  }
};
template <auto Op> struct all_to_one { // one operation reads them
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 8, 8, 4}), y = input(b, "y", {any_batch, 8, 8, 4});
    return concat({Op(x, "a"), Op(y, "b")});
  }
};
template <auto Op> struct separate { // neither
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 8, 8, 4}), y = input(b, "y", {any_batch, 8, 8, 4});
    return std::array<value, 2>{Op(x, "a"), Op(y, "b")};
  }
};
template <class Net> struct grouped : Net { // equal operations must stay two
  static constexpr options passes{.merge_common = false};
};
template <class Net> struct lonely : Net {
  static constexpr options passes{.merge_common = false,
                                  .parallel_separate = false,
                                  .parallel_all_to_one = false,
                                  .parallel_one_to_all = false};
};
template <class Net> constexpr int members() {
  int n = 0;
  for (int i = 0; i < schedule<Net>.count; ++i) n += schedule<Net>.steps[i].group >= 0;
  return n;
}
template <auto Op>
constexpr bool joins =
    members<grouped<one_to_all<Op>>>() == 2 && members<grouped<all_to_one<Op>>>() == 2 &&
    members<grouped<separate<Op>>>() == 2 && schedule<grouped<one_to_all<Op>>>.groups == 1 &&
    schedule<lonely<one_to_all<Op>>>.groups == 0 && schedule<lonely<all_to_one<Op>>>.groups == 0 &&
    schedule<lonely<separate<Op>>>.groups == 0;
static_assert(joins<[](value x, label const& n) { return dense(x, {.units = 4, .name = n}); }>);
static_assert(joins<[](value x, label const&) { return tanh(x); }>);
static_assert(joins<[](value x, label const&) { return max_pool(x, {.kernel = 2}); }>);
static_assert(joins<[](value x, label const&) { return average_pool(x, {.kernel = 2}); }>);
static_assert(joins<[](value x, label const&) { return softmax(x); }>);
static_assert(joins<[](value x, label const&) { return log_softmax(x); }>);
static_assert(joins<[](value x, label const& n) { return layer_norm(x, {.name = n}); }>);
static_assert(
    joins<[](value x, label const& n) { return group_norm(x, {.groups = 2, .name = n}); }>);
static_assert(joins<[](value x, label const&) { return lrn(x); }>);
static_assert(joins<[](value x, label const&) { return pad(x, {.begin = 1}); }>);
static_assert(joins<[](value x, label const&) { return transpose(x, {2, 1, 3}); }>);
static_assert(joins<[](value x, label const&) { return slice(x, {.end = 2}); }>);
static_assert(joins<[](value x, label const&) { return custom<free_op>({x}); }>);
// Those that divide their own work, and what its author keeps apart.
static_assert(!joins<[](value x, label const&) { return custom<bound_op>({x}); }>);
static_assert(!joins<[](value x, label const& n) { return conv(x, n.chars); }>);
static_assert(thread_safe_operation<free_op> && !thread_safe_operation<bound_op>);

// ---- switches
// -----------------------------------------------------------------------------------------

constexpr auto sum_of_constant = [](value x) { return x + constant(x, 2); };
static_assert(nodes<sum_of_constant> == 3);
static_assert(nodes<sum_of_constant, options{.fold_constants = false}> == 4);
constexpr auto dropped = [](value x) { return relu(dropout(x)); };
static_assert(nodes<dropped> == 3 && nodes<dropped, options{.remove_identities = false}> == 4);
constexpr auto repeated = [](value x) { return relu(x) + square(relu(x)); };
static_assert(nodes<repeated> == 5 && nodes<repeated, options{.merge_common = false}> == 6);
static_assert(steps<pow_mul> == 1 && steps<pow_mul, options{.fuse_elementwise = false}> == 2);
static_assert(steps<conv_act, options{.fuse_epilogues = false}> == 2);
static_assert(steps<conv_bn, options{.fold_batch_norm = false}> == 1 &&
              plan_of<conv_bn, options{.fold_batch_norm = false}>.steps[0].stages.count == 1);
static_assert(steps<four_convs> == 4 && steps<four_convs, options{.concat_slices = false}> == 5);

// A pass of the network's own runs before the others: here without a function it can do without.
struct no_tanh : net<act_add_act_mul> {
  static constexpr void pass(draft& d) {
    for (node& n : d.nodes)
      if (n.kind == op::activation && n.attributes.act == function::tanh) n.kind = op::identity;
  }
};
static_assert(schedule<no_tanh>.steps[0].stages.count == 3 &&
              schedule<net<act_add_act_mul>>.steps[0].stages.count == 4);

TEST_CASE("pairs in words", "[graph]") {
  using mobile = paired<models::mobilenet<>>;
  REQUIRE(dump_steps<mobile>().find(
              "depthwise (batch_norm) > relu -> conv2d (batch_norm) > relu") != std::string::npos);
}

} // namespace
