// SPDX-License-Identifier: Apache-2.0
//
// Our side of the suite `train_nets`: forward, backward, stochastic gradient descent with momentum, on images that
// do not change.
#pragma once

#include "train_nets/nets.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/sgd.hpp>

#include <memory>
#include <random>

namespace bench {

template <class Net, class E> struct training {
  using trainer = ia_nn::graph::trainer<Net, ia_nn::graph::cross_entropy_loss<>, ia_nn::sgd<own_isa>,
                                        ia_nn::graph::native<own_isa, E>>;
  static constexpr ia_nn::graph::dims image = ia_nn::graph::trained<Net>[0].shape;

  ia_nn::index_t batch;
  ia_nn::thread_pool pool;
  trainer of;
  std::vector<ia_nn::f32> images;
  std::vector<ia_nn::s32> labels;

  training(ia_nn::index_t n, int threads)
      : batch(n), pool(threads),
        of({.batch = n, .workers = threads}, ia_nn::sgd_options{.learning_rate = 1e-3, .momentum = 0.9}) {
    std::minstd_rand random(1);
    for (ia_nn::index_t i = 0; i < n * image.item(); ++i)
      images.push_back(static_cast<float>(random() % 1000) / 500.0F - 1);
    for (ia_nn::index_t i = 0; i < n; ++i) labels.push_back(static_cast<ia_nn::s32>(random() % 1000));
  }
  void step() { of.step(batch, images, labels, pool).require(); }
};

template <class Net, class E>
std::function<void()> make_training(context& c, char const* name, ia_nn::index_t batch) {
  auto const ours = std::make_shared<training<Net, E>>(batch, c.threads);
  ia_nn::graph::training_bytes const bytes = ours->of.bytes();
  c.out.note(std::string(name) + ": " + std::to_string((bytes.values + bytes.workspace) >> 20) +
             " MB of values and workspace, " + std::to_string((bytes.weights + bytes.gradients) >> 20) +
             " MB of weights and gradients, " + std::to_string(ours->of.parameters().elements()) + " weights");
  return [ours] { ours->step(); };
}

/// A multiplication by weights is done three times: forward, for the source, for the weights.
template <class Net> double operations_of_step() {
  double sum = 0;
  auto const& nodes = ia_nn::graph::trained<Net>;
  for (int id = 0; id < nodes.count(); ++id)
    sum += static_cast<double>(ia_nn::graph::flops_of(nodes, id)) * (nodes[id].kind->multiplies ? 3 : 2);
  return sum;
}

template <class Net> trained_entry trained_net(char const* name, ia_nn::index_t batch) {
  trained_entry e{name, batch, operations_of_step<Net>(), {}};
  if constexpr (is_base) e.variants.push_back({"f32", product::f32, make_training<Net, ia_nn::f32>});
  if constexpr (has_bf16) e.variants.push_back({"bf16", product::bf16, make_training<Net, ia_nn::bf16>});
  return e;
}

} // namespace bench
