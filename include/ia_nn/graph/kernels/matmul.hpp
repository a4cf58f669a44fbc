// SPDX-License-Identifier: Apache-2.0
//
// Products of two values.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/matmul.hpp>
#include <ia_nn/ops/batched_matmul.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {
/// Both operands of `batch` items, with as many axes as the result.
struct matmul_operands {
  dims a, b;
  attribute_set const& attributes;

  matmul_operands(node const& n, dims const& left, dims const& right, index_t batch)
      : a(aligned_behind_batch(left, n.shape.rank)), b(aligned_behind_batch(right, n.shape.rank)),
        attributes(n.attributes) {
    a.extent[0] = b.extent[0] = batch;
  }
  batched_matmul_shape shape() const {
    auto const rank = static_cast<std::size_t>(a.rank);
    return {{a.extent, rank}, {b.extent, rank}, attributes.transposed_a, attributes.transposed_b};
  }
};
} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::matmul.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using E = std::conditional_t<K.multiplies == precision::bf16, bf16, f32>;
  using C = element_of<K.writes>;
  using store = batched_matmul<detail::isa_of_product<I, K.multiplies>, E, C>;
  static store load(kernel_loader& l) {
    index_t const batch = l.source.dynamic() ? l.max_batch : l.source[0];
    detail::matmul_operands const o(l.layer, l.source, l.plan.nodes[l.what().inputs[1]].shape, batch);
    store s(o.shape(), l.workers);
    l.scratch = s.workspace_bytes();
    return s;
  }
  template <class X> static void run(store const& s, step_call const& c, X& e) noexcept {
    s.run(c.batch(), c.source<E>(0), c.source<E>(1), c.result<C>(), c.ld(), c.scratch, e);
  }
};

} // namespace graph
IA_NN_END
