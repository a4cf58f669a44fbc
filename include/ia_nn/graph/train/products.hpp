// SPDX-License-Identifier: Apache-2.0
//
// Training of layers that multiply by weights: convolutions and dense layers. Weights are the master
// weights, f32 in PyTorch's order; they are packed in each call, since they change after each.
#pragma once

#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/window.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/train/conv_src.hpp>
#include <ia_nn/train/conv_weights.hpp>
#include <ia_nn/train/dense.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

inline conv_shape trained_conv_shape(training_layer const& l) {
  attribute_set const& a = l.attributes();
  return {l.source().last(), a.filters, a.groups, image_of(l.source()), a.win};
}
inline std::vector<f32> zeros(index_t n) { return std::vector<f32>(static_cast<std::size_t>(n)); }

} // namespace detail

template <training_id K, isa::tag I>
  requires(K.op == op::conv.id && K.multiplies == precision::f32)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : shape_(detail::trained_conv_shape(l)),
        forward_(shape_, detail::zeros(weights()), {.max_batch = l.images(l.source()), .workers = l.workers}),
        by_weights_(shape_, {.max_batch = l.images(l.source()), .workers = l.workers}),
        by_source_(shape_, {.max_batch = l.images(l.source()), .workers = l.workers}) {}

  index_t workspace_bytes() const noexcept {
    return max_of(forward_.workspace_bytes(),
                  max_of(by_weights_.workspace_bytes(), by_source_.workspace_bytes()));
  }
  void forward(training_call const& c) noexcept {
    auto const run = [&](auto const& tail) {
      forward_.run(c.images(), c.source(), c.result, tail, c.scratch, *c.executor);
    };
    forward_.set_weights(std::span<f32 const>(c.weights[0], static_cast<std::size_t>(weights())));
    if (c.of.attributes().bias) run(chain{add_bias{c.weights[1]}});
    else run(chain<>{});
  }
  void backward(training_call const& c) const noexcept {
    by_weights_.run({.batch = c.images(),
                     .src = c.source(),
                     .diff_dst = c.diff_result,
                     .diff_weights = c.diff_weights[0],
                     .diff_bias = c.of.attributes().bias ? c.diff_weights[1] : not_wanted},
                    c.scratch, *c.executor);
    by_source_.run(c.images(), c.diff_result, c.weights[0], c.diff_sources[0], c.scratch, *c.executor);
  }

private:
  using registers = detail::isa_of_f32<I>;
  index_t weights() const noexcept {
    return shape_.filters * shape_.group_channels() * shape_.win.kernel.size();
  }
  conv_shape shape_;
  conv<registers, f32, f32, f32> forward_;
  conv_backward_weights<registers> by_weights_;
  conv_backward_src<registers> by_source_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::dense.id && K.multiplies == precision::f32)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : layer_({l.source().last(), l.attributes().units, l.rows(l.source())}, l.workers) {}

  index_t workspace_bytes() const noexcept { return layer_.workspace_bytes(); }
  void forward(training_call const& c) const noexcept {
    layer_.forward(c.rows(), c.source(), c.weights[0], c.of.attributes().bias ? c.weights[1] : nullptr,
                   c.result, c.scratch, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    layer_.backward({.rows = c.rows(),
                     .src = c.source(),
                     .diff_dst = c.diff_result,
                     .weights = c.weights[0],
                     .diff_src = c.diff_sources[0],
                     .diff_weights = c.diff_weights[0],
                     .diff_bias = c.of.attributes().bias ? c.diff_weights[1] : not_wanted},
                    c.scratch, *c.executor);
  }

private:
  dense_training<detail::isa_of_f32<I>> layer_;
};

} // namespace graph
IA_NN_END
