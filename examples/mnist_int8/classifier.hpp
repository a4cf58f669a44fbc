// SPDX-License-Identifier: Apache-2.0
//
// What networks that only run have in common, and what those in 8 bits have.
#pragma once

#include "network.hpp"

#include <ia_nn/exec/thread_pool.hpp>

#include <cstring>
#include <functional>

namespace demo {

class classifier {
public:
  virtual ~classifier() = default;
  /// images [batch][height][width], logits [batch][10]. Allocates nothing; one call at a time.
  virtual void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) = 0;
};

/// Limits of the calls.
struct run_options {
  index_t max_batch = 64;
  int workers = 1; ///< threads
};

/// The two forms in 8 bits: a function for each step, with its plan and its tensors.
class step_net : public classifier {
public:
  void run(index_t batch, u8 const* images, f32* logits, thread_pool& threads) override {
    std::memcpy(images_, images, at(batch * pixels_));
    for (function const& f : functions_) f(batch, threads);
    std::memcpy(logits, logits_, at(batch * 10) * sizeof(f32));
  }

protected:
  using function = std::function<void(index_t batch, thread_pool& threads)>;

  step_net(network const& n, index_t max_batch)
      : pixels_(n.size(0)), images_(store_.array<u8>(max_batch * pixels_)),
        logits_(store_.array<f32>(max_batch * 10)) {}
  step_net(step_net const&) = delete; // the functions refer to it
  step_net& operator=(step_net const&) = delete;

  /// Memory for what each node gives. A flatten moves nothing.
  template <class T> std::vector<T*> tensors_of(network const& n, index_t max_batch) {
    std::vector<T*> all(n.nodes.nodes.size());
    for (graph::step const& s : n.steps)
      all[at(s.out)] = store_.array<T>(max_batch * n.size(s.out));
    if constexpr (std::same_as<T, u8>) all[0] = images_;
    else all[at(n.steps.back().out)] = logits_;
    for (int id = 0; id < n.nodes.count(); ++id)
      if (n.nodes[id].kind == op::reshape) all[at(id)] = all[at(n.nodes[id].inputs[0])];
    return all;
  }
  /// What the next step does.
  void add(function f) { functions_.push_back(std::move(f)); }
  template <isa::tag I, class T> void add_pool(pool_shape const& s, T const* x, T* y) {
    auto* const plan = store_.keep(pool<I, T>(pool_kind::max, s));
    add([=](index_t batch, thread_pool& threads) { plan->run(batch, x, y, threads); });
  }

  layer_store store_;
  index_t pixels_;
  u8* images_;
  f32* logits_;

private:
  std::vector<function> functions_;
};

} // namespace demo
