// SPDX-License-Identifier: Apache-2.0
//
// Networks in 8 bits on every instruction set, step by step against an oracle: sums in 64 bits, and
// what follows them in f32 in the order that kernels/requantize.hpp and kernels/elementwise.hpp state.
// Every step is compared bit by bit, given what the steps before it have written, so that those
// that add in f32, whose sums depend on the instruction set, stand in nobody's way.
#pragma once

#include "planned.hpp"

#include <functional>

namespace graph_test {

/// How a network is taken to 8 bits.
struct byte_case {
  graph::precision usual = graph::precision::s8;
  f32 part = 1; ///< of the ranges: below 1 values saturate
  bool threads = false;
};

/// The range of each value of a plan, from a run in f32; `part` of it.
graph::value_ranges ranges_of(graph::plan_view const& in_f32, problem& p, f32 part = 1);

/// Runs a plan on every instruction set that has been compiled. Returns how many of its steps the oracle
/// knows; where those are all, results have the same bits everywhere.
int check_bytes(graph::plan_view const& v, index_t bytes, problem& p, graph::compile_options o,
                byte_case const& how);
int check_bytes(run_time_plan const& n, std::uint64_t seed, index_t batch, byte_case const& how = {});

/// One run of a plan whose values have memory of their own, so that all are there when it is over.
class open_run {
public:
  explicit open_run(graph::plan_view const& v);
  graph::plan_view const& view() const { return view_; }
  /// run(view, problem with memory for all values) is one call.
  template <class Run> call made(problem& p, Run const& run) const {
    std::vector<std::vector<double>> all = p.expected;
    for (graph::buffer const& b : memory_.buffers) all.emplace_back(words(b, p.batch));
    all.swap(p.expected);
    call c = run(view_, p);
    all.swap(p.expected);
    return c;
  }
  /// Elements of a value as they lie, rows without gaps.
  std::vector<double> value(call const& c, int id, index_t batch) const;
  index_t rows(int id, index_t batch) const {
    return nodes_[id].shape.rows() * (view_.open_batch() ? batch : 1);
  }

private:
  std::size_t words(graph::buffer const& b, index_t batch) const;

  graph::draft nodes_;
  std::vector<graph::step> steps_;
  graph::memory_draft memory_;
  graph::plan_view view_;
};

/// What the steps of one run have written.
struct seen_values {
  graph::plan_view view;
  index_t batch;
  std::function<std::vector<double>(int id)> value; ///< elements as they lie, rows without gaps
};
/// Checks each step of a run that the oracle knows; returns how many. Copies to outputs are passed over
/// where `value` has nothing of them.
int check_steps(seen_values const& run, problem const& p, graph::value_ranges const& ranges);

} // namespace graph_test
