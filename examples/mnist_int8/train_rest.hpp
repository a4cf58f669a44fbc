// SPDX-License-Identifier: Apache-2.0
//
// Maximum pooling, which hands gradients back, and the dense layer.
#pragma once

#include "train_layer.hpp"

#include <ia_nn/ops/pool.hpp>

namespace demo {

class max_pool_training final : public training_layer {
public:
  max_pool_training(layer const& l, index_t batch, tensor_pair& src, tensor_pair& dst)
      : forward_(pool_kind::max, {l.shape.channels, l.shape.in, l.shape.win}),
        backward_({l.shape.channels, l.shape.in, l.shape.win}), index_(batch * l.outputs()),
        src_(src), dst_(dst) {}
  index_t workspace_bytes() const override { return 0; }
  void forward(training_call const& c) override {
    forward_.run_with_indices(c.batch, src_.value.data(), dst_.value.data(), index_.data(),
                              c.threads);
  }
  void backward(training_call const& c) override {
    backward_.run(c.batch, index_.data(), dst_.diff.data(), src_.request(), c.threads);
  }

private:
  pool<I, f32> forward_;
  max_pool_backward backward_;
  aligned_array<s32> index_;
  tensor_pair &src_, &dst_;
};

/// While they learn, its weights have the inputs in the order of our images, channels last.
class dense_training_layer final : public training_layer {
public:
  dense_training_layer(layer const& l, layer_parameters const& p, parameter_list& list,
                       index_t batch, int workers, tensor_pair& src, tensor_pair& dst)
      : layer_(l), plan_({l.inputs(), l.outputs(), batch}, workers), src_(src), dst_(dst) {
    std::vector<f32> matrix(p.weight.size());
    each_weight([&](std::size_t file, std::size_t here) { matrix[here] = p.weight[file]; });
    weight_.begin(list, l.name + ".weight", matrix);
    bias_.begin(list, l.name + ".bias", p.bias);
  }
  index_t workspace_bytes() const override { return plan_.workspace_bytes(); }
  void forward(training_call const& c) override {
    f32* const y = dst_.value.data();
    plan_.forward(c.batch, src_.value.data(), weight_.value.data(), bias_.value.data(), y,
                  c.scratch, c.threads);
    if (layer_.relu) add_and_relu(c.batch * layer_.outputs(), nullptr, y, c.threads);
  }
  void backward(training_call const& c) override {
    f32* const diff = dst_.diff.data();
    if (layer_.relu)
      activation_backward<I>(c.batch * layer_.outputs(), dst_.value.data(), diff, write_to(diff),
                             slope::relu{}, c.threads);
    plan_.backward({.rows = c.batch,
                    .src = src_.value.data(),
                    .diff_dst = diff,
                    .weights = weight_.value.data(),
                    .diff_src = src_.request(),
                    .diff_weights = write_to(weight_.diff.data()),
                    .diff_bias = write_to(bias_.diff.data())},
                   c.scratch, c.threads);
  }
  void store(layer_parameters& p) const override {
    p.weight.resize(weight_.value.size());
    each_weight([&](std::size_t file, std::size_t here) { p.weight[file] = weight_.value[here]; });
    p.bias = bias_.value;
  }

private:
  // f(place in the file, place here) for each weight.
  template <class F> void each_weight(F const& f) const {
    auto const pixels = static_cast<std::size_t>(layer_.shape.in.size());
    auto const channels = static_cast<std::size_t>(layer_.shape.channels);
    auto const outputs = static_cast<std::size_t>(layer_.outputs());
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t p = 0; p < pixels; ++p)
          f((o * channels + c) * pixels + p, (o * pixels + p) * channels + c);
  }

  layer layer_;
  dense_training<I> plan_;
  learned weight_, bias_;
  tensor_pair &src_, &dst_;
};

} // namespace demo
