// SPDX-License-Identifier: Apache-2.0
//
// What must fuse and what must not, proved by the compiler. A value with a second reader must be in
// memory, so the chain ends there. The cases, and the networks of patterns.hpp that are them:
//
//   convolution (2-D; 1-D, 3-D, depthwise)  conv_only; conv_1d, conv_3d, depthwise
//     + batch norm                          conv_bn
//     + function, each of them              every_function; conv_relu6, conv_clip (any bounds)
//     + batch norm + function               conv_bn_act, conv_bn_sigmoid
//     + sum, both orders, of a pooled one   conv_add, add_conv, conv_waits
//     x + conv(x), conv(x + conv(x))        x_plus_conv, conv_of_sum
//     x + bn(conv(x)), both orders          x_plus_bn, bn_plus_x, block_out
//     f(conv(x)) + conv(x)                  two_convs
//     + batch norm + sum + function         post_sum, every_function
//     other orders                          act_add_act_mul, from_sum, late_bn, quotients
//     more than a step holds                nine
//   batch norm + function                   bn_relu, bn_then_conv
//   concat, axes -1 1 2 3, 2 and 4 inputs   passes.cpp; four_convs, signed_concat
//   conv -> reshape or transpose -> conv    conv_reshape_conv, conv_transpose_conv
//   dense (flat or not, bias or not)        fc, fc_flat
//     + each function                       every_function, fc_acts
//     + identity + function                 fc_identity_relu
//     + sum, both orders, gelu between      fc_add, add_fc, fc_gelu_add
//     + batch norm, reshape                 fc_bn, fc_reshape
//   (x^2) * 3                               pow_mul
//   transposed convolution                  deconv_*
//   repeated operands                       excite, conv_times_items, conv_is_repeated
//
//   must not: a second reader
//     of conv in front of bn, relu, sum     conv_bn_shared, conv_relu_shared, conv_add_shared
//     itself, or an output                  conv_twice, conv_is_output
//     conv -> bn -> relu: of conv, bn       bn_relu_conv_read, bn_relu_bn_read
//     conv -> bn -> add -> relu: of each    chain_conv_read, chain_bn_read, chain_sum_read
//     dense in front of relu, sum           fc_relu_shared, fc_add_shared, fc_softmax_shared
#include "../catch.hpp"
#include "patterns.hpp"

