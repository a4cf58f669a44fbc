// SPDX-License-Identifier: Apache-2.0
//
// Networks that are planned while the test runs, by the functions that the compiler evaluates for
// others, and run with the kernels of `compiled` on any instruction set: so they need no code of
// their own. planned_*.cpp have the kernels, compiled once for each instruction set.
#pragma once

#include "support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/run/kernel_table.hpp>

namespace graph_test {

/// A network that was planned at run time.
struct run_time_plan {
  struct form { ///< for what layers multiply that do not say
    graph::draft nodes; ///< with types and conversions
    graph::schedule_draft schedule;
  };
  graph::draft written;
  std::vector<form> forms; ///< by graph::precision, without of_net

  template <class Net>
  static run_time_plan of(graph::options const& o = graph::options_of<Net>()) {
    return {graph::detail::built<Net>(), o, graph::rules_of<Net>()};
  }
  run_time_plan(graph::draft const& d, graph::options const& o,
                graph::quantize_rules const& r = {});

  form const& in(graph::precision usual) const {
    return forms[static_cast<std::size_t>(usual) - 1];
  }
  int steps() const { return static_cast<int>(in(graph::precision::f32).schedule.steps.size()); }
  graph::plan_view view(graph::precision usual = graph::precision::f32) const;
  index_t bytes(graph::precision usual = graph::precision::f32) const {
    return in(usual).schedule.memory.bytes;
  }
  int count_pairs() const;
  problem make_problem(std::uint64_t seed, index_t batch) const;
};

/// Every instruction set. The address sanitizer, under which kernels take three times as long to
/// compile, gets AVX2: what networks add to kernels, which have tests of their own for every set, is where
/// values lie.
using planned_isas =
    std::conditional_t<under_asan && contains<ia_nn::isa::avx2, ia_nn::isa::compiled>,
                       ia_nn::type_list<ia_nn::isa::avx2>, ia_nn::isa::compiled>;

/// Runs a plan with the kernels of I. `bytes`: of the plan, for each item of an open batch. With a
/// pool: in its threads. Checks that no step allocates.
template <ia_nn::isa::tag I>
call run_planned(graph::plan_view const& v, index_t bytes, problem const& p,
                 graph::compile_options const& o, ia_nn::thread_pool* pool = nullptr);
template <ia_nn::isa::tag I>
call run_planned(run_time_plan const& n, problem const& p, graph::compile_options const& o,
                 graph::precision usual = graph::precision::f32,
                 ia_nn::thread_pool* pool = nullptr) {
  return run_planned<I>(n.view(usual), n.bytes(usual), p, o, pool);
}

/// True if run_planned has run this kernel on I.
template <ia_nn::isa::tag I> bool has_run(graph::kernel_id const& k);

/// `compiled` itself on I: the network of nets.hpp whose layers say what they multiply.
template <ia_nn::isa::tag I, ia_nn::element Usual>
call run_precise(problem const& p, graph::compile_options const& o,
                 ia_nn::thread_pool* pool = nullptr);

/// What operator new was asked for until now; compiled.cpp counts.
long allocations_made();

/// A network, fused as it wants to be and step by step.
struct both_ways {
  run_time_plan fused, apart;
  template <class Net> static both_ways of() {
    return {run_time_plan::of<Net>(), run_time_plan::of<Net>(graph::unfused)};
  }
};

/// On every instruction set: fused against step by step, and both against the oracle.
void check_everywhere(both_ways const& n, std::uint64_t seed);
/// The same bits from one to three threads.
void check_threads(run_time_plan const& n, std::uint64_t seed, index_t batch = 3);
/// The same bits from both, in f32 and in bf16.
void check_same(run_time_plan const& n, run_time_plan const& m, std::uint64_t seed);
/// With layers that multiply bf16, and terms of it.
void check_precisions(run_time_plan const& n, std::uint64_t seed);

} // namespace graph_test
