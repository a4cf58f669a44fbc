// SPDX-License-Identifier: Apache-2.0
//
// The other passes, proved by the compiler: what is removed, merged, sliced, grouped, and planned;
// and the sentences of mistakes.
#include "../../examples/models/inception_v3.hpp"
#include "../../examples/models/mnist.hpp"
#include "../../examples/models/mobilenet.hpp"
#include "../../examples/models/resnet.hpp"
#include "../../examples/models/wide_deep.hpp"
#include "../../examples/models/with_softmax.hpp"
#include "../support/locale.hpp"
#include "../support/shapes.hpp"

#include <ia_nn/graph/layers/custom.hpp>
#include <ia_nn/graph/show/svg.hpp>

#include <array>
#include <map>

namespace {

using namespace ia_nn::graph;
using ia_nn::index_t;

template <auto Body> struct net {
  static constexpr auto build(builder& b) { return Body(input(b, "x", {any_batch, 8, 8, 4})); }
};
template <auto Body> constexpr draft written = original<net<Body>>.edit();
constexpr draft draft_of(auto body) {
  builder b;
  output(body(input(b, "x", {any_batch, 8, 8, 4})));
  return b.net;
}

// ---- simplification
// -----------------------------------------------------------------------------------

constexpr int nodes_after(auto body, int (*pass)(draft&)) {
  draft d = draft_of(body);
  pass(d);
  return d.count();
}
static_assert(nodes_after([](value x) { return relu(dropout(identity(x))); }, remove_identities) ==
              3);
static_assert(nodes_after([](value x) { return concat({x}); }, remove_identities) == 2);
static_assert(nodes_after([](value x) { return linear(x, 1, 0); }, remove_identities) == 2);
static_assert(nodes_after([](value x) { return linear(x, 1, 2); }, remove_identities) == 3);
static_assert(nodes_after([](value x) { return max_pool(x, {.kernel = 1}); }, remove_identities) ==
              2);
static_assert(nodes_after([](value x) { return reshape(x, {8, 8, 4}); }, remove_identities) == 2);
static_assert(nodes_after([](value x) { return reshape(x, {64, 4}); }, remove_identities) == 3);

static_assert(nodes_after([](value x) { return relu(x) + relu(x); }, merge_common) == 4);
static_assert(nodes_after([](value x) { return clip(x, 0, 1) + clip(x, 0, 2); }, merge_common) ==
              5);
static_assert(nodes_after([](value x) { return tanh(relu(x)) + tanh(relu(x)); }, merge_common) ==
              5);
static_assert(
    nodes_after([](value x) { return conv2d(x, {.filters = 4}) + conv2d(x, {.filters = 4}); },
                merge_common) == 5); // their weights differ

static_assert(nodes_after(
                  [](value x) {
                    static_cast<void>(tanh(relu(x)));
                    return x;
                  },
                  remove_dead) == 2);

constexpr node folded(auto body) {
  draft d = draft_of(body);
  fold_constants(d);
  remove_dead(d);
  return d[d[d.count() - 1].inputs[0]];
}
constexpr node doubled = folded([](value x) { return x * constant(x, 2); });
static_assert(doubled.kind == op::activation && doubled.attributes.act == function::linear &&
              doubled.attributes.a == 2 && doubled.attributes.b == 0);
constexpr node less = folded([](value x) { return constant(x, 5) - x; });
static_assert(less.attributes.a == -1 && less.attributes.b == 5);
constexpr node seven = folded([](value x) { return relu(constant(x, 3) + constant(x, 4)); });
static_assert(seven.kind == op::constant && seven.attributes.number == 7);

constexpr float nan = __builtin_nanf("");
template <float A, float B> constexpr bool nan_stays() {
  constexpr node low = folded([](value x) { return minimum(constant(x, A), constant(x, B)); });
  constexpr node high = folded([](value x) { return maximum(constant(x, A), constant(x, B)); });
  return low.kind == op::constant && low.attributes.number != low.attributes.number &&
         high.attributes.number != high.attributes.number;
}
static_assert(nan_stays<nan, 1.0F>() && nan_stays<1.0F, nan>());
static_assert(folded([](value x) { return minimum(x, constant(x, nan)); }).kind == op::minimum);

struct halve {
  static constexpr char const* name = "halve";
  static constexpr bool thread_safe = true;
  static constexpr dims shape(dims const& x) { return x; }
  static void run(custom_call const& c) noexcept {
    for (index_t i = 0; i < c.size; ++i) c.dst[i] = 0.5F * c.src[0][i];
  }
};

// ---- concatenations
// -------------------------------------------------------------------------------------

constexpr auto branches = [](value x) {
  auto const a = relu(conv2d(x, {.filters = 3, .name = "a"}));
  auto const b = conv2d(x, {.filters = 5, .name = "b"});
  auto const c = max_pool(x, {.kernel = 3, .stride = 1, .pad = 1, .name = "c"});
  return concat({a, b, c}, {.name = "cat"});
};
// Three producers write their columns; there is no concat left.
static_assert(schedule<net<branches>>.count == 3 && planned<net<branches>>);
constexpr bool sliced(auto const& p, index_t a, index_t b, index_t c) {
  index_t const columns[] = {a, b, c};
  for (int i = 0; i < 3; ++i)
    if (p.places[p.steps[i].out].column != columns[i] || p.places[p.steps[i].out].ld != 12)
      return false;
  return true;
}
static_assert(sliced(schedule<net<branches>>, 0, 3, 8));
// So do softmax and the norms of a row or pixel; a group norm and a
// move do not.
constexpr auto rows_alone = [](value x) {
  auto const c = conv2d(x, {.filters = 3, .name = "a"});
  return concat({softmax(x), log_softmax(c), layer_norm(tanh(x)), lrn(x)}, {.name = "cat"});
};
constexpr auto& rows_plan = schedule<net<rows_alone>>;
constexpr place rows_at(op_kind kind) {
  for (step const& s : rows_plan.steps)
    if (s.kind == kind) return rows_plan.places[s.out];
  return {};
}
static_assert(rows_plan.count == 6 && planned<net<rows_alone>>); // conv, tanh, and four
static_assert(rows_at(op::softmax).column == 0 && rows_at(op::log_softmax).column == 4 &&
              rows_at(op::layer_norm).column == 7 && rows_at(op::lrn).column == 11 &&
              rows_at(op::lrn).ld == 15);
constexpr auto copied = [](value x) {
  return concat({group_norm(x, {.groups = 2}), transpose(x, {2, 1, 3}), softmax(x)});
};
static_assert(schedule<net<copied>>.count == 4 && schedule<net<copied>>.steps[3].inputs.count == 2);
// Nested concats are one; x, an input, is copied.
constexpr auto nested = [](value x) {
  auto const a = conv2d(x, {.filters = 3, .name = "a"}), b = conv2d(x, {.filters = 5, .name = "b"});
  return tanh(concat({concat({a, b}), x}));
};
static_assert(schedule<net<nested>>.count == 4 && planned<net<nested>>); // 2 convs, concat, tanh
static_assert(schedule<net<nested>>.steps[2].inputs.count == 1 &&
              schedule<net<nested>>.steps[1].column == 3);
// A branch that is read twice is copied.
constexpr auto read_twice = [](value x) {
  auto const a = relu(x), b = conv2d(a, {.filters = 2});
  return concat({a, b}, {.name = "cat"});
};
static_assert(schedule<net<read_twice>>.count == 3);
static_assert(schedule<net<read_twice>>.steps[2].kind == op::concat &&
              schedule<net<read_twice>>.steps[2].inputs.count == 1);
// Along another axis everything is copied.
constexpr auto rows = [](value x) { return concat({relu(x), tanh(x)}, {.axis = 1}); };
static_assert(schedule<net<rows>>.count == 3 && schedule<net<rows>>.steps[2].inputs.count == 2);

// ---- parallel groups
// ------------------------------------------------------------------------------------

// All to one: embeddings that fill one concat.
using wide = models::wide_deep<any_batch, 100, 8>;
static_assert(schedule<wide>.groups == 1);
static_assert([] {
  int members = 0;
  for (int i = 0; i < schedule<wide>.count; ++i)
    if (schedule<wide>.steps[i].group == 0)
      members += schedule<wide>.steps[i].kind == op::embedding && schedule<wide>.times[i] == 0;
  return members;
}() == 26);
struct wide_alone : wide {
  static constexpr options passes{.parallel_all_to_one = false};
};
static_assert(schedule<wide_alone>.groups == 0);

// One to all: branches of one value.
constexpr auto heads = [](value x) {
  auto const f = flatten(x);
  return std::array<value, 3>{dense(f, {.units = 2, .name = "a"}),
                              dense(f, {.units = 3, .name = "b"}),
                              relu(dense(f, {.units = 4, .name = "c"}))};
};
static_assert(schedule<net<heads>>.groups == 1 && schedule<net<heads>>.steps[2].group == 0);
struct heads_alone : net<heads> {
  static constexpr options passes{.parallel_one_to_all = false};
};
static_assert(schedule<heads_alone>.groups == 0);

// Separate: towers.
struct towers {
  static constexpr void build(builder& b) {
    for (int i = 0; i < 3; ++i) {
      auto const x = input(b, label("in") + i, {any_batch, 10 + i});
      output(softmax(dense(x, {.units = 4, .name = label("fc") + i})), label("out") + i);
    }
  }
};
static_assert(schedule<towers>.count == 6 && schedule<towers>.groups == 2);
struct towers_alone : towers {
  static constexpr options passes{.parallel_separate = false};
};
static_assert(schedule<towers_alone>.groups == 0);
// What depends on each other is no group.
constexpr auto line = [](value x) {
  auto const f = flatten(x);
  return dense(dense(f, {.units = 256}) + f, {.units = 256}) + f;
};
static_assert(schedule<net<line>>.groups == 0);
// The user's operations say whether they may join.
struct hermit : halve {
  static constexpr bool thread_safe = false;
};
template <class T>
constexpr auto pair = [](value x) { return std::array<value, 2>{custom<T>({x}), custom<T>({x})}; };
static_assert(schedule<net<pair<halve>>>.groups == 1 && schedule<net<pair<hermit>>>.groups == 0);

// ---- memory
// ---------------------------------------------------------------------------------------------

using resnet = models::resnet50_v1_5<>;
static_assert(planned<resnet> && planned<models::resnet50_v1_5<16>> &&
              planned<models::resnet50_v1<>>);
static_assert(planned<models::mobilenet<>> && planned<models::mnist<>> && planned<wide>);
static_assert(schedule<resnet>.count == 56); // 53 convs, 2 pools, dense
static_assert(schedule<models::with_softmax<resnet>>.count == 57);
static_assert(schedule<resnet>.bytes == 5218304);
static_assert(schedule<models::resnet50_v1_5<16>>.bytes == 16 * 5218304);
static_assert(schedule<models::resnet50_v1<>>.bytes == 5218304); // of the first stage
static_assert(schedule<models::mobilenet<>>.count == 29);

// Inception v3: all branches but those that only pass the input on write into their concats.
using inception = models::inception_v3<>;
static_assert(planned<inception> && schedule<inception>.count == 109);
// Numbers as published: parameters, and twice the channels of batch norms (running statistics).
constexpr index_t weights_of(auto const& net) {
  index_t n = 0;
  for (int i = 0; i < net.count(); ++i) n += weight_count(net, i);
  return n;
}
static_assert(weights_of(original<inception>) == 23834568 + 2 * 17216); // no auxiliary head
static_assert(weights_of(original<resnet>) == 25557032 + 2 * 26560);
static_assert(weights_of(original<models::resnet50_v1<>>) == 25557032 + 2 * 26560);
static_assert(weights_of(original<models::mobilenet<>>) == 4231976 + 2 * 10944);

// In place: a chain of steps in which each may write over its source needs one buffer.
constexpr auto chain_net = [](value x) { return tanh(softmax(layer_norm(softmax(x)))); };
static_assert(schedule<net<chain_net>>.buffer_count == 1);
struct chain_apart : net<chain_net> {
  static constexpr options passes{.in_place = false};
};
static_assert(schedule<chain_apart>.buffer_count == 3 && planned<chain_apart>);
static_assert(schedule<chain_apart>.bytes == 2 * 1024); // two at a time
// Never over an input of the network, nor over what is read later.
constexpr auto kept = [](value x) {
  auto const s = softmax(x);
  return layer_norm(s) + s;
};
static_assert(schedule<net<kept>>.buffer_count == 2);

// The proof itself can fail.
constexpr std::array<buffer, 2> together{buffer{64, 0, 2, 0, 0}, buffer{64, 1, 3, 64, 1}};
constexpr std::array<buffer, 2> clash{buffer{128, 0, 2, 0, 0}, buffer{64, 1, 3, 64, 1}};
constexpr std::array<buffer, 2> in_turn{buffer{128, 0, 2, 0, 0}, buffer{64, 3, 3, 64, 1}};
static_assert(never_overlaps(together, 128) && !never_overlaps(together, 127));
static_assert(!never_overlaps(clash, 128) && never_overlaps(in_turn, 128));

// ---- looking at it
// --------------------------------------------------------------------------------------

TEST_CASE("dump", "[graph]") {
  std::string const steps = dump_steps<resnet>();
  REQUIRE(steps.find("conv2d (batch_norm) + layer1.0.bn3 > relu") != std::string::npos);
  REQUIRE(steps.find("177 nodes, 56 steps") != std::string::npos);
  REQUIRE(dump_nodes<resnet>().find("layer4.2.conv3") != std::string::npos);
  REQUIRE(dot_nodes<resnet>().find("n0 -> n1;") != std::string::npos);
  std::string const dot = dot_steps<wide>();
  REQUIRE(dot.find("subgraph cluster0 { label=\"parallel\";") != std::string::npos);
  // Each buffer is a rectangle, and there is one behind them.
  std::string const svg = memory_svg<resnet>();
  int rectangles = 0;
  for (std::size_t at = 0; (at = svg.find("<rect ", at)) != std::string::npos; ++at) ++rectangles;
  REQUIRE(rectangles == schedule<resnet>.buffer_count + 1);
  // Two bars a step; a line from each node to one step.
  auto const count = [](std::string const& text, char const* what) {
    int n = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++n;
    return n;
  };
  std::string const costs = cost_svg<resnet>();
  REQUIRE(count(costs, "<rect ") == 2 * schedule<resnet>.count);
  std::string const parts = fusion_svg<resnet>(5, 22);
  REQUIRE(count(parts, "<path ") == 22);
  REQUIRE(count(parts, "<rect ") == 22 + 7); // two blocks and the projection of the first
  ia_nn_test::in_other_locales([&] {
    CHECK(memory_svg<resnet>() == svg);
    CHECK(fusion_svg<resnet>(5, 22) == parts);
    CHECK(cost_svg<resnet>() == costs);
    CHECK(dump_steps<resnet>() == steps);
    CHECK(dot_steps<wide>() == dot);
  });
}

TEST_CASE("cost", "[graph]") {
  // 2 * 112 * 112 * 64 * 7 * 7 * 3 multiply-adds and one function each.
  step_cost const c = cost_of(simplified<resnet>, schedule<resnet>.steps[0]);
  REQUIRE(c.flops == index_t{112} * 112 * 64 * (2 * 147 + 1));
  REQUIRE(c.written == 4 * 112 * 112 * 64);
  REQUIRE(c.read == 4 * 224 * 224 * 3);
  REQUIRE(c.weights == 4 * 64 * 147);
}

// ---- which ResNet-50 is which

using shape_list = std::map<std::array<index_t, 6>, index_t>; // how often each convolution occurs

template <class Net> shape_list convolutions_of() {
  shape_list list;
  auto const& net = original<Net>;
  for (int i = 0; i < net.count(); ++i) {
    node const& n = net[i];
    if (n.kind != op::conv) continue;
    dims const& in = net[n.inputs[0]].shape;
    ++list[{in.last(), in[1], n.shape.last(), n.shape[1], n.attributes.win.kernel.height,
            n.attributes.win.stride.height}];
  }
  return list;
}
template <class Net> void compare_with(char const* file) {
  shape_list expected;
  for (ia_nn_test::shape_row const& r : ia_nn_test::shape_rows(file))
    expected[{r.at("ic", 0), r.at("ih", 0), r.at("oc", 0), r.at("oh", 0), r.at("kh", 0),
              r.at("sh", 0)}] += r.at("count", 1);
  INFO(file);
  if (!expected.empty()) CHECK(convolutions_of<Net>() == expected);
}

TEST_CASE("the convolutions of ResNet-50", "[graph]") {
  compare_with<models::resnet50_v1<>>("conv_resnet_50.csv");
  compare_with<models::resnet50_v1_5<>>("conv_resnet_50_v1_5.csv");
  REQUIRE(convolutions_of<models::resnet50_v1<>>() != convolutions_of<resnet>());
}

} // namespace
