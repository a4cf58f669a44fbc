// SPDX-License-Identifier: Apache-2.0
//
// What is stored in 8 bits and what is not, where conversions stand, and which values share scale and
// zero point: proved by the compiler. `steps_of` lists the values that steps write, with their types:
//
//   layer -> layer; the input is converted once           two_layers, two_readers
//   pool, move, reshape, chain between layers             between<...>
//     in front of the first, behind the last              first_pool, last_pool
//   layer -> softmax and layer                            two_kinds
//   an output that a layer reads                          read_output
//   residual sum, x + conv(x)                             residual, x_plus
//   what has no kernel for 8 bits (deconv, softmax)       around_deconv, soft_slice
//   concat: one scale for all parts, nested, of an input  aligned, aligned_pools, of_input
//   names in .in_float, .first_in_float, .last_in_float   float_*
//   layers that say what they multiply                    one_in_f32, islands, says_f32
//   symmetric: u8 behind what is not negative             sym_*
#include "../../examples/models/inception_v3.hpp"
#include "../../examples/models/mnist.hpp"
#include "../../examples/models/mobilenet.hpp"
#include "../../examples/models/resnet.hpp"
#include "patterns.hpp"
#include "planned.hpp"

namespace {

using namespace patterns;

constexpr auto no_rules = [] { return quantize_rules{}; };
template <auto Body, auto Rules = no_rules> struct bytes_of : net<Body> {
  static constexpr quantize_rules quantize = Rules();
};

using list = fixed_text<600>;
/// "x.u8:u8 a:f32": the results of steps in their order, but for copies to outputs.
template <class Net, precision P = precision::s8> constexpr list steps_of() {
  list t;
  auto const& d = typed<Net, P>;
  for (int i = 0; i < schedule<Net, P>.count; ++i) {
    step const& s = schedule<Net, P>.steps[i];
    if (s.kind == op::output) continue;
    if (t.length > 0) t += " ";
    t += d[s.out].name.view();
    t += ":";
    t += name_of(d[s.out].type);
  }
  return t;
}
template <class Net, precision P = precision::s8> constexpr bool are(char const* wanted) {
  return steps_of<Net, P>() == list(wanted) && never_overlaps(schedule<Net, P>.live(), schedule<Net, P>.bytes);
}
template <auto Body, auto Rules = no_rules> constexpr bool writes(char const* wanted) {
  return are<bytes_of<Body, Rules>>(wanted);
}
template <class Net> constexpr node of(char const* name) {
  for (node const& n : typed<Net, precision::s8>.nodes)
    if (n.name.view() == name) return n;
  return {};
}
/// The value whose scale and zero point this one has; "" of what is not in 8 bits.
template <auto Body, auto Rules = no_rules> constexpr label scaled_as(char const* name) {
  using net = bytes_of<Body, Rules>;
  int const as = of<net>(name).scaled_as;
  return as < 0 ? label() : typed<net, precision::s8>[as].name;
}
template <auto Body, auto Rules = no_rules> constexpr bool share(char const* a, char const* b) {
  return !scaled_as<Body, Rules>(a).empty() &&
         scaled_as<Body, Rules>(a) == scaled_as<Body, Rules>(b);
}

constexpr auto full = [] { return quantize_rules{.mode = quantize_mode::full}; };
constexpr auto symmetric = [] { return quantize_rules{.values = byte_values::symmetric}; };
constexpr value pool(value x, char const* name) {
  return max_pool(x, {.kernel = 3, .stride = 1, .pad = 1, .name = name});
}
constexpr value act(value x, char const* name) { return relu(x, {.name = name}); }

// ---- layers

constexpr auto two_layers = [](value x) { return conv(act(conv(x, "a"), "r"), "b"); };
static_assert(writes<two_layers>("x.u8:u8 r:u8 b:f32"));
static_assert(writes<two_layers, full>("x.u8:u8 r:u8 b:f32"));
static_assert(are<bytes_of<two_layers>, precision::f32>("r:f32 b:f32"));
static_assert(scaled_as<two_layers>("x.u8") == label("x") && scaled_as<two_layers>("r") == label("r") &&
              scaled_as<two_layers>("x").empty() && scaled_as<two_layers>("b").empty());

constexpr auto two_readers = [](value x) { return two{conv(x, "a"), conv(x, "b")}; };
static_assert(writes<two_readers>("x.u8:u8 a:f32 b:f32"));

constexpr auto two_kinds = [](value x) {
  auto const a = conv(x, "a");
  return two{conv(a, "b"), softmax(a, {.name = "s"})};
};
static_assert(writes<two_kinds>("x.u8:u8 a:u8 b:f32 a.f32:f32 s:f32"));

constexpr auto read_output = [](value x) {
  auto const a = conv(x, "a");
  return two{a, conv(a, "b")};
};
static_assert(writes<read_output>("x.u8:u8 a:f32 a.u8:u8 b:f32") &&
              scaled_as<read_output>("a.u8") == label("a"));

// ---- what lies between layers

template <auto F> constexpr auto between = [](value x) { return conv(F(conv(x, "a")), "b"); };
constexpr auto a_pool = [](value x) { return pool(x, "p"); };
constexpr auto a_mean = [](value x) {
  return average_pool(x, {.kernel = 3, .stride = 1, .pad = 1, .name = "p"});
};
constexpr auto a_transpose = [](value x) { return transpose(x, {2, 1, 3}, {.name = "p"}); };
constexpr auto a_slice = [](value x) { return slice(x, {.axis = 1, .end = 4, .name = "p"}); };
constexpr auto a_pad = [](value x) { return pad(x, {.begin = {1, 1}, .value = 1, .name = "p"}); };
constexpr auto a_reshape = [](value x) { return reshape(x, {4, 16, 4}, {.name = "p"}); };
template <auto F> constexpr bool keeps_scale = writes<between<F>>("x.u8:u8 a:u8 p:u8 b:f32") &&
                                               share<between<F>>("a", "p");
static_assert(keeps_scale<a_pool> && keeps_scale<a_mean> && keeps_scale<a_transpose> &&
              keeps_scale<a_slice> && keeps_scale<a_pad>);
static_assert(writes<between<a_reshape>>("x.u8:u8 a:u8 b:f32") &&
              of<bytes_of<between<a_reshape>>>("p").type == value_type::u8 &&
              share<between<a_reshape>>("a", "p"));

constexpr auto flat = [](value x) { return dense(flatten(conv(x, "a")), {.units = 3, .name = "b"}); };
static_assert(writes<flat>("x.u8:u8 a:u8 b:f32"));

// A chain by itself, since its source is read twice, has a scale of its own.
constexpr auto chain = [](value x) {
  auto const a = conv(x, "a");
  return conv(tanh(a, {.name = "t"}), "b") + conv(a, "c");
};
static_assert(writes<chain>("x.u8:u8 a:u8 t:u8 b:u8 add_5:f32"));
static_assert(!share<chain>("a", "t") && of<bytes_of<chain>>("t").type == value_type::u8);

// In front of the first layer, and behind the last: in 8 bits in full mode where it is wanted so.
constexpr auto first_pool = [](value x) { return conv(pool(x, "p"), "a"); };
static_assert(writes<first_pool>("p:f32 p.u8:u8 a:f32"));
static_assert(writes<first_pool, full>("x.u8:u8 p:u8 a:f32") && share<first_pool, full>("x.u8", "p"));
constexpr auto last_pool = [](value x) { return pool(conv(x, "a"), "p"); };
static_assert(writes<last_pool>("x.u8:u8 a:f32 p:f32"));
static_assert(writes<last_pool, full>("x.u8:u8 a:f32 p:f32"));
constexpr auto last_chain = [](value x) {
  auto const a = conv(x, "a");
  return two{tanh(a, {.name = "t"}), conv(a, "b")};
};
static_assert(writes<last_chain>("x.u8:u8 a:u8 t:f32 b:f32")); // chains read each type

// ---- sums

constexpr auto residual = [](value x) {
  auto const a = act(conv(x, "a"), "r");
  return conv(relu(conv(a, "b") + a, {.name = "sum"}), "c");
};
static_assert(writes<residual>("x.u8:u8 r:u8 sum:u8 c:f32") && !share<residual>("r", "sum"));
constexpr auto x_plus = [](value x) { return conv(relu(x + conv(x, "a"), {.name = "sum"}), "b"); };
static_assert(writes<x_plus>("x.u8:u8 sum:u8 b:f32"));
static_assert(schedule<bytes_of<x_plus>, precision::s8>.steps[1].stages[0].operand == 0); // x in f32

constexpr auto around_deconv = [](value x) { return conv(deconv(conv(x, "a"), "d"), "b"); };
static_assert(writes<around_deconv>("x.u8:u8 a:u8 d:u8 b:f32"));

// A table of bytes is there where its rows are read as bytes: here by a chain whose result is.
constexpr auto lookup = [](value x) {
  auto const i = input(*x.owner, "i", {any_batch, 8, 8}, value_type::s32);
  return conv(x + embedding(i, {.rows = 5, .width = 4, .name = "e"}), "a");
};
static_assert(of<bytes_of<lookup>>("e").type == value_type::u8 &&
              of<bytes_of<lookup, full>>("e").type == value_type::u8);

// ---- without kernels for 8 bits

constexpr auto around_softmax = [](value x) { return conv(softmax(conv(x, "a"), {.name = "s"}), "b"); };
static_assert(writes<around_softmax>("x.u8:u8 a:f32 s:f32 s.u8:u8 b:f32"));

// ---- concat

constexpr auto aligned = [](value x) {
  return conv(concat({act(conv(x, "a"), "r"), conv(x, "b")}, {.name = "cat"}), "c");
};
static_assert(writes<aligned>("x.u8:u8 r:u8 b:u8 c:f32") && share<aligned>("r", "b") &&
              share<aligned>("r", "cat") && !share<aligned>("r", "x.u8"));
constexpr auto aligned_pools = [](value x) { // through pools and a nested concat
  auto const a = conv(x, "a");
  auto const inner = concat({pool(a, "p"), conv(x, "b")}, {.name = "inner"});
  return conv(concat({inner, conv(pool(inner, "q"), "d")}, {.name = "outer"}), "c");
};
static_assert(share<aligned_pools>("a", "p") && share<aligned_pools>("a", "b") &&
              share<aligned_pools>("a", "q") && share<aligned_pools>("a", "d") &&
              share<aligned_pools>("a", "outer"));
constexpr auto soft_slice = [](value x) { // softmax writes f32, and the conversion into the concat
  return conv(concat({conv(x, "a"), softmax(conv(x, "b"), {.name = "s"})}, {.name = "cat"}), "c");
};
static_assert(writes<soft_slice>("x.u8:u8 a:u8 b:f32 s:f32 s.u8:u8 c:f32") &&
              share<soft_slice>("a", "s.u8"));
static_assert(schedule<bytes_of<soft_slice>, precision::s8>.steps[4].slice_of >= 0 &&
              schedule<bytes_of<soft_slice>, precision::s8>.steps[4].column == 4);
constexpr auto soft_first = [](value x) { // the first conversion of all is that of the part
  auto const s = softmax(x, {.name = "s"});
  return conv(concat({s, conv(x, "a")}), "b");
};
static_assert(writes<soft_first>("s:f32 s.u8:u8 x.u8:u8 a:u8 b:f32"));
constexpr auto of_input = [](value x) {
  return conv(concat({x, conv(x, "a")}, {.name = "cat"}), "b");
};
static_assert(writes<of_input>("x.u8:u8 a:u8 cat:u8 b:f32") && share<of_input>("x.u8", "a"));
constexpr auto rows = [](value x) { // not along the channels: copied
  return conv(concat({conv(x, "a"), conv(x, "b")}, {.axis = 1, .name = "cat"}), "c");
};
static_assert(writes<rows>("x.u8:u8 a:u8 b:u8 cat:u8 c:f32") && share<rows>("a", "b") &&
              share<rows>("a", "cat"));
constexpr auto output_concat = [](value x) {
  auto const c = concat({conv(x, "a"), conv(x, "b")}, {.name = "cat"});
  return two{c, conv(c, "c")};
};
static_assert(writes<output_concat>("x.u8:u8 a:f32 b:f32 cat.u8:u8 c:f32"));

// ---- exceptions

constexpr auto three = [](value x) {
  return dense(pool(act(conv(act(conv(x, "a"), "r"), "b"), "s"), "p"), {.units = 4, .name = "fc"});
};
static_assert(writes<three>("x.u8:u8 r:u8 s:u8 p:u8 fc:f32"));
constexpr auto not_b = [] { return quantize_rules{.in_float = {"b"}}; };
static_assert(writes<three, not_b>("x.u8:u8 r:f32 s:f32 p:f32 p.u8:u8 fc:f32"));
constexpr auto no_conv = [] { return quantize_rules{.in_float = {"conv2d"}}; };
static_assert(writes<three, no_conv>("r:f32 s:f32 p:f32 p.u8:u8 fc:f32"));
constexpr auto no_kind = [] { return quantize_rules{.in_float = {"conv", "dense"}}; };
static_assert(writes<three, no_kind>("r:f32 s:f32 p:f32 fc:f32"));
constexpr auto no_pool = [] { return quantize_rules{.in_float = {"max_pool"}}; };
static_assert(writes<three, no_pool>("x.u8:u8 r:u8 s:f32 p:f32 p.u8:u8 fc:f32"));
constexpr auto no_pool_full = [] {
  return quantize_rules{.mode = quantize_mode::full, .in_float = {"p"}};
};
static_assert(writes<three, no_pool_full>("x.u8:u8 r:u8 s:f32 p:f32 p.u8:u8 fc:f32"));
constexpr auto no_first = [] { return quantize_rules{.first_in_float = true}; };
static_assert(writes<three, no_first>("r:f32 r.u8:u8 s:u8 p:u8 fc:f32"));
constexpr auto no_last = [] { return quantize_rules{.last_in_float = true}; };
static_assert(writes<three, no_last>("x.u8:u8 r:u8 s:f32 p:f32 fc:f32"));
constexpr auto no_concat = [] { return quantize_rules{.in_float = {"concat"}}; };
static_assert(writes<aligned, no_concat>("x.u8:u8 r:f32 b:f32 cat.u8:u8 c:f32"));

struct says_f32 : bytes_of<two_layers> { // what a layer says is stronger than rules for all
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 8});
    auto const a = dense(x, {.units = 8, .precision = precision::s8, .name = "a"});
    return dense(dense(a, {.units = 8, .precision = precision::f32, .name = "b"}), {.units = 4, .name = "c"});
  }
  static constexpr quantize_rules quantize{.in_float = {"dense"}};
};
static_assert(are<says_f32>("x.u8:u8 a:f32 b:f32 c:f32"));
static_assert(are<says_f32, precision::f32>("x.u8:u8 a:f32 b:f32 c:f32"));

