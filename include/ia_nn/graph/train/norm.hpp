// SPDX-License-Identifier: Apache-2.0
//
// Training of norms.
#pragma once

#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/train/batch_norm.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// The statistics of the batch; the running ones take a tenth of them in each step. Weights: running mean,
/// running variance, scale, shift.
template <training_id K, isa::tag I>
  requires(K.op == op::batch_norm.id)
struct training_kernel<K, native_kernels<I>> {
  explicit training_kernel(training_layer const& l)
      : channels_(l.source().last()), layer_({channels_, l.attributes().epsilon}) {}

  /// Mean and 1 / deviation of the batch.
  index_t reserve_bytes() const noexcept { return 2 * channels_ * 4; }
  index_t workspace_bytes() const noexcept { return layer_.workspace_bytes(); }
  void forward(training_call const& c) const noexcept {
    layer_.forward(c.rows(), c.source(), c.result, state(c), c.scratch, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    bool const affine = c.of.attributes().affine;
    layer_.backward({.rows = c.rows(),
                     .src = c.source(),
                     .diff_dst = c.diff_result,
                     .diff_src = c.diff_sources[0],
                     .diff_gamma = affine ? c.diff_weights[2] : not_wanted,
                     .diff_beta = affine ? c.diff_weights[3] : not_wanted},
                    state(c), c.scratch, *c.executor);
  }

private:
  batch_norm_state state(training_call const& c) const noexcept {
    auto* const found = reinterpret_cast<f32*>(c.reserve);
    bool const affine = c.of.attributes().affine;
    return {.gamma = affine ? c.weights[2] : nullptr,
            .beta = affine ? c.weights[3] : nullptr,
            .running_mean = c.again ? nullptr : c.weights[0],
            .running_variance = c.again ? nullptr : c.weights[1],
            .mean = found,
            .inv_std = found + channels_};
  }
  index_t channels_;
  batch_norm_training<detail::isa_of_f32<I>> layer_;
};

} // namespace graph
IA_NN_END
