// SPDX-License-Identifier: Apache-2.0
//
// where, and running sums.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/kernels/move.hpp>
#include <ia_nn/graph/layers/select.hpp>
#include <ia_nn/ops/cumulative_sum.hpp>
#include <ia_nn/ops/where.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

inline where_operand placed_operand(dims const& whole, dims const& part, f32 const* data) noexcept {
  index_t const columns = whole.last(), rows = whole.item() / columns;
  switch (spread_of(whole, part)) {
  case spread::channels: return {data, columns, 0, 1};
  case spread::rows: return {data, rows, 1, 0};
  case spread::items: return {data, 1, 0, 0};
  default: return {data, rows * columns, columns, 1};
  }
}
/// Elements of one item in front of the axis, along it, and behind it.
struct summed_axis {
  index_t outer, n, inner;
  summed_axis(dims const& s, int axis) noexcept
      : outer(s.item() / size_from(s, axis)), n(s[axis]), inner(size_from(s, axis) / n) {}
};

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::where.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = no_store;
  static store load(kernel_loader&) { return {}; }
  template <class E> static void run(store const&, step_call const& c, E& e) noexcept {
    auto const operand = [&](int k) {
      return detail::placed_operand(c.shape(), c.plan.nodes[c.what().inputs[k]].shape, c.source(k));
    };
    ::ia_nn::where<detail::isa_of_f32<I>>({.items = c.batch(),
                                         .rows = c.rows() / c.batch(),
                                         .columns = c.shape().last(),
                                         .x = operand(0),
                                         .a = operand(1),
                                         .b = operand(2),
                                         .dst = c.result(),
                                         .dst_ld = c.ld(),
                                         .is = c.layer().attributes.is,
                                         .number = c.layer().attributes.number},
                                        e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::cumulative_sum.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    ::ia_nn::cumulative_sum<detail::isa_of_f32<I>> layer;
    index_t outer; ///< of one item
  };
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    detail::summed_axis const s(l.source, a.axis);
    return {::ia_nn::cumulative_sum<detail::isa_of_f32<I>>(s.n, s.inner, {a.exclusive, a.backwards}), s.outer};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.layer.run(s.outer * c.batch(), c.source(), c.result(), e);
  }
};

} // namespace graph
IA_NN_END
