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
  bool in_place = true;
  graph::precision usual = graph::precision::f32;
};

/// On instruction set I. Checks that nothing is allocated.
template <ia_nn::isa::tag I> training_result run_step(training_problem const& p, run_options const& o);

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
