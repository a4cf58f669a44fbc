// SPDX-License-Identifier: Apache-2.0
//
// The classifiers of this folder end in logits, as PyTorch's do: with_softmax<resnet50_v1_5<>> gives
// probabilities.
#pragma once

#include <ia_nn/graph/layers.hpp>

namespace models {

template <class Net> struct with_softmax {
  static constexpr auto build(ia_nn::graph::builder& b) { return softmax(Net::build(b)); }
};

} // namespace models
