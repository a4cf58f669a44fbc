// SPDX-License-Identifier: Apache-2.0
//
// The loop of training: batches in a new order each epoch, forward, loss, backward, Adam.
#include "train.hpp"

#include "train_conv.hpp"
#include "train_rest.hpp"

#include <ia_nn/int8/quantize.hpp>

#include <cmath>
#include <numeric>

namespace demo {
namespace {

class trainer {
public:
  trainer(network const& n, image_set const& images, train_options const& o, thread_pool& threads)
      : images_(images), o_(o), threads_(threads), tensors_(n.layers.size() + 1),
        learned_(initial_parameters(n, o.seed)), labels_(static_cast<std::size_t>(o.batch)),
        loss_({.classes = 10, .max_rows = o.batch, .workers = threads.concurrency()}) {
    int const workers = threads.concurrency();
    tensors_[0].value = aligned_array<f32>(o.batch * n.image.size());
    index_t bytes = loss_.workspace_bytes();
    for (std::size_t i = 0; i < n.layers.size(); ++i) {
      layer const& l = n.layers[i];
      tensor_pair &src = tensors_[i], &dst = tensors_[i + 1];
      dst.value = aligned_array<f32>(o.batch * l.outputs());
      dst.diff = aligned_array<f32>(o.batch * l.outputs());
      tensor_pair* const other = l.add < 0 ? nullptr : &tensors_[static_cast<std::size_t>(l.add)];
      layer_parameters const& p = learned_[i];
      if (l.what == kind::conv)
        layers_.push_back(
            std::make_unique<conv_training>(l, p, list_, o.batch, workers, src, dst, other));
      else if (l.what == kind::dense)
        layers_.push_back(
            std::make_unique<dense_training_layer>(l, p, list_, o.batch, workers, src, dst));
      else layers_.push_back(std::make_unique<max_pool_training>(l, o.batch, src, dst));
      bytes = max_of(bytes, layers_.back()->workspace_bytes());
    }
    scratch_ = workspace(bytes);
    optimizer_.emplace(list_.elements(), adam_options{.learning_rate = o.learning_rate});
    optimizer_->check(list_);
  }

  void set_learning_rate(double rate) { optimizer_->set_learning_rate(rate); }

  /// One step with o.batch images of these numbers; the loss before it.
  f32 step(index_t const* chosen) {
    index_t const pixels = images_.height * images_.width;
    threads_.parallel_for(o_.batch, [&](index_t i, int) {
      labels_[static_cast<std::size_t>(i)] = images_.labels[static_cast<std::size_t>(chosen[i])];
      dequantize<I>(pixels, images_.image(chosen[i]).data(), tensors_[0].value.data() + i * pixels,
                    {1.0F / 255, 0});
    });
    training_call const call{o_.batch, scratch_, threads_};
    for (auto const& l : layers_) l->forward(call);
    for (tensor_pair& t : tensors_) t.added_to = false;
    f32 loss = 0;
    loss_.run(cross_entropy_call<u8>{.rows = o_.batch,
                                     .src = tensors_.back().value.data(),
                                     .labels = labels_.data(),
                                     .loss = &loss,
                                     .diff_src = tensors_.back().request()},
              scratch_, threads_);
    for (std::size_t i = layers_.size(); i-- > 0;) layers_[i]->backward(call);
    optimizer_->step(list_, threads_);
    return loss;
  }

  parameters result() {
    for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i]->store(learned_[i]);
    return learned_;
  }

private:
  image_set const& images_;
  train_options o_;
  thread_pool& threads_;
  std::vector<tensor_pair> tensors_;
  parameters learned_;
  parameter_list list_;
  std::vector<u8> labels_;
  std::vector<std::unique_ptr<training_layer>> layers_;
  cross_entropy<I> loss_;
  std::optional<adam<I>> optimizer_;
  workspace scratch_;
};

} // namespace

parameters train(network const& n, image_set const& images, train_options const& o,
                 thread_pool& threads, std::function<void(progress const&)> const& report) {
  index_t const batches = images.count / o.batch;
  if (batches < 1)
    throw error(errc::bad_parameter, "train: " + std::to_string(images.count) +
                                         " images do not fill a batch of " +
                                         std::to_string(o.batch));
  trainer t(n, images, o, threads);
  random_numbers random(o.seed);
  std::vector<index_t> order(static_cast<std::size_t>(images.count));
  std::iota(order.begin(), order.end(), 0);
  for (index_t epoch = 0; epoch < o.epochs; ++epoch) {
    for (index_t i = images.count; i > 1; --i) // Fisher and Yates
      std::swap(order[static_cast<std::size_t>(i - 1)],
                order[static_cast<std::size_t>(random.below(i))]);
    double sum = 0;
    for (index_t b = 0; b < batches; ++b) {
      double const done =
          static_cast<double>(epoch * batches + b) / static_cast<double>(o.epochs * batches);
      t.set_learning_rate(o.learning_rate * 0.5 * (1 + std::cos(3.14159265358979 * done)));
      sum += static_cast<double>(t.step(order.data() + b * o.batch));
      report({epoch + 1, o.epochs, b + 1, batches, sum / static_cast<double>(b + 1)});
    }
  }
  return t.result();
}

} // namespace demo
