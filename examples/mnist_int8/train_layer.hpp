// SPDX-License-Identifier: Apache-2.0
//
// What layers that learn have in common. What they read and write are tensors of the trainer: value
// and gradient side by side. Each registers its parameters and says how much workspace it needs.
#pragma once

#include "network.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/train/train.hpp>

namespace demo {

using I = isa::native;

struct tensor_pair {
  aligned_array<f32> value, diff; ///< no gradient for images
  bool added_to = false;          ///< somebody has written the gradient in this step
  gradient request() {
    gradient const g{diff.data(), added_to};
    added_to = true;
    return g;
  }
};

/// What one step of training works with.
struct training_call {
  index_t batch;
  workspace_view scratch;
  thread_pool& threads;
};

class training_layer {
public:
  virtual ~training_layer() = default;
  virtual index_t workspace_bytes() const = 0;
  virtual void forward(training_call const& c) = 0;
  virtual void backward(training_call const& c) = 0;
  /// Copies what was learned.
  virtual void store(layer_parameters&) const {}
};

/// Weights and biases with gradients.
struct learned {
  std::vector<f32> value, diff;
  void begin(parameter_list& list, std::string name, std::vector<f32> const& initial) {
    value = initial;
    diff.resize(initial.size());
    list.add(std::move(name), value, diff);
  }
};

/// y = max(y + other, 0); nothing is added where `other` is null.
inline void add_and_relu(index_t n, f32 const* other, f32* y, thread_pool& threads) {
  using V = vec<f32, I>;
  parallel_blocks(threads, n, V::size, [&](index_t begin, index_t end, int) {
    for (index_t i = begin; i < end; i += V::size) {
      index_t const lanes = min_of(V::size, end - i);
      V const x = other ? V::load(other + i, lanes) : V::zero();
      max(V::load(y + i, lanes) + x, V::zero()).store(y + i, lanes);
    }
  });
}

} // namespace demo
