// SPDX-License-Identifier: Apache-2.0
//
// Pools.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/pool.hpp>
#include <ia_nn/ops/pool.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

template <isa::tag I, element T> struct pool_kernel : plain_kernel {
  using store = pool<I, T>;
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    pool_kind const kind = l.layer.kind == op::max_pool ? pool_kind::max
                           : a.count_padding            ? pool_kind::average_padded
                                                        : pool_kind::average;
    index_t const channels = l.source.last();
    s32 const zero = l.result_scaling().zero_point;
    if (a.adaptive)
      return store(kind,
                   adaptive_pool_shape{channels, image_of(l.source), image_of(l.layer.shape)},
                   zero);
    return store(kind, pool_shape{channels, image_of(l.source), a.win, a.ceil_mode}, zero);
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run(c.batch(), c.source<T>(), c.shape().last(), c.result<T>(), c.ld(), e);
  }
};

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::max_pool.id || K.op == op::average_pool.id)
struct kernel<K, native_kernels<I>>
    : detail::pool_kernel<detail::isa_of_f32<I>, element_of<K.writes>> {};

} // namespace graph
IA_NN_END
