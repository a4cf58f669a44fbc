// SPDX-License-Identifier: Apache-2.0
//
// The networks of the suite `train_nets`. Trainers are compiled in a few files of their own, each of which takes
// less than a minute.
#pragma once

#include "harness.hpp"
#include "product.hpp"

#include <ia_nn/core/types.hpp>

namespace bench {

/// A network in one precision, which its rows are named after.
struct trained_variant {
  char const* precision;
  product type;
  /// One step of training, with memory that lives in the call; notes what it takes.
  std::function<void()> (*make)(context& c, char const* name, ia_nn::index_t batch);
};
struct trained_entry {
  char const* name;
  ia_nn::index_t batch;
  double operations; ///< of a step, for one item
  std::vector<trained_variant> variants; ///< in the precisions that this instruction set is measured in
};

// Those of a file together.
std::vector<trained_entry> plain_nets(); ///< AlexNet, VGG of 16 and 19 layers
std::vector<trained_entry> residual_nets(); ///< MobileNet, ResNet of 50 and 152 layers
std::vector<trained_entry> early_inceptions(); ///< GoogLeNet, Inception with batch norm
std::vector<trained_entry> late_inceptions(); ///< v3, v4

} // namespace bench
