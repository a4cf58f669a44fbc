// SPDX-License-Identifier: Apache-2.0
//
// Channels first outside, and permutations of channels: where moves are left, proved by the
// compiler; and what comes out, against the oracle and by PyTorch's numbering.
#include "channel_nets.hpp"
#include "planned.hpp"

#include <ia_nn/graph/show/dump.hpp>

namespace {

using namespace graph_test;
using namespace channel_nets;

// ---- orders of channels

constexpr bool orders_multiply() {
  for (index_t n = 1; n < 25; ++n)
    for (index_t c = 1; c <= n; ++c) {
      if (n % c != 0) continue;
      channel_order const by_c = channel_order::shuffled(c, n), back = channel_order::backwards(),
                          both = channel_order::product(by_c, back, n);
      if (!(both == channel_order::product(back, by_c, n)) ||
          !(channel_order::quotient(both, by_c, n) == back) ||
          !(channel_order::quotient({}, by_c, n) == channel_order::shuffled(n / c, n)))
        return false;
      for (index_t i = 0; i < n; ++i)
        if (by_c.at(i, n) != i % c * (n / c) + i / c || both.at(i, n) != n - 1 - by_c.at(i, n) ||
            both.at(i, n) != by_c.at(n - 1 - i, n))
          return false;
    }
  return true;
}
static_assert(orders_multiply());
// Of 12, by 3 and then by 2.
static_assert([] {
  channel_order const three = channel_order::shuffled(3, 12), two = channel_order::shuffled(2, 12),
                      whole = channel_order::product(three, two, 12);
  for (index_t i = 0; i < 12; ++i)
    if (whole.at(i, 12) != three.at(two.at(i, 12), 12)) return false;
  return true;
}());

// ---- moves that are left

constexpr int left(channel_net const& n, options const& o) {
  builder b;
  n.build(b);
  if (b.net.wrong()) return -1;
  simplify(b.net, o);
  int moves = 0;
  for (node const& x : b.net.nodes) {
    if (x.kind == op::permute) return -2;
    if (x.kind == op::reshape &&
        (x.attributes.reads != order::channels_last || x.attributes.writes != order::channels_last))
      return -3;
    ia_nn::graph::detail::input_nodes const in(b.net, x);
    bool const kept = x.kind->by_channel(x, in.of);
    moves += (x.kind == op::transpose || x.kind == op::slice) && !kept;
  }
  return moves;
}
template <auto const& Nets, int I> constexpr bool as_said() {
  static_assert(left(Nets[I], {}) == Nets[I].moves);
  static_assert(left(Nets[I], {.fold_orders = false}) >= Nets[I].moves);
  return true;
}
template <auto const& Nets> constexpr bool all_as_said = []<int... I>(std::integer_sequence<int, I...>) {
  return (as_said<Nets, I>() && ...);
}(std::make_integer_sequence<int, static_cast<int>(std::size(Nets))>{});
static_assert(all_as_said<layouts> && all_as_said<permutations>);

// ---- what must be said

template <auto Body> struct net {
  static constexpr void build(builder& b) { Body(b); }
};
template <auto Body> constexpr std::string_view said = mistake<net<Body>>();

static_assert(said<[](builder& b) {
                output(relu(input(b, "x", {any_batch, 6}, {.layout = layout::channels_first})));
              }> == "ia_nn: input 'x': shape (any, 6) has no channels that could come first: that of "
                    "an image is (batch, height, width, channels) in either layout");
static_assert(said<[](builder& b) {
                auto const ids = input(b, "ids", {any_batch, 6, 2, 1},
                                       {.type = value_type::s32, .layout = layout::channels_first});
                output(embedding(ids, {.rows = 3, .width = 2}));
              }> == "ia_nn: input 'ids': s32 indices have no channels that could come first");
static_assert(said<[](builder& b) {
                output(flatten(image(b)), "flat", {.layout = layout::channels_first});
              }>.starts_with("ia_nn: output 'flat': shape (any, 72) has no channels that"));
static_assert(said<[](builder& b) {
                output(channel_shuffle(image(b), {.groups = 4, .name = "s"}));
              }> == "ia_nn: channel_shuffle 's': 4 groups do not divide the channels of input "
                    "(any, 4, 3, 6)");
// An input of 3 extents with channels first is an image.
static_assert(said<[](builder& b) {
                layout const first = layout::channels_first;
                output(flatten(input(b, "x", {any_batch, 6, 2}, {.layout = first})));
              }> == "");

// ---- fused as if nothing had been there

constexpr auto shuffle_net = [](builder& b) {
  auto const x = relu(batch_norm(shuffled(features(b), 2), {.name = "bn"}));
  output(depthwise_conv2d(x, {.kernel = 2, .name = "d"}));
};
static_assert(schedule<net<shuffle_net>>.count == 2);
static_assert(schedule<net<shuffle_net>>.steps[0].batch_norm >= 0);

constexpr auto outside = [](builder& b) {
  auto const x = max_pool(planes(b, 5, "image"), {.kernel = 2});
  output(x, "result", {.layout = layout::channels_first});
};
TEST_CASE("moves of channels are shown", "[graph]") {
  std::string const steps = dump_steps<net<permutations[27].build>>();
  INFO(steps);
  REQUIRE(steps.find("transpose ") != std::string::npos);
  REQUIRE(steps.find("slice ") != std::string::npos);
  std::string const layouts_shown = dump_steps<net<outside>>();
  INFO(layouts_shown);
  REQUIRE(layouts_shown.find("image.transposed") != std::string::npos);
  REQUIRE(layouts_shown.find("result.transposed") != std::string::npos);
}

// ---- run

struct run_time_net {
  static inline channel_net const* which = nullptr;
  static void build(builder& b) { which->build(b); }
};

void check_nets(std::span<channel_net const> nets, bool in_bf16) {
  for (channel_net const& n : nets) {
    INFO(n.name);
    run_time_net::which = &n;
    auto const both = both_ways::of<run_time_net>();
    check_everywhere(both, 9);
    if (in_bf16) check_precisions(both.fused, 9);
  }
}
TEST_CASE("channels first outside", "[graph]") { check_nets(layouts, true); }
TEST_CASE("permutations of channels", "[graph]") { check_nets(permutations, true); }

// Not by the oracle: element by element, as PyTorch numbers it.
TEST_CASE("layouts and shuffles count as PyTorch does", "[graph]") {
  constexpr index_t H = 4, W = 3, C = 6, items = 3;
  struct net {
    static void build(builder& b) {
      layout const first = layout::channels_first;
      auto const x = input(b, "x", {any_batch, H, W, C}, {.layout = first});
      output(x);
      output(x, "same", {.layout = first});
      output(flatten(x));
      output(shuffled(x, 2), "shuffled", {.layout = first});
      output(shuffled_as_pytorch(x, 3));
      output(backwards(x));
      output(channel_shuffle(x, {.groups = 2}), "again", {.layout = first});
      output(max_pool(x, {.kernel = {H, W}}), "most", {.layout = first});
    }
  };
  run_time_plan const fused = run_time_plan::of<net>({}), apart = run_time_plan::of<net>(unfused);
  problem const p = fused.make_problem(8, items);
  auto const& x = p.floats[0]; // t[n][c][h][w], one behind the other
  for_each_isa<planned_isas>([&](auto tag) {
    for (run_time_plan const* const plan : {&fused, &apart}) {
      call const ran = run_planned<decltype(tag)>(*plan, p, {.max_batch = items});
      for (index_t n = 0, counted = 0; n < items; ++n)
        for (index_t ch = 0; ch < C; ++ch)
          for (index_t h = 0; h < H; ++h)
            for (index_t w = 0; w < W; ++w, ++counted) {
              index_t const pixel = n * H * W + h * W + w;
              auto const plane = [&](index_t c) { return ((n * C + c) * H + h) * W + w; };
              CHECK(ran.out[0][pixel * C + ch] == x[counted]);
              CHECK(ran.out[1][counted] == x[counted]);
              CHECK(ran.out[2][counted] == x[counted]);
              // t.view(n, 2, 3, H, W).transpose(1, 2): channel 3 g + k becomes channel 2 k + g
              CHECK(ran.out[3][plane(ch % 3 * 2 + ch / 3)] == x[counted]);
              // t.view(n, 3, 2, H, W).transpose(1, 2): 2 g + k becomes 3 k + g
              CHECK(ran.out[4][pixel * C + ch % 2 * 3 + ch / 2] == x[counted]);
              CHECK(ran.out[5][pixel * C + C - 1 - ch] == x[counted]); // t.flip(1)
              CHECK(ran.out[6][plane(ch % 3 * 2 + ch / 3)] == x[counted]);
              CHECK(ran.out[7][n * C + ch] >= x[counted]);
            }
    }
  });
}

} // namespace
