// SPDX-License-Identifier: Apache-2.0
//
// Batches that pass through a network in parts: the bits of a whole batch, which networks may, and how
// many items a part has.
#include "../../examples/models/mnist.hpp"
#include "../../examples/models/wide_deep.hpp"
#include "support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/layers/custom.hpp>
#include <ia_nn/graph/show/trace.hpp>

namespace {

using namespace graph_test;
using namespace ia_nn::graph;
using wide = models::wide_deep<any_batch, 50, 3>; // many inputs, of f32 and of s32
using digits = models::mnist<>;

struct ends { // several outputs, one of them an input, and values of several shapes
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {any_batch, 9, 7, 16}), y = input(b, "y", {any_batch, 5});
    auto const z = relu(depthwise_conv2d(x, {.kernel = 3, .pad = 1, .name = "a"}));
    output(conv2d(z, {.filters = 40, .name = "b"}));
    output(dense(y, {.units = 5, .name = "c"}));
    output(y);
  }
};
struct sums_of_batch {
  static constexpr char const* name = "sums_of_batch";
  static constexpr dims shape(dims const& x) { return x; }
  static void run(custom_call const& c) noexcept {
    index_t const each = c.size / c.batch;
    for (index_t k = 0; k < each; ++k) {
      f32 sum = 0;
      for (index_t n = 0; n < c.batch; ++n) sum += c.src[0][n * each + k];
      for (index_t n = 0; n < c.batch; ++n) c.dst[n * each + k] = sum;
    }
  }
};
struct mixes {
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 6});
    return ia_nn::graph::custom<sums_of_batch>({dense(x, {.units = 4, .name = "a"})});
  }
};
struct large { // 16 MB between two layers with few weights
  static constexpr auto build(builder& b) {
    auto const x = input(b, "x", {any_batch, 1024, 1024, 1});
    auto const y = conv2d(x, {.filters = 4, .name = "a"});
    return global_average_pool(conv2d(y, {.filters = 1, .name = "b"}));
  }
};
struct fixed {
  static constexpr auto build(builder& b) { return relu(input(b, "x", {6, 4})); }
};

struct counter { // a trace
  int starts = 0, begins[64]{}, ends[64]{};
  void start() noexcept { ++starts; }
  void begin(int s) noexcept { ++begins[s]; }
  void end(int s) noexcept { ++ends[s]; }
};

template <class Net, class Usual> void check_parts(index_t least) {
  using policy = native<ia_nn::isa::native, Usual>;
  problem const p = problem_of<Net>(3, 9);
  call const whole = run<Net, policy>(p, {.max_batch = 9, .items_at_once = 9});
  for (index_t at_once : {1, 2, 3, 4, 5, 20})
    for (int workers : {1, 2}) {
      ia_nn::thread_pool pool(workers);
      INFO(at_once << " at once, workers " << workers);
      compile_options const o{.max_batch = 11, .workers = workers, .items_at_once = at_once};
      REQUIRE(same_bits(whole, run<Net, policy>(p, o, pool)));
      compiled<Net, policy> const net(p.weights.from, o);
      CHECK(net.items_at_once() == std::max(least, at_once));
      CHECK(net.max_batch() == 11);
    }
  REQUIRE(same_bits(whole, run<Net, policy>(p, {.max_batch = 9})));
}

template <class Net> compiled<Net> net_of(problem const& p, compile_options const& o) {
  return compiled<Net>(p.weights.from, o);
}

} // namespace

TEST_CASE("parts have the bits of the whole batch", "[graph]") {
  REQUIRE(ready());
  check_parts<wide, f32>(4); // its last layers have one column
  index_t const bf16_least = ia_nn::isa::has<ia_nn::isa::native, ia_nn::isa::amx> ? 4 : 1;
  check_parts<digits, f32>(1);
  check_parts<digits, ia_nn::bf16>(bf16_least);
  check_parts<ends, f32>(1);
  check_parts<ends, ia_nn::bf16>(bf16_least);
}

TEST_CASE("networks that may look at the whole batch run whole", "[graph]") {
  REQUIRE(ready());
  problem const p = problem_of<mixes>(4, 5);
  auto const net = net_of<mixes>(p, {.max_batch = 5, .items_at_once = 1});
  workspace scratch(net.workspace_bytes());
  call c(p);
  net.run(5, c.in, c.to, scratch);
  for (index_t i = 4; i < 20; ++i) CHECK(c.out[0][i] == c.out[0][i % 4]);
  problem const q = problem_of<fixed>(5, 6);
  CHECK(same_bits(run<fixed>(q, {.items_at_once = 2}), run<plain<fixed>>(q, {})));
}

TEST_CASE("a part is as large as the caches and the weights say", "[graph]") {
  REQUIRE(ready());
  auto const view = [](auto const& nodes, auto const& plan, auto const& written) {
    return plan_view::of(nodes, plan, written, precision::f32);
  };
  plan_view const big = view(typed<large, precision::f32>, schedule<large>, original<large>);
  auto const items = [](plan_view const& v, int workers) {
    return items_of_part(v, {.max_batch = 16, .workers = workers}, false);
  };
  CHECK(items(big, 1) == 1);
  CHECK(items(big, 3) >= 3); // an item for each worker
  // Few values, many weights, of which each part reads all.
  plan_view const deep = view(typed<wide, precision::f32>, schedule<wide>, original<wide>);
  CHECK(items(deep, 1) >= 16);
}

TEST_CASE("a trace sees each part", "[graph]") {
  REQUIRE(ready());
  problem const p = problem_of<ends>(6, 5);
  auto const net = net_of<ends>(p, {.max_batch = 5, .items_at_once = 2});
  workspace scratch(net.workspace_bytes());
  CHECK(scratch.size() < net_of<ends>(p, {.max_batch = 5, .items_at_once = 5}).workspace_bytes());
  call c(p);
  counter seen;
  net.run(5, c.in, c.to, scratch, sequential{}, seen);
  CHECK(seen.starts == 1);
  for (int s = 0; s < schedule<ends>.count; ++s) CHECK((seen.begins[s] == 2 && seen.ends[s] == 2));
  step_trace<ends> trace;
  for (int twice = 0; twice < 2; ++twice) net.run(5, c.in, c.to, scratch, sequential{}, trace);
  double sum = 0;
  for (int s = 0; s < trace.steps; ++s) sum += trace.microseconds(s);
  CHECK(sum > 0);
}
