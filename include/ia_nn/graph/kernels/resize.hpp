// SPDX-License-Identifier: Apache-2.0
//
// Images of another size.
#pragma once

#include <ia_nn/graph/kernels/move.hpp>
#include <ia_nn/graph/layers/resize.hpp>
#include <ia_nn/ops/pixel_shuffle.hpp>
#include <ia_nn/ops/resize.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

template <kernel_id K, isa::tag I>
  requires(K.op == op::resize_nearest.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = ::ia_nn::resize_nearest;
  static store load(kernel_loader& l) {
    return store(size_of(l.plan.type(l.what().out)), detail::resize_shape_of(l.layer, l.source), l.layer.attributes.rounding);
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run(c.batch(), c.source<std::byte>(), c.result<std::byte>(), e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::resize_linear.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = ::ia_nn::resize_linear<detail::isa_of_f32<I>>;
  static store load(kernel_loader& l) { return store(detail::resize_shape_of(l.layer, l.source)); }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run(c.batch(), c.source(), c.result(), e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::pixel_shuffle.id || K.op == op::pixel_unshuffle.id)
struct kernel<K, native_kernels<I>> : detail::move_kernel<strided_move<detail::isa_of_f32<I>>> {
  using registers = detail::isa_of_f32<I>;
  using base = detail::move_kernel<strided_move<registers>>;
  static typename base::store load(kernel_loader& l) {
    index_t const bytes = size_of(l.plan.type(l.what().out));
    if constexpr (K.op == op::pixel_shuffle.id)
      return base::made(l, ::ia_nn::pixel_shuffle<registers>(bytes, detail::shuffle_shape_of(l.layer, l.layer.shape)));
    else return base::made(l, ::ia_nn::pixel_unshuffle<registers>(bytes, detail::shuffle_shape_of(l.layer, l.source)));
  }
};

} // namespace graph
IA_NN_END
