// SPDX-License-Identifier: Apache-2.0
//
// The loop of training: batches in a new order each epoch, forward, loss, backward, Adam.
#include "train.hpp"

#include "train_layers.hpp"

#include <ia_nn/int8/quantize.hpp>

#include <cmath>
#include <numeric>

namespace demo {
namespace {

// Weights uniform within +- sqrt(6 / inputs of a filter), biases 0, norms that change nothing.
// Source: He et al., arXiv 1502.01852.
named_arrays initial_weights(network const& n, std::uint64_t seed) {
  random_numbers random(seed);
  named_arrays all;
  n.each_weight([&](graph::node const& layer, std::string_view suffix, std::string const& name,
                    std::vector<index_t> const& shape) {
    bool const norm = layer.kind == op::batch_norm, weight = suffix == ".weight";
    index_t size = 1;
    for (index_t const extent : shape) size *= extent;
    std::vector<f32>& x = all[name];
    x.assign(at(size), norm && (weight || suffix == ".running_var") ? 1.0F : 0.0F);
    f32 const bound = std::sqrt(6 / static_cast<f32>(size / shape[0]));
    if (!norm && weight)
      for (f32& w : x) w = bound * random.around_zero();
  });
  return all;
}

} // namespace

named_arrays train(network const& n, image_set const& images, train_options const& o,
                   thread_pool& threads, std::function<void(progress const&)> const& report) {
  index_t const batches = images.count / o.batch, pixels = images.height * images.width;
  if (batches < 1)
    throw error(errc::bad_parameter, "train: " + std::to_string(images.count) +
                                         " images do not fill a batch of " +
                                         std::to_string(o.batch));
  named_arrays weights = initial_weights(n, o.seed);
  training_layers layers(n, weights, o.batch, threads.concurrency());
  auto* const losses = layers.store().keep(
      cross_entropy<I>({.classes = 10, .max_rows = o.batch, .workers = threads.concurrency()}));
  adam<I> optimizer(layers.parameters().elements(), {.learning_rate = o.learning_rate});
  optimizer.check(layers.parameters());
  std::vector<u8> labels(at(o.batch));

  // One step with the images of these numbers; the loss before it.
  auto const step = [&](index_t const* chosen) {
    threads.parallel_for(o.batch, [&](index_t i, int) {
      labels[at(i)] = images.labels[at(chosen[i])];
      dequantize<I>(pixels, images.image(chosen[i]).data(), layers.image().value + i * pixels,
                    {1.0F / 255, 0});
    });
    layers.forward(threads);
    f32 loss = 0;
    losses->run(cross_entropy_call<u8>{.rows = o.batch,
                                       .src = layers.logits().value,
                                       .labels = labels.data(),
                                       .loss = &loss,
                                       .diff_src = layers.logits().request()},
                layers.store().scratch(), threads);
    layers.backward(threads);
    optimizer.step(layers.parameters(), threads);
    return static_cast<double>(loss);
  };

  random_numbers random(o.seed);
  std::vector<index_t> order(at(images.count));
  std::iota(order.begin(), order.end(), 0);
  for (index_t epoch = 0; epoch < o.epochs; ++epoch) {
    for (index_t i = images.count; i > 1; --i) // Fisher and Yates
      std::swap(order[at(i - 1)], order[at(random.below(i))]);
    double sum = 0;
    for (index_t b = 0; b < batches; ++b) {
      double const done =
          static_cast<double>(epoch * batches + b) / static_cast<double>(o.epochs * batches);
      optimizer.set_learning_rate(o.learning_rate * 0.5 * (1 + std::cos(3.14159265358979 * done)));
      sum += step(order.data() + b * o.batch);
      report({epoch + 1, o.epochs, b + 1, batches, sum / static_cast<double>(b + 1)});
    }
  }
  layers.finish();
  return weights;
}

} // namespace demo
