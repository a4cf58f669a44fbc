// SPDX-License-Identifier: Apache-2.0
//
// Training in f32 of the networks that run in 8 bits later.
#pragma once

#include "report.hpp"

#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/int8/quantize.hpp>

#include <cmath>
#include <numeric>
#include <random>

namespace demo {

struct train_options {
  index_t epochs = 2, batch = 64;
  double learning_rate = 1e-3;
  std::uint64_t seed = 1;
};

/// Adam, in a new order each epoch, with a rate that falls to zero along half a cosine. Images that fill no
/// batch are left out. The same bits for any number of threads.
template <class Net>
void train(image_set const& images, train_options const& o, thread_pool& threads, std::string const& file) {
  index_t const batches = images.count / o.batch, steps = o.epochs * batches;
  auto const rate = [&](index_t step) {
    double const done = static_cast<double>(step) / static_cast<double>(steps);
    return o.learning_rate * 0.5 * (1 + std::cos(3.14159265358979 * done));
  };
  graph::trainer<Net, graph::cross_entropy_loss<u8>> trainer(
      {.batch = o.batch, .workers = threads.concurrency(), .seed = o.seed, .schedule = rate});
  std::mt19937_64 random(o.seed);
  std::vector<index_t> order(images.labels.size());
  std::iota(order.begin(), order.end(), 0);
  index_t const size = images.height * images.width;
  std::vector<f32> pixels(static_cast<std::size_t>(o.batch * size));
  std::vector<u8> labels(static_cast<std::size_t>(o.batch));
  progress_bar bar{steps, o.batch};
  for (index_t step = 0; step < steps; ++step) {
    if (step % batches == 0) std::shuffle(order.begin(), order.end(), random);
    for (index_t i = 0; i < o.batch; ++i) {
      index_t const n = order[static_cast<std::size_t>(step % batches * o.batch + i)];
      dequantize<isa::native>(size, images.image(n).data(), pixels.data() + i * size, {1.0F / 255, 0});
      labels[static_cast<std::size_t>(i)] = images.labels[static_cast<std::size_t>(n)];
    }
    bar.show(step + 1, trainer.step(o.batch, pixels, labels, threads).require());
  }
  trainer.save_weights(file);
}

} // namespace demo
