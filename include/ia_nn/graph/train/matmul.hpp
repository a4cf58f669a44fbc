// SPDX-License-Identifier: Apache-2.0
//
// Training of products of two values.
#pragma once

#include <ia_nn/graph/kernels/matmul.hpp>
#include <ia_nn/graph/train/products.hpp>
#include <ia_nn/train/batched_matmul.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

template <training_id K, isa::tag I>
  requires(K.op == op::matmul.id && detail::is_trained_in(K.multiplies))
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : layer_(detail::matmul_operands(l.layer, l.source(0), l.source(1), l.images(l.layer.shape)).shape(), l.workers) {}

  index_t workspace_bytes() const noexcept { return layer_.workspace_bytes(); }
  void forward(training_call const& c) const noexcept {
    layer_.forward(c.images(), c.source(0), c.source(1), c.result, c.scratch, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    layer_.backward({.outer = c.images(),
                     .a = c.source(0),
                     .b = c.source(1),
                     .diff_c = c.diff_result,
                     .diff_a = c.diff_sources[0],
                     .diff_b = c.diff_sources[1]},
                    c.scratch, *c.executor);
  }

private:
  batched_matmul_training<detail::isa_of_product<I, K.multiplies>, detail::trained_operand<K.multiplies>> layer_;
};

} // namespace graph
IA_NN_END
