// SPDX-License-Identifier: Apache-2.0
//
// Gather, scatter, one-hot rows, bags of embeddings. Each item has indices of its own.
#pragma once

#include <ia_nn/graph/kernels/move.hpp>
#include <ia_nn/graph/kernels/selection.hpp>
#include <ia_nn/graph/layers/indexing.hpp>
#include <ia_nn/ops/embedding_bag.hpp>
#include <ia_nn/ops/gather.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>
namespace graph {

template <kernel_id K, isa::tag I>
  requires(K.op == op::gather.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    row_gather layer;
    index_t from, to, count; ///< bytes of an item, and its indices
  };
  static store load(kernel_loader& l) {
    index_t const bytes = size_of(l.plan.type(l.what().out));
    detail::axis_split const s(l.source, l.layer.attributes.axis);
    index_t const count = l.plan.nodes[l.what().inputs[1]].shape.item();
    return {row_gather(bytes, s.outer, s.n, s.inner), l.source.item() * bytes, l.layer.shape.item() * bytes, count};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    auto const* const src = c.source<std::byte>();
    s32 const* const indices = c.source<s32>(1);
    auto* const dst = c.result<std::byte>();
    detail::for_each_item(
        c.batch(),
        [&](index_t i, auto& here) {
          s.layer.run(s.count, src + i * s.from, indices + i * s.count, dst + i * s.to, here);
        },
        e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::gather_elements.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    element_gather layer;
    index_t from, to, count;
  };
  static store load(kernel_loader& l) {
    index_t const bytes = size_of(l.plan.type(l.what().out));
    detail::item_axes const x(l.source), i(l.layer.shape);
    return {element_gather(bytes, x.extents(), i.extents(), l.layer.attributes.axis - 1), l.source.item() * bytes,
            l.layer.shape.item() * bytes, l.layer.shape.item()};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    auto const* const src = c.source<std::byte>();
    s32 const* const indices = c.source<s32>(1);
    auto* const dst = c.result<std::byte>();
    detail::for_each_item(
        c.batch(),
        [&](index_t i, auto& here) { s.layer.run(src + i * s.from, indices + i * s.count, dst + i * s.to, here); }, e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::scatter.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    element_scatter layer;
    index_t size, count; ///< of an item: elements and updates
    bool adds;
  };
  static store load(kernel_loader& l) {
    dims const& updates = l.plan.nodes[l.what().inputs[1]].shape;
    detail::item_axes const x(l.source), i(updates);
    return {element_scatter(4, x.extents(), i.extents(), l.layer.attributes.axis - 1), l.source.item(),
            updates.item(), l.layer.attributes.adds};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    f32 const *const data = c.source(), *const updates = c.source(1);
    s32 const* const indices = c.source<s32>(2);
    f32* const dst = c.result();
    detail::for_each_item(
        c.batch(),
        [&](index_t i, auto& here) {
          f32 const *const x = data + i * s.size, *const u = updates + i * s.count;
          if (s.adds) s.layer.run_add(x, u, indices + i * s.count, dst + i * s.size, here);
          else s.layer.run(x, u, indices + i * s.count, dst + i * s.size, here);
        },
        e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::one_hot.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = one_hot_rows<f32>;
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    return store(a.taken, 1, a.a, a.b);
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.run(c.source_size(), c.source<s32>(), c.result(), e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::embedding_bag.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    aligned_array<f32> rows;
    bag_embedding<detail::isa_of_f32<I>> layer;
    index_t length;
  };
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    std::vector<f32> const from = l.read(".weight");
    aligned_array<f32> rows(static_cast<index_t>(from.size()));
    std::memcpy(rows.data(), from.data(), from.size() * sizeof(f32));
    bag_embedding<detail::isa_of_f32<I>> layer(a.bag, {rows.data(), a.table_rows, a.width});
    return {std::move(rows), std::move(layer), l.source.last()};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    s.layer.run(c.source_size() / s.length, s.length, c.source<s32>(), c.result(), c.ld(), e);
  }
};

} // namespace graph
IA_NN_END
