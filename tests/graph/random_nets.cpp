// SPDX-License-Identifier: Apache-2.0
//
// Random networks: a seeded generator writes them, each is run fused and step by step, and compared
// with the oracle. Some are planned by the compiler and most while the test runs, by the same
// functions. The hidden tests take thousands: test_graph "[.slow]".
#include "bytes.hpp"
#include "order_nets.hpp"
#include "random_network.hpp"

#include <ia_nn/graph/layers.hpp>

#include <utility>

namespace {

using namespace graph_test;
using namespace ia_nn::graph;

/// What such a network says of itself in 8 bits.
constexpr quantize_rules random_rules(std::uint64_t seed) {
  generator g{seed * 0xd1342543de82ef95U + 7};
  for (int i = 0; i < 8; ++i) static_cast<void>(g.below(2));
  quantize_rules r;
  if (g.below(2)) r.mode = quantize_mode::full;
  if (g.below(2)) r.values = byte_values::symmetric;
  r.first_in_float = g.below(4) == 0;
  r.last_in_float = g.below(4) == 0;
  r.weights_per_tensor = g.below(4) == 0;
  if (g.below(4) == 0) r.weights = ia_nn::weight_range::reduced;
  constexpr char const* kinds[] = {"dense", "max_pool", "average_pool", "concat", "add",
                                   "transpose", "slice", "relu", "conv"};
  for (char const* const kind : kinds)
    if (g.below(12) == 0) r.in_float.add(ia_nn::graph::label(kind));
  return r;
}

/// Planned by the compiler.
template <int Seed> struct random_net {
  static constexpr quantize_rules quantize = [] {
    quantize_rules r = random_rules(Seed);
    r.in_float = {"x"}; // a name that there is
    return r;
  }();
  static constexpr auto build(builder& b) { return random_network(b, Seed); }
};
/// Planned while the test runs.
struct run_time_net {
  static inline std::uint64_t seed = 0;
  static auto build(builder& b) { return random_network(b, seed); }
};

// Values are near 1. A difference may leave nothing of them.
void compare_random(problem const& p, call const& fused, call const& apart) {
  auto const off = [](auto const& a, std::vector<double> const& b) {
    return distance(a, b) * largest(b) / std::fmax(largest(b), 0.1);
  };
  for (std::size_t o = 0; o < p.expected.size(); ++o) {
    std::vector<double> const reference(apart.out[o].begin(), apart.out[o].end());
    double const fused_off = off(fused.out[o], reference), exact_off = off(fused.out[o], p.expected[o]),
                 apart_off = off(apart.out[o], p.expected[o]);
    CHECK(fused_off <= 1e-5); // behind flatten sums have another order
    CHECK(exact_off <= 1e-5);
    CHECK(apart_off <= 1e-5);
  }
}

void check_same_plan(plan_view const& a, plan_view const& b, bool same_bytes) {
  CHECK(same_bytes);
  REQUIRE(a.node_count == b.node_count);
  REQUIRE(a.count == b.count);
  for (int i = 0; i < a.node_count; ++i) {
    node const &x = a.nodes[i], &y = b.nodes[i];
    place const &p = a.places[i], &q = b.places[i];
    CHECK((x.kind == y.kind && x.type == y.type && x.name == y.name && x.shape == y.shape &&
           x.scaled_as == y.scaled_as &&
           x.inputs == y.inputs && x.attributes == y.attributes));
    CHECK((p.where == q.where && p.index == q.index && p.column == q.column && p.ld == q.ld));
    if (p.where == storage::workspace)
      CHECK(a.buffers[p.index].offset == b.buffers[q.index].offset);
  }
  for (int s = 0; s < a.count; ++s) {
    step const &x = a.steps[s], &y = b.steps[s];
    CHECK((a.kernel_at(s) == b.kernel_at(s) && a.times[s] == b.times[s] && x.out == y.out &&
           x.anchor == y.anchor && x.batch_norm == y.batch_norm && x.group == y.group &&
           x.inputs == y.inputs));
    REQUIRE(x.stages.count == y.stages.count);
    for (int k = 0; k < x.stages.count; ++k)
      CHECK((x.stages[k].kind == y.stages[k].kind && x.stages[k].act == y.stages[k].act &&
             x.stages[k].operand == y.stages[k].operand));
  }
}

template <int Seed> void planned_by_the_compiler() {
  INFO("random_net " << Seed);
  using net = random_net<Seed>;
  static_assert(planned<net>);
  problem const p = problem_of<net>(Seed, 3);
  auto const view = [](auto const& nodes, auto const& s, auto const& written) {
    return ia_nn::graph::plan_view::of(nodes, s, written, precision::f32);
  };
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    compare_random(p,
                   run_planned<I>(view(typed<net>, schedule<net>, original<net>),
                                  schedule<net>.bytes, p, {.max_batch = 5}),
                   run_planned<I>(view(typed<plain<net>>, schedule<plain<net>>, original<net>),
                                  schedule<plain<net>>.bytes, p, {.max_batch = 3}));
  });
  // At run time the passes find the same.
  run_time_net::seed = Seed;
  run_time_plan const again(ia_nn::graph::detail::built<run_time_net>(), {}, net::quantize);
  check_same_plan(plan_view::of(typed<net>, schedule<net>, original<net>, precision::f32),
                  again.view(), schedule<net>.bytes == again.bytes());
  constexpr precision narrow = precision::bf16;
  check_same_plan(plan_view::of(typed<net, narrow>, schedule<net, narrow>, original<net>, narrow),
                  again.view(narrow), schedule<net, narrow>.bytes == again.bytes(narrow));
  constexpr precision bytes = precision::s8;
  check_same_plan(plan_view::of(typed<net, bytes>, schedule<net, bytes>, original<net>, bytes),
                  again.view(bytes), schedule<net, bytes>.bytes == again.bytes(bytes));
}

