// SPDX-License-Identifier: Apache-2.0
//
// The networks of the suite `graph`, each compiled in a file of its own.
#pragma once

#include "harness.hpp"

#include <ia_nn/core/types.hpp>

namespace bench {

/// A network in one precision, which its rows are named after.
struct net_variant {
  char const* precision;
  peak limit;
  std::vector<contender> (*make)(ia_nn::index_t batch, int threads);
};
struct net_entry {
  char const* name;
  double flops; ///< for one item
  std::vector<net_variant> variants; ///< in the precisions that this instruction set is measured in
};

net_entry inception_v3();
net_entry mnist();
net_entry mobilenet();
net_entry resnet50_v1();
net_entry resnet50_v1_5();

/// 26 tables of 100,000 x 32. Contenders: side by side, and one after the other.
std::vector<contender> wide_deep(ia_nn::index_t batch, int threads);
std::vector<contender> embeddings(ia_nn::index_t batch, int threads); ///< without the dense layers

/// Layers with a tail: compiled, and by a switch.
struct tail_entry {
  char const* name;
  std::vector<contender> (*make)(ia_nn::index_t batch, int threads);
};
std::vector<tail_entry> tails();

/// A network of `empty_steps` operations that move one element.
inline constexpr int empty_steps = 32;
std::vector<contender> empty_network();

} // namespace bench
