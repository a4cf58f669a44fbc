// SPDX-License-Identifier: Apache-2.0
//
// Training of a network for small pictures with labels.
#pragma once

#include "../common/progress.hpp"
#include "data.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/graph/files/checkpoint.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/int8/quantize.hpp>
#include <ia_nn/train/schedules.hpp>

#include <numeric>
#include <random>

namespace images {

namespace graph = ia_nn::graph;
using ia_nn::thread_pool;

struct train_options {
  index_t epochs = 2, batch = 64;
  double learning_rate = 1e-3;
  std::uint64_t seed = 1;
};

/// Adam, in a new order each epoch, with a rate that falls to zero along half a cosine. Images that fill no
/// batch are left out. Writes the weights, and the loss as a picture beside them.
template <class Net>
void train(image_set const& images, train_options const& o, thread_pool& threads, std::string const& file) {
  index_t const batches = images.count / o.batch, steps = o.epochs * batches;
  graph::trainer<Net, graph::cross_entropy_loss<u8>> trainer(
      {.batch = o.batch,
       .workers = threads.concurrency(),
       .seed = o.seed,
       .schedule = ia_nn::schedule::cosine{.rate = o.learning_rate, .steps = steps}});
  std::mt19937_64 random(o.seed);
  std::vector<index_t> order(images.labels.size());
  std::iota(order.begin(), order.end(), 0);
  index_t const size = images.height * images.width;
  std::vector<f32> pixels(static_cast<std::size_t>(o.batch * size));
  std::vector<u8> labels(static_cast<std::size_t>(o.batch));
  examples::progress_bar bar(steps, o.batch, "images");
  for (index_t step = 0; step < steps; ++step) {
    if (step % batches == 0) std::shuffle(order.begin(), order.end(), random);
    for (index_t i = 0; i < o.batch; ++i) {
      index_t const n = order[static_cast<std::size_t>(step % batches * o.batch + i)];
      ia_nn::dequantize<ia_nn::isa::native>(size, images.image(n).data(), pixels.data() + i * size, {1.0F / 255, 0});
      labels[static_cast<std::size_t>(i)] = images.labels[static_cast<std::size_t>(n)];
    }
    bar.show(step + 1, trainer.step(o.batch, pixels, labels, threads).require());
  }
  graph::save_weights(file, trainer);
  bar.save_curve(file + ".loss.svg");
}

} // namespace images
