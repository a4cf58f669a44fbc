// SPDX-License-Identifier: Apache-2.0
//
// What must fuse and what must not, proved by the compiler. A value with a second reader must be in
// memory, so the chain ends there.
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

// Orders beyond the usual ones.
static_assert(is<act_add_act_mul>("c", "conv relu - tanh *"));
static_assert(is<from_sum>("c", "conv from"));
static_assert(is<late_bn>("c", "conv relu batch_norm"));

static_assert(is<bn_relu>("bn", "elementwise batch_norm relu") && steps<bn_relu> == 1);

// Depthwise, 1-D and 3-D convolutions are convolutions.
static_assert(is<depthwise>("c", "conv folded relu"));

static_assert(is<fc_acts>("fc", "dense abs sqrt"));
static_assert(is<fc_add>("fc", "dense +") && is<add_fc>("fc", "dense +"));
static_assert(is<fc_gelu_add>("fc", "dense gelu +"));
static_assert(is<fc_identity_relu>("fc", "dense relu") && steps<fc_identity_relu> == 1);
static_assert(is<fc_bn>("fc", "dense folded"));

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
static_assert(is<fc_add_shared>("fc", "dense"));

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
      if (n.kind == op::activation && n.with.act == function::gelu)
        n.with.act = function::gelu_tanh;
  }
};
static_assert(form<own_pass>("c") == label("conv gelu_tanh"));

TEST_CASE("fusion", "[graph]") {
  // Everything above is checked by the compiler; the fused nets are run in run.cpp.
  REQUIRE(form<net<post_sum>>("c") == label("conv folded + sigmoid"));
}

} // namespace