struct islands { // one layer in 8 bits among others
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 8});
    auto const a = dense(x, {.units = 8, .name = "a"});
    auto const c = dense(relu(a), {.units = 8, .precision = precision::s8, .name = "b"});
    return dense(relu(c, {.name = "r"}), {.units = 4, .name = "c"});
  }
};
static_assert(are<islands, precision::f32>("relu_2:f32 relu_2.u8:u8 r:f32 c:f32"));
static_assert(of<islands>("b").attributes.precision == precision::s8);

constexpr auto per_tensor = [] {
  return quantize_rules{.weights_per_tensor = true, .weights = ia_nn::weight_range::reduced};
};
static_assert(of<bytes_of<two_layers, per_tensor>>("a").attributes.one_weight_scale &&
              of<bytes_of<two_layers, per_tensor>>("b").attributes.weights_up_to ==
                  ia_nn::weight_range::reduced &&
              !of<bytes_of<two_layers>>("a").attributes.one_weight_scale);

// ---- signs

static_assert(writes<two_layers, symmetric>("x.s8:s8 r:u8 b:f32"));
constexpr auto plain_layers = [](value x) { return conv(conv(x, "a"), "b"); };
static_assert(writes<plain_layers, symmetric>("x.s8:s8 a:s8 b:f32"));
template <function F> constexpr auto behind = [](value x) {
  return conv(activation(conv(x, "a"), F, 0.5F, 1.0F, {.name = "f"}), "b");
};
template <function F> constexpr bool is_u8 =
    of<bytes_of<behind<F>, symmetric>>("f").type == value_type::u8;
