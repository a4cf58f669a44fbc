// SPDX-License-Identifier: Apache-2.0
//
// Training of pools.
#pragma once

#include <ia_nn/graph/layers/pool.hpp>
#include <ia_nn/graph/train/kernel.hpp>
#include <ia_nn/ops/pool.hpp>
#include <ia_nn/train/pool.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

inline pool_backward_shape trained_pool_shape(training_layer const& l) {
  attribute_set const& a = l.attributes();
  return {l.source().last(), image_of(l.source()), a.win, a.ceil_mode, a.count_padding};
}
inline pool_kind kind_of_pool(training_layer const& l) {
  return l.layer.kind == op::max_pool        ? pool_kind::max
         : l.attributes().count_padding ? pool_kind::average_padded
                                             : pool_kind::average;
}

} // namespace detail

template <training_id K, isa::tag I>
  requires(K.op == op::max_pool.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : positions_(l.layer.shape.size() * l.items(l.layer.shape)), forward_(pool_kind::max, shape_of(l)),
        backward_(detail::trained_pool_shape(l)) {}

  /// Where the largest elements are.
  index_t reserve_bytes() const noexcept { return positions_ * 4; }
  void forward(training_call const& c) const noexcept {
    forward_.run_with_indices(c.images(), c.source(), c.result, reinterpret_cast<s32*>(c.reserve), *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    backward_.run(c.images(), reinterpret_cast<s32 const*>(c.reserve), c.diff_result, c.diff_sources[0],
                  *c.executor);
  }

private:
  static pool_shape shape_of(training_layer const& l) {
    attribute_set const& a = l.attributes();
    return {l.source().last(), detail::image_of(l.source()), a.win, a.ceil_mode};
  }
  index_t positions_;
  pool<detail::isa_of_f32<I>, f32> forward_;
  max_pool_backward backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::average_pool.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : forward_(detail::kind_of_pool(l), pool_shape{l.source().last(), detail::image_of(l.source()),
                                                     l.attributes().win, l.attributes().ceil_mode}),
        backward_(detail::trained_pool_shape(l)) {}
  void forward(training_call const& c) const noexcept {
    forward_.run(c.images(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    backward_.run(c.images(), c.diff_result, c.diff_sources[0], *c.executor);
  }

private:
  pool<detail::isa_of_f32<I>, f32> forward_;
  average_pool_backward<detail::isa_of_f32<I>> backward_;
};

} // namespace graph
IA_NN_END
