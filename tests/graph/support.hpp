// SPDX-License-Identifier: Apache-2.0
//
// Runs a network fused and step by step, and compares both with the oracle.
#pragma once

#include "../isa.hpp"
#include "interpreter.hpp"

#include <ia_nn/graph/compiled.hpp>

namespace graph_test {

using namespace ia_nn_test;
using ia_nn::sequential;
using ia_nn::workspace;

/// A network without any pass.
template <class Net> struct plain : Net {
  static constexpr graph::options passes = graph::unfused;
};

using results = std::deque<exact_buffer<f32>>;

// What does not depend on the network is compiled once.
struct call {
  std::vector<graph::source> in;
  results out;
  std::vector<f32*> to;

  explicit call(problem const& p) {
    for (auto const& x : p.in) in.push_back(x.f ? graph::source(x.f) : graph::source(x.i));
    for (auto const& y : p.expected)
      to.push_back(out.emplace_back(static_cast<index_t>(y.size())).data());
  }
};

template <class Net, class Policy = graph::native<>, class E = sequential>
IA_NN_NOINLINE call run(problem const& p, graph::compile_options const& o, E&& e = {}) {
  graph::compiled<Net, Policy> const net(p.weights.from, o);
  call c(p);
  workspace scratch(net.workspace_bytes());
  net.check(p.batch, c.in, c.to, scratch);
  net.run(p.batch, c.in, c.to, scratch, e);
  return c;
}

inline double largest(std::vector<double> const& a) {
  double m = 0;
  for (double const x : a) m = std::fmax(m, std::fabs(x));
  return m;
}
/// max |a - b| / max |b|, or infinity for what is not finite in one of them alone.
template <class A> double distance(A const& a, std::vector<double> const& b) {
  double m = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    double const x = static_cast<double>(a[static_cast<index_t>(i)]);
    if (std::isnan(x) && std::isnan(b[i])) continue;
    double const d = std::fabs(x - b[i]);
    if (!(d <= 1e30)) return INFINITY;
    m = std::fmax(m, d);
  }
  double const scale = largest(b);
  return scale > 0 ? m / scale : m;
}
inline void compare(problem const& p, call const& fused, call const& apart, double bound,
                    double exact) {
  for (std::size_t o = 0; o < p.expected.size(); ++o) {
    INFO("output " << o);
    REQUIRE(largest(p.expected[o]) > 0);
    std::vector<double> const reference(apart.out[o].begin(), apart.out[o].end());
    CHECK(distance(fused.out[o], reference) <= bound);
    CHECK(distance(fused.out[o], p.expected[o]) <= exact);
    CHECK(distance(apart.out[o], p.expected[o]) <= exact);
  }
}
inline bool same_bits(call const& a, call const& b) {
  for (std::size_t o = 0; o < a.out.size(); ++o)
    if (std::memcmp(a.out[o].data(), b.out[o].data(),
                    static_cast<std::size_t>(a.out[o].size()) * sizeof(f32)) != 0)
      return false;
  return true;
}
template <class Net> problem problem_of(std::uint64_t seed, index_t batch) {
  ia_nn_test::random r(seed);
  auto const& nodes = graph::original<Net>;
  return problem(nodes.nodes, nodes.count(), nodes[0].shape.dynamic() ? batch : nodes[0].shape[0],
                 r);
}

template <class Net> void check_net(std::uint64_t seed) {
  problem const p = problem_of<Net>(seed, 3);
  compare(p, run<Net>(p, {.max_batch = 5}), run<plain<Net>>(p, {.max_batch = 3}), 1e-5, 1e-5);
}

inline bool ready() { return ia_nn_test::runnable<ia_nn::isa::native>(); }

} // namespace graph_test