static_assert(is_u8<function::relu> && is_u8<function::sigmoid> && is_u8<function::hard_sigmoid> &&
              is_u8<function::softplus> && is_u8<function::square> && is_u8<function::sqrt> &&
              is_u8<function::abs> && is_u8<function::exp> && is_u8<function::clip>);
static_assert(!is_u8<function::tanh> && !is_u8<function::gelu> && !is_u8<function::leaky_relu> &&
              !is_u8<function::hard_swish> && !is_u8<function::linear> && !is_u8<function::log>);
constexpr auto sym_pool = [](value x) { return conv(pool(act(conv(x, "a"), "r"), "p"), "b"); };
static_assert(writes<sym_pool, symmetric>("x.s8:s8 r:u8 p:u8 b:f32"));
static_assert(of<bytes_of<residual, symmetric>>("sum").type == value_type::u8);
constexpr auto sym_mixed = [](value x) { // what shares a scale shares the type
  return conv(concat({act(conv(x, "a"), "r"), conv(x, "b")}, {.name = "cat"}), "c");
};
static_assert(writes<sym_mixed, symmetric>("x.s8:s8 r:s8 b:s8 c:f32"));
constexpr auto sym_concat = [](value x) {
  return conv(concat({act(conv(x, "a"), "r"), act(conv(x, "b"), "s")}, {.name = "cat"}), "c");
};
static_assert(writes<sym_concat, symmetric>("x.s8:s8 r:u8 s:u8 c:f32"));
constexpr auto sym_behind = [](value x) { // what reads such a concat
  auto const c = concat({act(conv(x, "a"), "r"), act(conv(x, "b"), "s")}, {.name = "cat"});
  return conv(pool(c, "p"), "c");
};
static_assert(writes<sym_behind, symmetric>("x.s8:s8 r:u8 s:u8 p:u8 c:f32"));
constexpr auto sym_pad = [](value x) {
  return conv(pad(act(conv(x, "a"), "r"), {.begin = {1, 1}, .value = -1, .name = "p"}), "b");
};
static_assert(writes<sym_pad, symmetric>("x.s8:s8 r:s8 p:s8 b:f32"));
constexpr auto sym_sum = [](value x) { // of two that are not negative
  auto const a = act(conv(x, "a"), "r");
  return conv(relu(conv(x, "b")) + a, "c");
};
static_assert(writes<sym_sum, symmetric>("x.s8:s8 r:u8 add_5:u8 c:f32"));
constexpr auto sym_half = [](value x) { // one part is copied, one written by a layer
  auto const r = act(conv(x, "a"), "r");
  auto const c = concat({conv(x, "b"), r}, {.name = "cat"});
  auto const sum = relu(conv2d(r, {.filters = 8, .name = "d"})) + c;
  return conv(linear(sum, 1, 1, {.name = "e"}) - sum, "c");
};
static_assert(writes<sym_half, symmetric>("x.s8:s8 r:s8 b:s8 cat:s8 add_7:s8 subtract_9:s8 c:f32"));
constexpr auto sym_nested = [](value x) {
  auto const r = act(conv(x, "a"), "r");
  auto const c = concat({concat({conv(x, "b"), r}, {.axis = 1}), concat({r, r}, {.axis = 1})}, {.name = "cat"});
  auto const sum = relu(conv2d(c, {.filters = 8, .name = "d"})) + c;
  return conv(sum, "c");
};
static_assert(writes<sym_nested, symmetric>(
    "x.s8:s8 r:s8 b:s8 concat_4:s8 concat_5:s8 cat:s8 add_9:s8 c:f32"));

