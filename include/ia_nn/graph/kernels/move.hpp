// SPDX-License-Identifier: Apache-2.0
//
// What moves elements, of whatever type: concat, pad, transpose, slice, copies; and constants.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/elementwise.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/int8/quantize.hpp>
#include <ia_nn/ops/move.hpp>
#include <ia_nn/ops/pad.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// `size` bytes from each row of a dense array to rows `stride` bytes apart.
template <class E>
void copy_rows(std::byte const* src, std::byte* dst, index_t count, index_t size, index_t stride,
               E& e) noexcept {
  parallel_blocks(e, count, ceil_div(65536, size), [&](index_t begin, index_t end, int) {
    for (index_t i = begin; i < end; ++i)
      std::memcpy(dst + i * stride, src + i * size, static_cast<std::size_t>(size));
  });
}

/// Elements of one item from `axis` on.
constexpr index_t size_from(dims const& s, int axis) {
  index_t n = 1;
  for (int d = axis; d < s.rank; ++d) n *= s[d];
  return n;
}

/// Calls f(item, executor) for each item: items share the workers, or each item its elements.
template <class F, class E> void for_each_item(index_t batch, F const& f, E& e) noexcept {
  if (batch < e.concurrency()) {
    for (index_t i = 0; i < batch; ++i) f(i, e);
    return;
  }
  auto const work = [&](index_t i, int) {
    sequential here;
    f(i, here);
  };
  e.parallel_for(batch, work);
}

/// Cuts of one item: Layer moves the bytes of the axes behind the batch.
template <class Layer> struct move_kernel : plain_kernel {
  struct store {
    Layer layer;
    index_t from, to; ///< bytes of the source and the result for each item
    std::byte value[4]{}; ///< what `pad` writes
  };
  static store made(kernel_loader const& l, Layer layer) {
    index_t const bytes = size_of(l.plan.type(l.what().out));
    return {static_cast<Layer&&>(layer), l.source.item() * bytes, l.layer.shape.item() * bytes};
  }
  template <class E> static void run(store const& s, step_call const& c, E& e) noexcept {
    auto const* const src = c.source<std::byte>();
    auto* const dst = c.result<std::byte>();
    for_each_item(
        c.batch(),
        [&](index_t i, auto& here) {
          if constexpr (std::same_as<Layer, ::ia_nn::pad>)
            s.layer.run(src + i * s.from, dst + i * s.to, s.value, here);
          else s.layer.run(src + i * s.from, dst + i * s.to, here);
        },
        e);
  }
};
/// A number as the step stores it.
template <byte_element Q> std::byte byte_value(kernel_loader const& l, f32 number) {
  Q q;
  quantize<isa::scalar>(1, &number, &q, l.result_scaling());
  return static_cast<std::byte>(q);
}
/// Extents of one item, and numbers of its axes.
struct item_axes {
  std::size_t rank;
  index_t extent[4]{};

  explicit item_axes(dims const& s) : rank(static_cast<std::size_t>(s.rank - 1)) {
    for (std::size_t d = 0; d < rank; ++d) extent[d] = s[static_cast<int>(d) + 1];
  }
  std::span<index_t const> extents() const { return {extent, rank}; }
};

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::pad.id)
struct kernel<K, native_kernels<I>> : detail::move_kernel<::ia_nn::pad> {
  static store load(kernel_loader& l) {
    detail::item_axes const in(l.source);
    attribute_set const& a = l.layer.attributes;
    value_type const type = l.plan.type(l.what().out);
    store s = made(l, ::ia_nn::pad(size_of(type), in.extents(), {a.front + 1, in.rank},
                          {a.back + 1, in.rank}, a.fill));
    bf16 const narrow(a.number);
    if (type == value_type::bf16) std::memcpy(s.value, &narrow, sizeof narrow);
    else if (type == value_type::u8) s.value[0] = detail::byte_value<u8>(l, a.number);
    else if (type == value_type::s8) s.value[0] = detail::byte_value<s8>(l, a.number);
    else std::memcpy(s.value, &a.number, sizeof a.number);
    return s;
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::transpose.id)
struct kernel<K, native_kernels<I>> : detail::move_kernel<strided_move<detail::isa_of_f32<I>>> {
  using base = detail::move_kernel<strided_move<detail::isa_of_f32<I>>>;
  static typename base::store load(kernel_loader& l) {
    detail::item_axes const in(l.source);
    int order[4];
    for (std::size_t d = 0; d < in.rank; ++d) order[d] = l.layer.attributes.from_axis[d + 1] - 1;
    return base::made(l, strided_move<detail::isa_of_f32<I>>::transpose(
                             size_of(l.plan.type(l.what().out)), in.extents(), {order, in.rank}));
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::slice.id)
struct kernel<K, native_kernels<I>> : detail::move_kernel<strided_move<detail::isa_of_f32<I>>> {
  using base = detail::move_kernel<strided_move<detail::isa_of_f32<I>>>;
  static typename base::store load(kernel_loader& l) {
    detail::item_axes const in(l.source), out(l.layer.shape);
    attribute_set const& a = l.layer.attributes;
    index_t first[4]{}, step[4]{1, 1, 1, 1};
    first[a.axis - 1] = a.first, step[a.axis - 1] = a.step;
    return base::made(l, strided_move<detail::isa_of_f32<I>>::slice(
                             size_of(l.plan.type(l.what().out)), in.extents(), {first, in.rank},
                             out.extents(), {step, in.rank}));
  }
};

/// Copies the inputs that do not write into the concat themselves.
template <kernel_id K, isa::tag I>
  requires(K.op == op::concat.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = no_store;
  static store load(kernel_loader&) { return {}; }
  template <class E> static void run(store const&, step_call const& c, E& e) noexcept {
    node const& n = c.layer();
    step const& s = c.what();
    int const axis = n.attributes.axis;
    index_t const stride = detail::size_from(c.shape(), axis) * c.element_bytes();
    index_t offset = 0;
    int copied = 0; // the step has its inputs in the order of the node's
    for (int const in : n.inputs) {
      dims const& part = c.plan.nodes[in].shape;
      index_t const each = detail::size_from(part, axis), size = each * c.element_bytes();
      if (copied < s.inputs.count && s.inputs[copied] == in) {
        detail::copy_rows(c.source<std::byte>(copied), c.result<std::byte>() + offset,
                          part.size() / each * c.memory.items, size, stride, e);
        ++copied;
      }
      offset += size;
    }
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::output.id || K.op == op::identity.id || K.op == op::dropout.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = no_store;
  static store load(kernel_loader&) { return {}; }
  template <class E> static void run(store const&, step_call const& c, E& e) noexcept {
    index_t const size = c.shape().last() * c.element_bytes();
    detail::copy_rows(c.source<std::byte>(), c.result<std::byte>(), c.rows(), size, size, e);
  }
};

template <kernel_id K, isa::tag I>
  requires(K.op == op::constant.id)
struct kernel<K, native_kernels<I>> : plain_kernel {
  using store = no_store;
  static store load(kernel_loader&) { return {}; }
  template <class E> static void run(store const&, step_call const& c, E&) noexcept {
    f32* const dst = c.result();
    for (index_t i = 0; i < c.rows() * c.shape().last(); ++i) dst[i] = c.layer().attributes.number;
  }
};

} // namespace graph
IA_NN_END