namespace {

using namespace patterns;

template <class Net> constexpr step step_of(char const* name) {
  auto const& p = schedule<Net>;
  for (int i = 0; i < p.count; ++i)
    if (simplified<Net>[p.steps[i].anchor].name.view() == name) return p.steps[i];
  return {.kind = op::input};
}
/// "conv", "conv bn", "conv bn + relu": what a step does, for comparison.
template <class Net> constexpr label form(char const* name) {
  step const s = step_of<Net>(name);
  label t = s.kind == op::activation ? "elementwise" : name_of(s.kind);
  if (s.batch_norm >= 0) t += " folded";
  for (stage const& g : s.stages) {
    constexpr char const* names[] = {"",   " +",    " -",   " from", " *",
                                     " /", " over", " min", " max",  " batch_norm"};
    if (g.kind == stage_kind::function) {
      t += " ";
      t += name_of(g.act);
    } else t += names[static_cast<int>(g.kind)];
  }
  return t;
}
template <auto Body> constexpr bool is(char const* name, char const* wanted) {
  return form<net<Body>>(name) == label(wanted) && planned<net<Body>>;
}
template <auto Body> constexpr int steps = schedule<net<Body>>.count;

// ---- must fuse
// --------------------------------------------------------------------------------------

static_assert(is<conv_only>("c", "conv"));

static_assert(is<conv_bn>("c", "conv folded") && steps<conv_bn> == 1);

static_assert(is<conv_act>("c", "conv gelu") && steps<conv_act> == 1);

static_assert(is<conv_relu6>("c", "conv clip"));
static_assert(is<conv_clip>("c", "conv clip"));

static_assert(is<conv_bn_act>("c", "conv folded mish") && steps<conv_bn_act> == 1);

// conv + add in both orders, the other operand a pooled conv.
static_assert(is<conv_add>("c", "conv +") && steps<conv_add> == 3);
static_assert(is<add_conv>("c", "conv +") && steps<add_conv> == 3);
// The pool is computed later, and the convolution waits for it.
static_assert(is<conv_waits>("c", "conv +") && steps<conv_waits> == 3);

static_assert(is<x_plus_conv>("c", "conv +") && steps<x_plus_conv> == 1);
static_assert(is<conv_of_sum>("c", "conv +") && is<conv_of_sum>("d", "conv"));
static_assert(is<x_plus_bn>("c", "conv folded +") && is<bn_plus_x>("c", "conv folded +"));

// act(conv(x)) + conv(x): the first takes the function, the second the sum.
static_assert(is<two_convs>("first", "conv leaky_relu") && is<two_convs>("second", "conv +"));

static_assert(is<post_sum>("c", "conv folded + sigmoid") && steps<post_sum> == 1);

// Every function there is, behind every kernel, alone, behind a batch norm, and behind a sum.
template <function F>
constexpr auto any_function = [](value x) {
  auto const f = [](value y) { return activation(y, F, 0.5F, 1.0F); };
  return std::array<value, 5>{
      f(conv(x, "a")), f(batch_norm(conv(x, "b"))), f(x + batch_norm(conv(x, "c"))),
      f(dense(x, {.units = 3, .bias = false, .name = "d"})), f(deconv(x, "e"))};
};
constexpr int functions = static_cast<int>(function::linear) + 1;
template <int... F> constexpr bool fuse_all(std::integer_sequence<int, F...>) {
  return ((F == 0 || schedule<net<any_function<static_cast<function>(F)>>>.count == 5) && ...);
}
static_assert(fuse_all(std::make_integer_sequence<int, functions>{}));
static_assert(is<conv_bn_sigmoid>("c", "conv folded sigmoid"));
static_assert(is<conv_log_sigmoid>("c", "conv linear softplus linear"));

static_assert(is<block_out>("project", "conv folded +") && is<block_out>("c", "conv folded +") &&
              steps<block_out> == 3);

// Orders beyond the usual ones.
static_assert(is<act_add_act_mul>("c", "conv relu - tanh *"));
static_assert(is<from_sum>("c", "conv from"));
static_assert(is<late_bn>("c", "conv relu batch_norm"));
static_assert(is<quotients>("c", "conv square over max min"));
static_assert(is<nine>("c", "conv softsign tanh softsign tanh softsign tanh softsign tanh") &&
              steps<nine> == 2);

static_assert(is<bn_relu>("bn", "elementwise batch_norm relu") && steps<bn_relu> == 1);

// Depthwise, 1-D and 3-D convolutions are convolutions.
static_assert(is<depthwise>("c", "conv folded relu"));
static_assert(is<conv_1d>("c", "conv relu") && steps<conv_1d> == 1);
static_assert(is<conv_3d>("c", "conv relu") && steps<conv_3d> == 1);

static_assert(is<bn_then_conv>("bn", "elementwise batch_norm relu") && steps<bn_then_conv> == 2);
static_assert(steps<conv_reshape_conv> == 2 && is<conv_reshape_conv>("c", "conv relu"));
static_assert(steps<conv_transpose_conv> == 3 && is<conv_transpose_conv>("c", "conv relu"));
static_assert(steps<four_convs> == 4);
static_assert(steps<signed_concat> == 2 && is<signed_concat>("c", "conv relu"));

static_assert(is<deconv_bn_add_act>("d", "deconv folded + relu") && steps<deconv_bn_add_act> == 1);
static_assert(is<deconv_act_add>("d", "deconv gelu +"));
// Recurrent layers have no stages: the sum is a step that works in place.
static_assert(steps<lstm_add> == 2 && schedule<net<lstm_add>>.buffer_count == 1);

// A repeated operand is a stage of an element-wise chain, not of a convolution, which knows no
// items.
static_assert(is<conv_times_items>("c", "conv") && steps<conv_times_items> == 3);
static_assert(steps<excite> == 4); // conv, mean, dense sigmoid, the rest
static_assert(schedule<net<excite>>.steps[3].stages[0].how == spread::channels &&
              schedule<net<excite>>.steps[3].stages.count == 3);
static_assert(is<conv_is_repeated>("c", "conv") && steps<conv_is_repeated> == 2);

static_assert(is<fc_acts>("fc", "dense abs sqrt"));
static_assert(is<fc_add>("fc", "dense +") && is<add_fc>("fc", "dense +"));
static_assert(is<fc_gelu_add>("fc", "dense gelu +"));
static_assert(is<fc_identity_relu>("fc", "dense relu") && steps<fc_identity_relu> == 1);
static_assert(is<fc_bn>("fc", "dense folded"));
static_assert(is<fc_flat>("fc", "dense relu"));
static_assert(is<fc_reshape>("fc", "dense relu") && steps<fc_reshape> == 2);

// Power and product, with numbers that become parameters.
static_assert(steps<pow_mul> == 1 && schedule<net<pow_mul>>.steps[0].stages.count == 2);

// ---- must not fuse: the value between has a second reader
// ---------------------------------------------

static_assert(is<conv_bn_shared>("c", "conv") &&
              is<conv_bn_shared>("bn", "elementwise batch_norm"));
static_assert(is<conv_relu_shared>("c", "conv"));
static_assert(is<conv_add_shared>("c", "conv"));
static_assert(is<conv_is_output>("c", "conv"));
static_assert(is<conv_twice>("c", "conv") && steps<conv_twice> == 2);

static_assert(is<bn_relu_conv_read>("c", "conv"));
static_assert(is<bn_relu_bn_read>("c", "conv folded"));
static_assert(is<bn_relu_bn_read>("relu", "elementwise relu"));

static_assert(is<chain_conv_read>("c", "conv"));
static_assert(is<chain_bn_read>("c", "conv folded"));
static_assert(is<chain_sum_read>("c", "conv folded +"));

static_assert(is<fc_relu_shared>("fc", "dense"));
static_assert(is<fc_softmax_shared>("fc", "dense") && steps<fc_softmax_shared> == 3);
static_assert(is<fc_add_shared>("fc", "dense"));
static_assert(is<deconv_shared>("d", "deconv") && steps<deconv_shared> == 3);

// ---- switches
// -----------------------------------------------------------------------------------------

struct no_epilogues : net<post_sum> {
  static constexpr options passes{.fuse_epilogues = false};
};
static_assert(form<no_epilogues>("c") == label("conv folded"));
struct no_folding : net<post_sum> {
  static constexpr options passes{.fold_batch_norm = false};
};
static_assert(form<no_folding>("c") == label("conv batch_norm + sigmoid"));
struct nothing_fused : net<post_sum> {
  static constexpr options passes = unfused;
};
static_assert(form<nothing_fused>("c") == label("conv") && schedule<nothing_fused>.count == 4);

struct own_pass : net<conv_act> { // gelu by its tanh form
  static constexpr void pass(draft& d) {
    for (node& n : d.nodes)
      if (n.kind == op::activation && n.attributes.act == function::gelu)
        n.attributes.act = function::gelu_tanh;
  }
};
static_assert(form<own_pass>("c") == label("conv gelu_tanh"));

TEST_CASE("fusion", "[graph]") {
  // Everything above is checked by the compiler; the fused nets are run in run.cpp.
  REQUIRE(form<net<post_sum>>("c") == label("conv folded + sigmoid"));
}

} // namespace