// ---- models

int conversions(graph_test::run_time_plan const& n) {
  int count = 0;
  for (step const& s : n.in(precision::s8).schedule.steps)
    count += s.kind == op::activation && s.stages.count == 0;
  return count;
}
int chains_of_their_own(graph_test::run_time_plan const& n) {
  int count = 0;
  for (step const& s : n.in(precision::s8).schedule.steps)
    count += s.kind == op::activation && s.stages.count > 0;
  return count;
}
template <class Net> void converts_the_input_alone() {
  auto const n = graph_test::run_time_plan::of<Net>();
  CHECK(conversions(n) == 1);
  CHECK(chains_of_their_own(n) == 0);
  auto const& form = n.in(precision::s8);
  CHECK(form.nodes[form.schedule.steps[0].out].type == value_type::u8);
  for (step const& s : form.schedule.steps)
    if (s.kind->multiplies) CHECK(form.nodes[s.inputs[0]].type == value_type::u8);
}
TEST_CASE("models convert their input and nothing else", "[graph][bytes]") {
  converts_the_input_alone<models::resnet50_v1<any_batch, 32>>();
  converts_the_input_alone<models::resnet50_v1_5<any_batch, 32>>();
  converts_the_input_alone<models::mobilenet<any_batch, 32>>();
  converts_the_input_alone<models::inception_v3<any_batch, 75>>();
  converts_the_input_alone<models::mnist<>>();
}

} // namespace
