// SPDX-License-Identifier: Apache-2.0
//
// Every operator of the builder on every instruction set: fused against step by step, both against
// the oracle, in bf16, in 8 bits, and in one to three threads.
#include "byte_nets.hpp"
#include "bytes.hpp"

#include <algorithm>

namespace {

using namespace graph_test;
using namespace graph_nets;

template <class F> void each_net(F const& f) {
  auto const with = [&](char const* name, both_ways const& n) {
    INFO(name);
    f(n);
  };
  with("images", both_ways::of<images>());
  with("lines and volumes", both_ways::of<lines_and_volumes>());
  with("moves", both_ways::of<moves>());
  with("repeated", both_ways::of<repeated>());
  with("recurrent", both_ways::of<recurrent>());
  with("large recurrent", both_ways::of<large_recurrent>());
  with("mixed", both_ways::of<mixed>());
  with("narrow", both_ways::of<narrow>());
  with("resized", both_ways::of<resized>());
  with("chosen", both_ways::of<chosen>());
  with("lengths", both_ways::of<lengths>());
  with("products", both_ways::of<products>());
  with("attending", both_ways::of<attending>());
  with("towers", both_ways::of<towers>());
  with("tables", both_ways::of<tables>());
  with("pairs", both_ways::of<paired<separable>>());
  with("learned", both_ways::of<learned>());
  with("vision head", both_ways::of<vision_head>());
  with("of three", both_ways::of<of_three>());
  with("selected", both_ways::of<selected>());
  with("indexed", both_ways::of<indexed>());
  with("detector", both_ways::of<detector>());
}

void check_in_bytes(draft const& written, options const& o, quantize_rules rules, byte_case how = {}) {
  for (quantize_mode const mode : {quantize_mode::smart, quantize_mode::full}) {
    rules.mode = mode;
    how.part = mode == quantize_mode::smart ? 1.0F : 0.5F; // these saturate
    check_bytes(run_time_plan(written, o, rules), 20, 2, how);
  }
}
template <class Net> void check_byte_net(byte_case const& how = {}) {
  check_in_bytes(graph::detail::built<Net>(), options_of<Net>(), rules_of<Net>(), how);
}

TEST_CASE("every operator", "[graph]") {
  each_net([](both_ways const& n) {
    check_everywhere(n, 1);
    check_precisions(n.fused, 2);
    check_in_bytes(n.fused.written, {}, {});
    check_in_bytes(n.fused.written, unfused, {});
  });
  check_byte_net<byte_stages>();
  check_byte_net<byte_chains>();
  check_byte_net<byte_moves>();
  check_byte_net<byte_tables>();
  check_byte_net<byte_states>();
  check_byte_net<byte_islands>({.usual = precision::bf16});
  // Nothing is planned and never run.
  for_each_isa<planned_isas>([](auto tag) {
    for (auto const* const list : {&graph::native_kernel_ids, &graph::byte_kernel_ids})
      for (int k = 0; k < list->count; ++k) {
        INFO("kernel " << k);
        CHECK(has_run<decltype(tag)>(list->ids[k]));
      }
  });
}

TEST_CASE("every operator in two and three threads", "[graph]") {
  each_net([](both_ways const& n) {
    check_threads(n.fused, 3, 5);
    check_bytes(n.fused, 3, 5, {.threads = true});
  });
}

/// Each of the two layers of a pair computes what it computes alone.
TEST_CASE("pairs of convolutions", "[graph]") {
  run_time_plan const pairs = run_time_plan::of<paired<separable>>(),
                      alone = run_time_plan::of<separable>();
  CHECK(pairs.count_pairs() == 6);
  CHECK(alone.count_pairs() == 0);
  check_same(pairs, alone, 4);
}

TEST_CASE("minimum and maximum hand a NaN on", "[graph]") {
  both_ways const n = both_ways::of<extremes>();
  problem p = n.fused.make_problem(10, 3);
  f32 const nan = __builtin_nanf("");
  // x: one in the first row alone, so that dense gives others; y: some everywhere.
  for (index_t const i : {1, 18}) p.floats[0][i] = nan;
  for (index_t i = 19 * 2 + 4; i < p.floats[1].size(); i += 7) p.floats[1][i] = nan;
  for (std::size_t k = 0; k < 2; ++k) p.numbers[k].assign(p.floats[k].begin(), p.floats[k].end());
  auto const& nodes = n.fused.written;
  p.expected = interpret(nodes.nodes.data(), nodes.count(), p.weights, p.batch, p.numbers);
  for (std::size_t o = 0; o < p.expected.size(); ++o) {
    auto const& y = p.expected[o];
    auto const nans = std::count_if(y.begin(), y.end(), [](double e) { return std::isnan(e); });
    REQUIRE(nans > 0);
    REQUIRE((o + 1 == p.expected.size()) == (nans == static_cast<std::ptrdiff_t>(y.size())));
  }
  auto const check = [&](call const& c) {
    for (std::size_t o = 0; o < p.expected.size(); ++o) {
      INFO("output " << o);
      CHECK(distance(c.out[o], p.expected[o]) <= 1e-5);
    }
  };
  for_each_isa<planned_isas>([&](auto tag) {
    check(run_planned<decltype(tag)>(n.fused, p, {.max_batch = 3}));
    check(run_planned<decltype(tag)>(n.apart, p, {.max_batch = 3}));
  });
}

TEST_CASE("means of many equal numbers", "[graph]") {
  both_ways const n = both_ways::of<means>();
  problem p = n.fused.make_problem(11, 2);
  std::fill(p.floats[0].begin(), p.floats[0].end(), 0.1F);
  for_each_isa<planned_isas>([&](auto tag) {
    call const c = run_planned<decltype(tag)>(n.fused, p, {.max_batch = 2});
    for (auto const& y : c.out)
      for (f32 const v : y) // a running sum of 1000 is off by 160 * 2^-24
        REQUIRE(std::abs(static_cast<double>(v) - static_cast<double>(0.1F)) <=
                10 * 0x1p-24 * static_cast<double>(0.1F));
  });
}

// `compiled` itself, a small network on each instruction set.
TEST_CASE("precision of layers", "[graph]") {
  problem const p = problem_of<precise>(6, 5);
  ia_nn::thread_pool pool(2);
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    call const mixed = run_precise<I, ia_nn::f32>(p, {.max_batch = 5});
    // One layer's operands are rounded to bf16, 2^-9 each; the others are near f32.
    double const d = distance(mixed.out[0], p.expected[0]);
    CHECK(d <= 0.02);
    CHECK(d > 1e-5);
    // Every layer says what it wants.
    CHECK(same_bits(mixed, run_precise<I, ia_nn::bf16>(p, {.max_batch = 5})));
    CHECK(same_bits(mixed, run_precise<I, ia_nn::f32>(p, {.max_batch = 7, .workers = 2}, &pool)));
  });
}

} // namespace
