// SPDX-License-Identifier: Apache-2.0
//
// Gradients of whole networks against central differences of the oracle, which computes in double.
#pragma once

#include "../graph/interpreter.hpp"
#include "../graph/random_weights.hpp"
#include "../isa.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/train/kernel_table.hpp>
#include <ia_nn/graph/train/network.hpp>
#include <ia_nn/graph/train/pass.hpp>

#include <cstring>

namespace trainer_test {

using namespace ia_nn_test;
namespace graph = ia_nn::graph;

/// A network as it is trained, with numbers, for a loss that is a weighted sum of its output.
struct training_problem {
  graph::draft nodes;
  problem numbers; ///< inputs and weights
  std::vector<f32> loss_weights; ///< of the output
  std::uint64_t seed = 7, round = 3;

  training_problem(graph::draft const& written, index_t items, std::uint64_t number);
  /// Of the oracle.
  double loss() const;
  int output() const;
};

/// Inputs and weights of a step by the library.
struct training_result {
  f32 loss = 0;
  std::vector<f32> gradients; ///< in the order of the weights
  index_t bytes = 0;
};

struct run_options {
  ia_nn::thread_pool* pool = nullptr;
  graph::keep_values keep = graph::keep_values::all;
  bool in_place = true, fuse_slopes = true;
  graph::precision usual = graph::precision::f32;
};

/// What operator new was asked for until now.
long allocations_made();
bool same_bits(training_result const& a, training_result const& b);

/// With the kernels of a set; more(id) makes those that it has not. Checks that nothing is allocated.
template <class Kernels, class... More>
training_result run_step(training_problem const& p, run_options const& o, More... more) {
  graph::draft const& d = p.nodes;
  std::vector<graph::detail::make_function> makers;
  for (int id = 0; id < d.count(); ++id) {
    graph::training_id const k = graph::training_id_of(d[id], o.usual);
    makers.push_back(graph::detail::has_task(d, id) ? graph::find_training_kernel<Kernels>(k) : nullptr);
    if (graph::detail::has_task(d, id)) ((makers.back() = makers.back() ? makers.back() : more(k)), ...);
    INFO("no kernel trains " << d[id].kind->name);
    REQUIRE((makers.back() || !graph::detail::has_task(d, id)));
  }
  graph::trained_weights weights(d);
  weights.load(p.numbers.weights.from);
  graph::training_pass pass(d.nodes, makers,
                            {.batch = p.numbers.batch,
                             .workers = o.pool ? o.pool->concurrency() : 1,
                             .seed = p.seed,
                             .keep = o.keep,
                             .in_place = o.in_place,
                             .fuse_slopes = o.fuse_slopes});
  REQUIRE(graph::never_overlaps(pass.plan().buffers, pass.plan().bytes));
  pass.allocate(weights);
  std::vector<void const*> inputs;
  for (auto const& x : p.numbers.in) inputs.push_back(x.f ? static_cast<void const*>(x.f) : x.i);
  ia_nn::sequential here;
  ia_nn::any_executor e(here);
  if (o.pool) e = ia_nn::any_executor(*o.pool);
  auto const weighted_sum = [&](f32 const* y, f32* diff, ia_nn::workspace_view) {
    double sum = 0;
    for (std::size_t i = 0; i < p.loss_weights.size(); ++i) {
      sum += static_cast<double>(y[i]) * static_cast<double>(p.loss_weights[i]);
      diff[i] = p.loss_weights[i];
    }
    return static_cast<f32>(sum);
  };
  training_result r;
  long const before = allocations_made();
  r.loss = pass.run({p.numbers.batch, inputs, weights, p.round, false}, e, weighted_sum);
  CHECK(allocations_made() == before);
  for (auto const& w : weights.all()) r.gradients.insert(r.gradients.end(), w.gradient.begin(), w.gradient.end());
  r.bytes = pass.plan().bytes;
  return r;
}


/// What became of the gradients of some weights of a network. In f32 a maximum or the sign of a number near
/// 0 may be another than in double, and little may be left of a sum: a few are off in random networks.
struct comparison {
  int compared = 0, off = 0;
  int networks = 0, loss_off = 0, other_isas_off = 0;
};

/// On every instruction set, alone and in threads, with values kept and made again: same bits, which is
/// checked; and the gradients against differences.
void check_gradients(training_problem& p, comparison& c);

} // namespace trainer_test
