// SPDX-License-Identifier: Apache-2.0
//
// The largest and smallest elements of an axis.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/selection.hpp>
#include <ia_nn/ops/top_k.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// A shape as [outer][n][inner] around an axis, outer without the batch.
struct axis_split {
  index_t outer = 1, n = 1, inner = 1;

  constexpr axis_split(dims const& x, int axis) : n(x[axis]) {
    for (int d = 1; d < x.rank; ++d)
      if (d != axis) (d < axis ? outer : inner) *= x[d];
  }
};

/// s32 numbers become f32 where they lie.
template <class E> void indices_to_f32(std::byte* at, index_t count, E& e) noexcept {
  parallel_blocks(e, count, 8192, [&](index_t begin, index_t end, int) {
    for (index_t i = begin; i < end; ++i) {
      s32 index;
      std::memcpy(&index, at + 4 * i, 4);
      f32 const number = static_cast<f32>(index);
      std::memcpy(at + 4 * i, &number, 4);
    }
  });
}

template <isa::tag I, bool Indices, value_type Writes> struct top_k_kernel : plain_kernel {
  struct store {
    top_k_selection<I> layer;
    index_t outer;
  };
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    axis_split const s(l.source, a.axis);
    store made{top_k_selection<I>({s.n, a.taken, s.inner, !a.smallest, a.sorted}, l.workers), s.outer};
    l.scratch = made.layer.workspace_bytes();
    return made;
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    auto* const to = c.result<std::byte>();
    index_t const outer = s.outer * c.batch();
    if constexpr (!Indices) {
      s.layer.run(outer, c.source(), reinterpret_cast<f32*>(to), nullptr, c.scratch, e);
    } else {
      s.layer.run(outer, c.source(), nullptr, reinterpret_cast<s32*>(to), c.scratch, e);
      if constexpr (Writes == value_type::f32) indices_to_f32(to, c.rows() * c.shape().last(), e);
    }
  }
};

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::top_k.id || K.op == op::top_k_indices.id)
struct kernel<K, native_kernels<I>>
    : detail::top_k_kernel<detail::isa_of_f32<I>, K.op == op::top_k_indices.id, K.writes> {};

template <kernel_id K, isa::tag I>
  requires(K.op == op::arg_max.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  struct store {
    arg_selection<detail::isa_of_f32<I>> layer;
    index_t outer;
  };
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    detail::axis_split const s(l.source, a.axis);
    return {arg_selection<detail::isa_of_f32<I>>({s.n, s.inner, !a.smallest, a.last_of_equal}), s.outer};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    auto* const to = c.result<std::byte>();
    s.layer.run(s.outer * c.batch(), c.source(), reinterpret_cast<s32*>(to), e);
    if constexpr (K.writes == value_type::f32) detail::indices_to_f32(to, c.rows() * c.shape().last(), e);
  }
};

} // namespace graph
IA_NN_END
