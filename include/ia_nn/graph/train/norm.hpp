// SPDX-License-Identifier: Apache-2.0
//
// Training of norms, of softmax, and of local response normalisation.
#pragma once

#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/layers/rows.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/softmax.hpp>
#include <ia_nn/train/batch_norm.hpp>
#include <ia_nn/train/group_norm.hpp>
#include <ia_nn/train/layer_norm.hpp>
#include <ia_nn/train/lrn.hpp>
#include <ia_nn/train/scale_norm.hpp>
#include <ia_nn/train/softmax.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {
/// Scale and shift with their gradients: weights number `first` and the next, or nothing.
struct trained_affine {
  f32 const *scale = nullptr, *shift = nullptr;
  gradient diff_scale{}, diff_shift{};

  explicit trained_affine(training_call const& c, int first = 0) noexcept {
    if (!c.of.attributes().affine) return;
    scale = c.weights[first], shift = c.weights[first + 1];
    diff_scale = c.diff_weights[first], diff_shift = c.diff_weights[first + 1];
  }
};
} // namespace detail

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
    detail::trained_affine const a(c, 2);
    layer_.backward({.rows = c.rows(),
                     .src = c.source(),
                     .diff_dst = c.diff_result,
                     .diff_src = c.diff_sources[0],
                     .diff_gamma = a.diff_scale,
                     .diff_beta = a.diff_shift},
                    state(c), c.scratch, *c.executor);
  }

private:
  batch_norm_state state(training_call const& c) const noexcept {
    auto* const found = reinterpret_cast<f32*>(c.reserve);
    detail::trained_affine const a(c, 2);
    return {.gamma = a.scale,
            .beta = a.shift,
            .running_mean = c.again ? nullptr : c.weights[0],
            .running_variance = c.again ? nullptr : c.weights[1],
            .mean = found,
            .inv_std = found + channels_};
  }
  index_t channels_;
  batch_norm_training<detail::isa_of_f32<I>> layer_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::layer_norm.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : forward_(l.source().last(), {}, {}, l.attributes().epsilon),
        backward_(l.source().last(), l.rows(l.source()), l.attributes().epsilon) {}
  index_t workspace_bytes() const noexcept { return backward_.workspace_bytes(); }
  void forward(training_call const& c) noexcept {
    if (c.of.attributes().affine) forward_.set_weights(c.weights[0], c.weights[1]);
    forward_.run(c.rows(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    detail::trained_affine const a(c);
    backward_.run({.rows = c.rows(),
                   .src = c.source(),
                   .diff_dst = c.diff_result,
                   .gamma = a.scale,
                   .diff_src = c.diff_sources[0],
                   .diff_gamma = a.diff_scale,
                   .diff_beta = a.diff_shift},
                  c.scratch, *c.executor);
  }

private:
  ::ia_nn::layer_norm<detail::isa_of_f32<I>> forward_;
  layer_norm_backward<detail::isa_of_f32<I>> backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::group_norm.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : forward_(l.source().last(), l.attributes().groups, {}, {}, l.attributes().epsilon),
        backward_({.channels = l.source().last(),
                   .groups = l.attributes().groups,
                   .max_batch = l.images(l.source()),
                   .epsilon = l.attributes().epsilon}) {}
  index_t workspace_bytes() const noexcept { return backward_.workspace_bytes(); }
  void forward(training_call const& c) noexcept {
    if (c.of.attributes().affine) forward_.set_weights(c.weights[0], c.weights[1]);
    forward_.run(c.images(), c.rows() / c.images(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    detail::trained_affine const a(c);
    backward_.run({.batch = c.images(),
                   .pixels = c.rows() / c.images(),
                   .src = c.source(),
                   .diff_dst = c.diff_result,
                   .gamma = a.scale,
                   .diff_src = c.diff_sources[0],
                   .diff_gamma = a.diff_scale,
                   .diff_beta = a.diff_shift},
                  c.scratch, *c.executor);
  }

private:
  ::ia_nn::group_norm<detail::isa_of_f32<I>> forward_;
  group_norm_backward<detail::isa_of_f32<I>> backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::rms_norm.id || K.op == op::l2_norm.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  using layer = std::conditional_t<K.op == op::rms_norm.id, ::ia_nn::rms_norm<detail::isa_of_f32<I>>,
                                   lp_norm<detail::isa_of_f32<I>>>;
  explicit training_kernel(training_layer const& l)
      : forward_(made(l)), backward_(kind_of(l), l.source().last(), l.rows(l.source()), l.attributes().epsilon) {}
  index_t workspace_bytes() const noexcept { return backward_.workspace_bytes(); }
  void forward(training_call const& c) noexcept {
    if (c.of.attributes().affine) forward_.set_weights(c.weights[0]);
    forward_.run(c.rows(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    bool const affine = c.of.attributes().affine;
    backward_.run({.rows = c.rows(),
                   .src = c.source(),
                   .diff_dst = c.diff_result,
                   .gamma = affine ? c.weights[0] : nullptr,
                   .diff_src = c.diff_sources[0],
                   .diff_gamma = affine ? c.diff_weights[0] : not_wanted},
                  c.scratch, *c.executor);
  }

private:
  static layer made(training_layer const& l) {
    if constexpr (K.op == op::rms_norm.id) return layer(l.source().last(), {}, l.attributes().epsilon);
    else return layer(l.source().last(), {}, l.attributes().epsilon, l.attributes().power);
  }
  static length_kind kind_of(training_layer const& l) {
    if (K.op == op::rms_norm.id) return length_kind::root_mean_square;
    return l.attributes().power == 1 ? length_kind::l1 : length_kind::l2;
  }
  layer forward_;
  scale_norm_backward<detail::isa_of_f32<I>> backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::softmax.id || K.op == op::log_softmax.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  static constexpr softmax_kind kind =
      K.op == op::softmax.id ? softmax_kind::linear : softmax_kind::logarithm;
  explicit training_kernel(training_layer const& l)
      : forward_(l.source().last(), 1, kind), backward_(l.source().last(), 1, kind) {}
  void forward(training_call const& c) const noexcept {
    forward_.run(c.rows(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    backward_.run(c.rows(), c.result, c.diff_result, c.diff_sources[0], *c.executor);
  }

private:
  ::ia_nn::softmax<detail::isa_of_f32<I>> forward_;
  softmax_backward<detail::isa_of_f32<I>> backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::lrn.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : forward_(l.source().last(), options_of(l)), backward_(l.source().last(), options_of(l), l.workers) {}
  index_t workspace_bytes() const noexcept { return backward_.workspace_bytes(); }
  void forward(training_call const& c) const noexcept {
    forward_.run(c.rows(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    backward_.run(c.rows(), c.source(), c.diff_result, c.diff_sources[0], c.scratch, *c.executor);
  }

private:
  static lrn_options options_of(training_layer const& l) {
    attribute_set const& a = l.attributes();
    return {a.neighbours, a.alpha, a.beta, a.offset, a.sums};
  }
  ::ia_nn::lrn<detail::isa_of_f32<I>> forward_;
  lrn_backward<detail::isa_of_f32<I>> backward_;
};

} // namespace graph
IA_NN_END
