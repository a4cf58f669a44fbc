// SPDX-License-Identifier: Apache-2.0
//
// Plans made at run time, and what is checked of them.
#include "planned.hpp"

namespace graph_test {

run_time_plan::run_time_plan(graph::draft const& d, graph::options const& o,
                             graph::quantize_rules const& r)
    : written(d) {
  using graph::precision;
  INFO(d.mistake.view());
  REQUIRE(!d.wrong());
  graph::draft simple = d;
  graph::simplify(simple, o);
  for (precision const usual : {precision::f32, precision::bf16, precision::bf16_terms2,
                                precision::bf16_terms3, precision::s8, precision::dynamic_s8,
                                precision::weights_s8, precision::weights_s4}) {
    form f{simple, {}};
    f.schedule = graph::schedule_of(f.nodes, o, usual, r);
    REQUIRE(graph::never_overlaps(f.schedule.memory.buffers, f.schedule.memory.bytes));
    forms.push_back(std::move(f));
  }
}
graph::plan_view run_time_plan::view(graph::precision usual) const {
  graph::draft const& d = in(usual).nodes;
  graph::schedule_draft const& s = in(usual).schedule;
  return {d.nodes.data(),
          s.steps.data(),
          s.memory.times.data(),
          s.memory.places.data(),
          s.memory.buffers.data(),
          d.count(),
          static_cast<int>(s.steps.size()),
          written.nodes.data(),
          written.count(),
          usual};
}
int run_time_plan::count_pairs() const {
  int n = 0;
  for (graph::step const& s : in(graph::precision::f32).schedule.steps) n += s.depthwise.node >= 0;
  return n;
}
problem run_time_plan::make_problem(std::uint64_t seed, index_t batch) const {
  ia_nn_test::random r(seed);
  graph::dims const& first = written.nodes[0].shape;
  return problem(written.nodes.data(), written.count(), first.dynamic() ? batch : first[0], r);
}

constexpr graph::precision both_precisions[] = {graph::precision::f32, graph::precision::bf16};

// Fused, some sums have another order: behind flatten the weights are permuted in place of columns.
void check_everywhere(both_ways const& n, std::uint64_t seed) {
  constexpr double bound = 1e-5;
  problem const p = n.fused.make_problem(seed, 3);
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    compare(p, run_planned<I>(n.fused, p, {.max_batch = 5}),
            run_planned<I>(n.apart, p, {.max_batch = 3}), bound, 1e-5);
  });
}

void check_same(run_time_plan const& n, run_time_plan const& m, std::uint64_t seed) {
  problem const p = n.make_problem(seed, 3);
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    for (graph::precision const usual : both_precisions)
      CHECK(same_bits(run_planned<I>(n, p, {.max_batch = 3}, usual),
                      run_planned<I>(m, p, {.max_batch = 5}, usual)));
  });
}

void check_threads(run_time_plan const& n, std::uint64_t seed, index_t batch) {
  problem const p = n.make_problem(seed, batch);
  ia_nn::thread_pool two(2), three(3);
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    for (graph::precision const usual : both_precisions) {
      INFO((usual == graph::precision::f32 ? "f32" : "bf16"));
      call const one = run_planned<I>(n, p, {.max_batch = batch}, usual);
      for (ia_nn::thread_pool* const pool : {&two, &three}) {
        graph::compile_options const o{.max_batch = batch + 2, .workers = pool->concurrency()};
        CHECK(same_bits(one, run_planned<I>(n, p, o, usual, pool)));
      }
    }
  });
}

// Layers that multiply bf16 are alike on every instruction set: sums differ by their order, and
// where one is rounded to bf16 for the next layer it may fall to either side, 2^-8 of one operand.
// Against the oracle each operand is 2^-9 off, of which norms of small variances make more.
// The same holds of bytes and of narrow weights: tests/graph/byte_sources.cpp has tight bounds.
// Terms of bf16 are near f32: two of them within 3 * 2^-16 of each product.
void check_precisions(run_time_plan const& n, std::uint64_t seed) {
  using graph::precision;
  problem const p = n.make_problem(seed, 2);
  std::vector<std::vector<double>> first;
  for_each_isa<planned_isas>([&](auto tag) {
    using I = decltype(tag);
    graph::compile_options const o{.max_batch = 2};
    call const narrow = run_planned<I>(n, p, o, precision::bf16),
               two = run_planned<I>(n, p, o, precision::bf16_terms2),
               three = run_planned<I>(n, p, o, precision::bf16_terms3),
               bytes = run_planned<I>(n, p, o, precision::dynamic_s8),
               weights = run_planned<I>(n, p, o, precision::weights_s8),
               nibbles = run_planned<I>(n, p, o, precision::weights_s4);
    for (std::size_t i = 0; i < p.expected.size(); ++i) {
      INFO("output " << i);
      if (first.size() == i) first.emplace_back(narrow.out[i].begin(), narrow.out[i].end());
      CHECK(distance(narrow.out[i], first[i]) <= 0x1p-7);
      CHECK(distance(narrow.out[i], p.expected[i]) <= 0.3);
      CHECK(distance(bytes.out[i], p.expected[i]) <= 0.3);
      CHECK(distance(weights.out[i], p.expected[i]) <= 0.3);
      CHECK(distance(nibbles.out[i], p.expected[i]) <= 1);
      CHECK(distance(two.out[i], p.expected[i]) <= 1e-3);
      CHECK(distance(three.out[i], p.expected[i]) <= 1e-5);
    }
  });
}

} // namespace graph_test