// ---- PyTorch's order of flattened images

struct run_time_order_net {
  static inline order_nets::order_net const* which = nullptr;
  static void build(builder& b) { which->build(b); }
};

TEST_CASE("orders of flatten and reshape", "[graph]") {
  for (order_nets::order_net const& net : order_nets::all) {
    INFO(net.name);
    run_time_order_net::which = &net;
    run_time_plan const f = run_time_plan::of<run_time_order_net>({}),
                        a = run_time_plan::of<run_time_order_net>(unfused);
    problem const p = f.make_problem(7, 3);
    for_each_isa<planned_isas>([&](auto tag) {
      using I = decltype(tag);
      compare_random(p, run_planned<I>(f, p, {.max_batch = 5}),
                     run_planned<I>(a, p, {.max_batch = 3}));
    });
  }
}

// Not by the oracle: element by element, as PyTorch numbers it.
TEST_CASE("flatten and reshape count as PyTorch does", "[graph]") {
  constexpr index_t H = 4, W = 3, C = 5, items = 3;
  struct net {
    static void build(builder& b) {
      auto const x = input(b, "image", {any_batch, H, W, C});
      auto const flat = input(b, "flat", {any_batch, H * W * C});
      output(flatten(x));
      output(flatten(x, {.order = order::channels_last}));
      output(reshape(flat, {H, W, C}));
      output(reshape(flat, {H, W, C}, {.order = order::channels_last}));
      output(reshape(x, {2, C, 6}));
      output(reshape(x, {H * W, C}));
    }
  };
  run_time_plan const plan = run_time_plan::of<net>({});
  problem const p = plan.make_problem(8, items);
  auto const &image = p.floats[0], &flat = p.floats[1];
  for_each_isa<planned_isas>([&](auto tag) {
    call const c = run_planned<decltype(tag)>(plan, p, {.max_batch = items});
    // torch: t[n][c][h][w], its numbers counted one after the other.
    for (index_t n = 0; n < items; ++n)
      for (index_t ch = 0, counted = 0; ch < C; ++ch)
        for (index_t h = 0; h < H; ++h)
          for (index_t w = 0; w < W; ++w, ++counted) {
            index_t const first = n * H * W * C, lies = first + (h * W + w) * C + ch;
            CHECK(c.out[0][first + counted] == image[lies]);
            CHECK(c.out[1][lies] == image[lies]);
            CHECK(c.out[2][lies] == flat[first + counted]);
            CHECK(c.out[3][lies] == flat[lies]);
            // t.reshape(n, 6, 2, C), whose element [c6][h2][w5] is the one counted here
            index_t const c6 = counted / (2 * C), h2 = counted / C % 2, w5 = counted % C;
            CHECK(c.out[4][first + (h2 * C + w5) * 6 + c6] == image[lies]);
            CHECK(c.out[5][lies] == image[lies]);
          }
  });
}

TEST_CASE("random networks", "[graph]") {
  []<int... S>(std::integer_sequence<int, S...>) {
    (planned_by_the_compiler<S>(), ...);
  }(std::make_integer_sequence<int, 6>{});
}

void planned_at_run_time(std::uint64_t first, int count) {
  int fused = 0, apart = 0, pairs = 0;
  for (int i = 0; i < count; ++i) {
    run_time_net::seed = first + static_cast<std::uint64_t>(i);
    INFO("seed " << run_time_net::seed);
    run_time_plan const f = run_time_plan::of<run_time_net>({.fuse_pairs = true}),
                        a = run_time_plan::of<run_time_net>(unfused);
    fused += f.steps();
    pairs += f.count_pairs();
    apart += a.steps();
    problem const p = f.make_problem(run_time_net::seed, 3);
    for_each_isa<planned_isas>([&](auto tag) {
      using I = decltype(tag);
      compare_random(p, run_planned<I>(f, p, {.max_batch = 5}),
                     run_planned<I>(a, p, {.max_batch = 3}));
    });
  }
  CHECK(fused < apart);
  CHECK(pairs > 0);
}

TEST_CASE("random networks, planned at run time", "[graph]") { planned_at_run_time(1000, 300); }

// Those with values in s8 are for the compiler: here they are u8 with a zero point.
void in_bytes(std::uint64_t first, int count) {
  int bytes = 0;
  for (int i = 0; i < count; ++i) {
    run_time_net::seed = first + static_cast<std::uint64_t>(i);
    INFO("seed " << run_time_net::seed);
    quantize_rules r = random_rules(run_time_net::seed);
    r.values = byte_values::asymmetric;
    run_time_plan const n(ia_nn::graph::detail::built<run_time_net>(), i % 4 == 0 ? unfused : options{}, r);
    for (node const& x : n.in(precision::s8).nodes.nodes) bytes += x.type == value_type::u8;
    check_bytes(n, run_time_net::seed, 3, {.part = i % 2 ? 1.0F : 0.3F});
  }
  CHECK(bytes > 5 * count);
}
TEST_CASE("random networks in 8 bits", "[graph][bytes]") { in_bytes(2000, 300); }
TEST_CASE("thousands of random networks in 8 bits", "[.slow][graph][bytes]") {
  in_bytes(process_seed(), 5000);
}
TEST_CASE("thousands of random networks", "[.slow][graph]") {
  planned_at_run_time(process_seed(), 5000);
}

} // namespace
