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

/// f(shape), the shape of a pool over windows or of one to a given size.
template <class Window, class F> auto with_pool_shape(training_layer const& l, Window const& window, F const& f) {
  attribute_set const& a = l.attributes();
  if (a.adaptive)
    return f(adaptive_pool_shape{l.source().last(), image_of(l.source()), image_of(l.layer.shape)});
  return f(window(a));
}
template <class Pool> Pool made_pool(training_layer const& l, pool_kind kind) {
  auto const window = [&](attribute_set const& a) {
    return pool_shape{l.source().last(), image_of(l.source()), a.win, a.ceil_mode};
  };
  return with_pool_shape(l, window, [&](auto const& s) { return Pool(kind, s); });
}
template <class Backward> Backward made_pool_backward(training_layer const& l) {
  auto const window = [&](attribute_set const& a) {
    return pool_backward_shape{l.source().last(), image_of(l.source()), a.win, a.ceil_mode, a.count_padding};
  };
  return with_pool_shape(l, window, [](auto const& s) { return Backward(s); });
}

} // namespace detail

template <training_id K, isa::tag I>
  requires(K.op == op::max_pool.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : positions_(l.layer.shape.size() * l.items(l.layer.shape)),
        forward_(detail::made_pool<pool_type>(l, pool_kind::max)),
        backward_(detail::made_pool_backward<max_pool_backward>(l)) {}

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
  using pool_type = pool<detail::isa_of_f32<I>, f32>;
  index_t positions_;
  pool_type forward_;
  max_pool_backward backward_;
};

template <training_id K, isa::tag I>
  requires(K.op == op::average_pool.id)
struct training_kernel<K, native_kernels<I>> : plain_training {
  explicit training_kernel(training_layer const& l)
      : forward_(detail::made_pool<pool_type>(l, l.attributes().count_padding ? pool_kind::average_padded
                                                                             : pool_kind::average)),
        backward_(detail::made_pool_backward<backward_type>(l)) {}
  void forward(training_call const& c) const noexcept {
    forward_.run(c.images(), c.source(), c.result, *c.executor);
  }
  void backward(training_call const& c) const noexcept {
    backward_.run(c.images(), c.diff_result, c.diff_sources[0], *c.executor);
  }

private:
  using pool_type = pool<detail::isa_of_f32<I>, f32>;
  using backward_type = average_pool_backward<detail::isa_of_f32<I>>;
  pool_type forward_;
  backward_type backward_;
};

} // namespace graph
IA_NN_END
