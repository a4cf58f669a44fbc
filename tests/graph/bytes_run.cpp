// SPDX-License-Identifier: Apache-2.0
//
// Networks in 8 bits against the oracle, on every instruction set: each operator, both modes, ranges
// that fit and ranges that do not.
#include "byte_nets.hpp"
#include "bytes.hpp"
#include "patterns.hpp"

namespace {

using namespace graph_test;
using namespace graph_nets;

template <class Net> void check(byte_case const& how = {}) {
  for (quantize_mode const mode : {quantize_mode::smart, quantize_mode::full})
    for (f32 const part : {1.0F, 0.4F}) {
      INFO((mode == quantize_mode::full ? "full" : "smart") << ", ranges times " << part);
      quantize_rules rules = rules_of<Net>();
      rules.mode = mode;
      run_time_plan const n(graph::detail::built<Net>(), options_of<Net>(), rules);
      byte_case c = how;
      c.part = part, c.threads = part == 1;
      check_bytes(n, 20, 3, c);
    }
}

TEST_CASE("stages in 8 bits", "[graph][bytes]") { check<byte_stages>(); }
TEST_CASE("chains in 8 bits", "[graph][bytes]") { check<byte_chains>(); }
TEST_CASE("moves in 8 bits", "[graph][bytes]") { check<byte_moves>(); }
TEST_CASE("tables in 8 bits", "[graph][bytes]") { check<byte_tables>(); }
TEST_CASE("states in 8 bits", "[graph][bytes]") { check<byte_states>(); }
TEST_CASE("NaN and infinities in 8 bits", "[graph][bytes]") { check<byte_extremes>(); }
TEST_CASE("axes in 8 bits", "[graph][bytes]") { check<byte_axes>(); }
TEST_CASE("layers in 8 bits in a network in bf16", "[graph][bytes]") {
  check<byte_islands>({.usual = precision::bf16});
}

// The patterns that fuse, as fusion.cpp has them.
TEST_CASE("patterns in 8 bits", "[graph][bytes]") {
  patterns::for_each_pattern([]<auto Body>(char const* name) {
    INFO(name);
    graph::draft const written = graph::detail::built<patterns::net<Body>>();
    for (quantize_mode const mode : {quantize_mode::smart, quantize_mode::full})
      check_bytes(run_time_plan(written, {}, {.mode = mode}), 21, 2);
  });
}

// MXNet's cases of biases that do not fit 32 bits in units of the sums, and of ranges of zeros. Here
// biases are added in f32.
struct large_bias {
  static constexpr void build(builder& b) {
    auto const x = input(b, "x", {1, 2, 2, 32});
    output(conv2d(x, {.filters = 64, .name = "conv"}));
    output(dense(x, {.units = 64, .name = "fc"}));
  }
};
TEST_CASE("biases beside small products", "[graph][bytes]") {
  run_time_plan const n = run_time_plan::of<large_bias>();
  ia_nn_test::random r(22);
  struct size {
    f32 data, weights;
    bool one_sign;
  };
  for (size const s : {size{1, 0, false}, {1, 1e-6F, false}, {0, 1, true}, {1e-6F, 1, false},
                       {1e-6F, 1e-6F, false}, {0, 0, false}}) {
    INFO("data " << s.data << ", weights " << s.weights);
    problem p = n.make_problem(22, 1);
    auto const sign = [&] { return r.between(0, 1) ? 1.0F : -1.0F; };
    for (std::size_t i = 0; i < p.weights.store.size(); ++i) {
      bool const bias = p.weights.store[i].size() == 64;
      for (f32& w : p.weights.store[i])
        w = bias ? r.uniform(-1, 1) : s.weights * (s.one_sign ? 1.0F : sign());
    }
    for (index_t i = 0; i < p.floats[0].size(); ++i) {
      p.floats[0][i] = s.data * sign();
      p.numbers[0][static_cast<std::size_t>(i)] = static_cast<double>(p.floats[0][i]);
    }
    p.expected = interpret(n.written.nodes.data(), n.written.count(), p.weights, 1, p.numbers);
    graph::compile_options o;
    o.ranges = ranges_of(n.view(precision::f32), p);
    CHECK(check_bytes(n.view(precision::s8), n.bytes(precision::s8), p, o, {}) == 3);
    for_each_isa<planned_isas>([&](auto tag) {
      call const c = run_planned<decltype(tag)>(n, p, o, precision::s8);
      for (std::size_t k = 0; k < 2; ++k) CHECK(distance(c.out[k], p.expected[k]) <= 0.01);
    });
  }
}

} // namespace
