// SPDX-License-Identifier: Apache-2.0
//
// Training of layers that multiply by weights: convolutions, transposed ones, and dense layers. Weights are the
// master weights, f32 in PyTorch's order; they are packed in each call, since they change after each, and
// rounded to bf16 there where products are of bf16.
#pragma once

#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/window.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/train/conv_forward.hpp>
#include <ia_nn/train/conv_src.hpp>
#include <ia_nn/train/conv_weights.hpp>
#include <ia_nn/train/deconv_src.hpp>
#include <ia_nn/train/deconv_weights.hpp>
#include <ia_nn/train/dense.hpp>
#include <ia_nn/train/slope_tail.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

inline conv_shape trained_conv_shape(training_layer const& l) {
  attribute_set const& a = l.attributes();
  return {l.source().last(), a.filters, a.groups, image_of(l.source()), a.win};
}
inline conv_backward_options trained_conv_options(training_layer const& l) {
  return {.max_batch = l.images(l.source()), .workers = l.workers};
}
/// The bias and its gradient, which a layer need not have.
inline f32 const* bias_of(training_call const& c) { return c.of.attributes().bias ? c.weights[1] : nullptr; }
inline gradient diff_bias_of(training_call const& c) {
  return c.of.attributes().bias ? c.diff_weights[1] : not_wanted;
}
/// f(stages): the bias, or nothing.
template <class F> void with_bias(training_call const& c, F const& f) {
  if (f32 const* const bias = bias_of(c)) f(chain{add_bias{bias}});
  else f(chain<>{});
}

/// f(tail): the slope of the relu or clip in front, which follows from what the layer reads, or nothing. A relu
/// is a clip without an upper bound.
template <class F> void with_slope(training_call const& c, F const& f) {
  if (!c.in_front) return f(no_tail{});
  attribute_set const& a = c.in_front->attributes;
  bool const clip = a.act == function::clip;
  f(slope_tail{c.source(), slope::hard_tanh{clip ? a.a : 0, clip ? a.b : __builtin_inff()}});
}

/// What products multiply.
template <precision P> using trained_operand = std::conditional_t<P == precision::bf16, bf16, f32>;
constexpr bool is_trained_in(precision p) { return p == precision::f32 || p == precision::bf16; }

} // namespace detail

namespace detail {

/// What convolutions and transposed ones share. Forward may be of another shape than the gradients.
template <class Forward, class Weights, class Source> struct trained_convolution : plain_training {
  template <class Before, class Shape>
  trained_convolution(training_layer const& l, Before const& forward_shape, Shape const& shape)
      : forward_layer(forward_shape, trained_conv_options(l)), by_weights(shape, trained_conv_options(l)),
        by_source(shape, trained_conv_options(l)) {}

  index_t workspace_bytes() const noexcept {
    return max_of(forward_layer.workspace_bytes(), max_of(by_weights.workspace_bytes(), by_source.workspace_bytes()));
  }
  void backward(training_call const& c) const noexcept {
    by_weights.run({.batch = c.images(),
                    .src = c.source(),
                    .diff_dst = c.diff_result,
                    .diff_weights = c.diff_weights[0],
                    .diff_bias = diff_bias_of(c)},
                   c.scratch, *c.executor);
    with_slope(c, [&](auto const& tail) {
      by_source.run(c.images(), c.diff_result, c.weights[0], c.diff_sources[0], tail, c.scratch, *c.executor);
    });
  }

  Forward forward_layer;
  Weights by_weights;
  Source by_source;
};
template <isa::tag I, element A>
using trained_forward_conv =
    trained_convolution<conv_forward<I, A>, conv_backward_weights<I, A>, conv_backward_src<I, A>>;
/// Forward, a transposed convolution is the gradient of a convolution for its source.
template <isa::tag I, element A>
using trained_deconv =
    trained_convolution<conv_backward_src<I, A>, deconv_backward_weights<I, A>, deconv_backward_src<I, A>>;

} // namespace detail

template <training_id K, isa::tag I>
  requires(K.op == op::conv.id && detail::is_trained_in(K.multiplies))
struct training_kernel<K, native_kernels<I>>
    : detail::trained_forward_conv<detail::isa_of_product<I, K.multiplies>, detail::trained_operand<K.multiplies>> {
  using base = detail::trained_forward_conv<detail::isa_of_product<I, K.multiplies>, detail::trained_operand<K.multiplies>>;
  explicit training_kernel(training_layer const& l)
      : base(l, detail::trained_conv_shape(l), detail::trained_conv_shape(l)) {}
  void forward(training_call const& c) const noexcept {
    detail::with_bias(c, [&](auto const& stages) {
      this->forward_layer.run(c.images(), c.source(), c.weights[0], c.result, stages, c.scratch, *c.executor);
    });
  }
};

template <training_id K, isa::tag I>
  requires(K.op == op::deconv.id && detail::is_trained_in(K.multiplies))
struct training_kernel<K, native_kernels<I>>
    : detail::trained_deconv<detail::isa_of_product<I, K.multiplies>, detail::trained_operand<K.multiplies>> {
  using base = detail::trained_deconv<detail::isa_of_product<I, K.multiplies>, detail::trained_operand<K.multiplies>>;
  explicit training_kernel(training_layer const& l)
      : base(l, swapped(l), shape_of(l)) {}
  void forward(training_call const& c) const noexcept {
    this->forward_layer.run(c.images(), c.source(), c.weights[0], write_to(c.result), c.scratch, *c.executor);
    f32 const* const bias = detail::bias_of(c);
    if (!bias) return;
    using V = vec<f32, detail::isa_of_f32<I>>;
    index_t const columns = c.shape().last();
    parallel_blocks(*c.executor, c.rows(), ceil_div(::ia_nn::detail::elements_of_task, columns),
                    [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r)
        ::ia_nn::detail::each_register<V>(0, columns, [&](index_t i, auto at) IA_NN_LAMBDA {
          f32* const y = c.result + r * columns + i;
          at.store(at.template load<V>(y) + at.template load<V>(bias + i), y);
        });
    });
  }

private:
  static deconv_shape shape_of(training_layer const& l) {
    attribute_set const& a = l.attributes();
    return {l.source().last(), a.filters, a.groups, detail::image_of(l.source()), a.win, a.output_padding};
  }
  static conv_shape swapped(training_layer const& l) {
    attribute_set const& a = l.attributes();
    return {a.filters, l.source().last(), a.groups, detail::image_of(l.layer.shape), a.win};
  }
};

template <training_id K, isa::tag I>
  requires(K.op == op::dense.id && detail::is_trained_in(K.multiplies))
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : layer_({l.source().last(), l.attributes().units, l.rows(l.source())}, l.workers) {}

  index_t workspace_bytes() const noexcept { return layer_.workspace_bytes(); }
  void forward(training_call const& c) const noexcept {
    layer_.forward(c.rows(), c.source(), c.weights[0], detail::bias_of(c), c.result, c.scratch, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    detail::with_slope(c, [&](auto const& tail) {
      layer_.backward({.rows = c.rows(),
                       .src = c.source(),
                       .diff_dst = c.diff_result,
                       .weights = c.weights[0],
                       .diff_src = c.diff_sources[0],
                       .diff_weights = c.diff_weights[0],
                       .diff_bias = detail::diff_bias_of(c)},
                      tail, c.scratch, *c.executor);
    });
  }

private:
  dense_training<detail::isa_of_product<I, K.multiplies>, detail::trained_operand<K.multiplies>> layer_;
};

} // namespace graph
IA_NN_END
