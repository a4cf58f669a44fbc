// SPDX-License-Identifier: Apache-2.0
//
// A convolution that learns, with what may follow it.
#pragma once

#include "train_layer.hpp"

#include <ia_nn/math/activation.hpp>
#include <ia_nn/ops/conv.hpp>

#include <optional>

namespace demo {

/// Convolution, then bias or batch normalization, then the sum with another tensor, then relu.
class conv_training final : public training_layer {
public:
  conv_training(layer const& l, layer_parameters const& p, parameter_list& list, index_t batch,
                int workers, tensor_pair& src, tensor_pair& dst, tensor_pair* other)
      : shape_(l.shape), forward_(l.shape, p.weight, {.max_batch = batch, .workers = workers}),
        by_weights_(shape_, {batch, workers}), by_src_(shape_, {batch, workers}), src_(src),
        dst_(dst), other_(other) {
    weight_.begin(list, l.name + ".weight", p.weight);
    if (l.norm.empty()) bias_.begin(list, l.name + ".bias", p.bias);
    else {
      norm_.emplace(batch_norm_training_options{.channels = shape_.filters});
      norm_weight_.begin(list, l.norm + ".weight", p.norm_weight);
      norm_bias_.begin(list, l.norm + ".bias", p.norm_bias);
      running_mean_ = p.mean, running_variance_ = p.variance;
      mean_.resize(p.mean.size()), inv_std_.resize(p.mean.size());
      sum_ = aligned_array<f32>(batch * l.outputs());
    }
  }
  index_t workspace_bytes() const override {
    return max_of(max_of(forward_.workspace_bytes(), by_weights_.workspace_bytes()),
                  max_of(by_src_.workspace_bytes(), norm_ ? norm_->workspace_bytes() : 0));
  }
  void forward(training_call const& c) override {
    forward_.set_weights(weight_.value); // of this step
    f32* const y = dst_.value.data();
    if (!norm_) {
      chain const stages{add_bias{bias_.value.data()}, activation::relu{}};
      forward_.run(c.batch, src_.value.data(), y, stages, c.scratch, c.threads);
      return;
    }
    forward_.run(c.batch, src_.value.data(), sum_.data(), chain<>{}, c.scratch, c.threads);
    norm_->forward(pixels(c), sum_.data(), y, state(), c.scratch, c.threads);
    add_and_relu(pixels(c) * shape_.filters, other_ ? other_->value.data() : nullptr, y, c.threads);
  }
  void backward(training_call const& c) override {
    f32* const diff = dst_.diff.data();
    f32 const* const y = dst_.value.data();
    index_t const n = pixels(c) * shape_.filters;
    // The sum hands its gradient to both operands.
    if (other_) activation_backward<I>(n, y, diff, other_->request(), slope::relu{}, c.threads);
    activation_backward<I>(n, y, diff, write_to(diff), slope::relu{}, c.threads);
    if (norm_)
      norm_->backward({.rows = pixels(c),
                       .src = sum_.data(),
                       .diff_dst = diff,
                       .diff_src = write_to(diff),
                       .diff_gamma = write_to(norm_weight_.diff.data()),
                       .diff_beta = write_to(norm_bias_.diff.data())},
                      state(), c.scratch, c.threads);
    by_weights_.run({.batch = c.batch,
                     .src = src_.value.data(),
                     .diff_dst = diff,
                     .diff_weights = write_to(weight_.diff.data()),
                     .diff_bias = norm_ ? not_wanted : write_to(bias_.diff.data())},
                    c.scratch, c.threads);
    by_src_.run(c.batch, diff, weight_.value.data(), src_.request(), c.scratch, c.threads);
  }
  void store(layer_parameters& p) const override {
    p.weight = weight_.value, p.bias = bias_.value;
    p.norm_weight = norm_weight_.value, p.norm_bias = norm_bias_.value;
    p.mean = running_mean_, p.variance = running_variance_;
  }

private:
  index_t pixels(training_call const& c) const { return c.batch * shape_.out().size(); }
  batch_norm_state state() {
    return {norm_weight_.value.data(),
            norm_bias_.value.data(),
            running_mean_.data(),
            running_variance_.data(),
            mean_.data(),
            inv_std_.data()};
  }
  conv_shape shape_;
  conv<I, f32, f32, f32> forward_;
  conv_backward_weights<I> by_weights_;
  conv_backward_src<I> by_src_;
  std::optional<batch_norm_training<I>> norm_;
  learned weight_, bias_, norm_weight_, norm_bias_;
  std::vector<f32> running_mean_, running_variance_, mean_, inv_std_;
  aligned_array<f32> sum_; // what is normalized
  tensor_pair &src_, &dst_;
  tensor_pair* other_;
};

} // namespace demo
