// SPDX-License-Identifier: Apache-2.0
//
// Attention.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/attention.hpp>
#include <ia_nn/ops/attention.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {
/// From item to item, head to head and query to query of a mask.
struct mask_distances {
  index_t item, head, query;
  explicit mask_distances(dims const& m) noexcept
      : item(m.item()), head(m.rank == 4 && m[1] > 1 ? m[2] * m[3] : 0), query(m[m.rank - 2] > 1 ? m.last() : 0) {}
};
} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::attention.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using E = std::conditional_t<K.multiplies == precision::bf16, bf16, f32>;
  using C = element_of<K.writes>;
  using layer = ::ia_nn::attention<detail::isa_of_product<I, K.multiplies>, E, C>;
  struct store {
    layer own;
    index_t mask_item = 0, mask_head = 0, mask_query = 0;
    int mask, lengths; ///< numbers of inputs
  };
  static store load(kernel_loader& l) {
    auto const shape_of = [&](int k) -> dims const& { return l.plan.nodes[l.what().inputs[k]].shape; };
    attribute_set const& a = l.layer.attributes;
    dims const &q = shape_of(0), &v = shape_of(2);
    store s{layer({.heads = a.heads, .queries = q[1], .keys = v[1], .width = q[2] / a.heads, .value_width = v[2] / a.heads},
                  {.causal = a.causal,
                   .scale = a.a,
                   .max_batch = q.dynamic() ? l.max_batch : q[0],
                   .workers = l.workers}),
            0, 0, 0, detail::attention_mask(l.layer), detail::attention_lengths(l.layer)};
    if (s.mask >= 0) {
      detail::mask_distances const d(shape_of(s.mask));
      s.mask_item = d.item, s.mask_head = d.head, s.mask_query = d.query;
    }
    l.scratch = s.own.workspace_bytes();
    return s;
  }
  template <class X> static void run(store const& s, step_call const& c, X& e) noexcept {
    s.own.run({.batch = c.batch(),
               .q = c.source<E>(0),
               .k = c.source<E>(1),
               .v = c.source<E>(2),
               .dst = c.result<C>(),
               .dst_ld = c.ld(),
               .mask = s.mask < 0 ? nullptr : c.source<E>(s.mask),
               .mask_item = s.mask_item,
               .mask_head = s.mask_head,
               .mask_query = s.mask_query,
               .lengths = s.lengths < 0 ? nullptr : c.source<s32>(s.lengths)},
              c.scratch, e);
  }
};

} // namespace graph
IA_NN_END
