// SPDX-License-Identifier: Apache-2.0
//
// Kernels with what their steps keep, and how they are called: one function for each kernel and
// end, whatever network, layer and shape calls it.
#pragma once

#include <ia_nn/graph/elementwise_run.hpp>
#include <ia_nn/graph/view.hpp>
#include <ia_nn/gemm/matmul.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/conv_separable.hpp>
#include <ia_nn/ops/deconv.hpp>
#include <ia_nn/rnn/rnn.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// A convolution or a transposed one. A: what it multiplies.
template <class Kernel, element A> struct held_conv {
  using operand = A;
  Kernel layer;
  aligned_array<f32> bias;
  index_t item; ///< elements of the source for each item
};
/// A depthwise convolution and the 1x1 behind it. What is between them has the type they multiply.
template <isa::tag I, element A> struct held_pair {
  using operand = A;
  separable_conv<I, A, A, f32, A> layer;
  aligned_array<f32> bias, between; ///< of the 1x1, of the depthwise layer
  index_t item;                     ///< elements of the source for each item
};
template <isa::tag I, element A, class Policy> struct held_dense {
  using operand = A;
  using product_type = ::ia_nn::gemm<I, A, A, f32, Policy>;
  product_type product;
  typename product_type::weights weights;
  aligned_array<f32> bias;
};
/// Cuts of one item.
template <class Kernel> struct held_move {
  Kernel layer;
  index_t from, to; ///< elements of the source and the result for each item
  f32 value = 0;
};
template <class Cell, isa::tag I> struct held_rnn {
  using weights = rnn_weights<I, Cell>;
  ::ia_nn::rnn<weights> layer;
  index_t time, width; ///< of the last layer's output, for each direction
  bool last_only;
};

/// f32 to bf16, rounded to nearest even.
template <isa::tag I, class E> void narrow(f32 const* src, bf16* dst, index_t n, E& e) noexcept {
  parallel_blocks(e, n, 4096, [&](index_t begin, index_t end, int) {
    ::ia_nn::detail::convert_row<I>(dst + begin, src + begin, end - begin, {});
  });
}

/// The source in the type that the kernel multiplies; a bf16 copy lies at the front of `scratch`.
template <isa::tag I, element A, class E>
A const* operand_of(f32 const* src, index_t n, workspace_view& scratch, E& e) noexcept {
  if constexpr (std::same_as<A, f32>) return src;
  else {
    bf16* const copy = reinterpret_cast<bf16*>(scratch.data);
    index_t const bytes = round_up(n * 2, 64);
    scratch = {scratch.data + bytes, scratch.size - bytes};
    narrow<I>(src, copy, n, e);
    return copy;
  }
}

template <isa::tag I, class Held, class End, class E>
void run_conv(Held const& h, index_t batch, f32 const* src, f32* dst, index_t ld, End const& end,
              workspace_view scratch, E& e) noexcept {
  auto const* const a = operand_of<I, typename Held::operand>(src, batch * h.item, scratch, e);
  h.layer.run(batch, a, dst, ld, end, scratch, e);
}
template <isa::tag I, class Held, class End, class E>
void run_pair(Held const& h, index_t batch, f32 const* src, f32* dst, index_t ld, bounds const& b,
              End const& end, workspace_view scratch, E& e) noexcept {
  auto const* const a = operand_of<I, typename Held::operand>(src, batch * h.item, scratch, e);
  h.layer.run(batch, a, dst, ld, clip_end{h.between.data(), b.lo, b.hi}, end, scratch, e);
}
template <isa::tag I, class Held, class End, class E>
void run_dense(Held const& h, index_t rows, f32 const* src, f32* dst, index_t ld, End const& end,
               workspace_view scratch, E& e) noexcept {
  index_t const k = h.product.k();
  auto const* const a = operand_of<I, typename Held::operand>(src, rows * k, scratch, e);
  h.product.with_rows(rows).run(a, k, h.weights, dst, ld, end, scratch, e);
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

template <class Kernel, class E>
void run_move(held_move<Kernel> const& h, index_t batch, f32 const* src, f32* dst, E& e) noexcept {
  for_each_item(
      batch,
      [&](index_t i, auto& here) {
        if constexpr (std::same_as<Kernel, ::ia_nn::pad>)
          h.layer.run(src + i * h.from, dst + i * h.to, &h.value, here);
        else h.layer.run(src + i * h.from, dst + i * h.to, here);
      },
      e);
}

/// `size` elements from each row of a dense array to rows `stride` apart.
template <class E>
void copy_rows(f32 const* src, f32* dst, index_t count, index_t size, index_t stride,
               E& e) noexcept {
  parallel_blocks(e, count, ceil_div(16384, size), [&](index_t begin, index_t end, int) {
    for (index_t i = begin; i < end; ++i)
      std::memcpy(dst + i * stride, src + i * size, static_cast<std::size_t>(size) * sizeof(f32));
  });
}

/// Final states go through the front of `scratch`: a batch may have them from two directions.
template <class Held, class E>
void run_recurrent(Held const& h, index_t batch, f32 const* src, f32* dst, workspace_view scratch,
                   E& e) noexcept {
  rnn_call<f32, f32> call{.src = src, .dst = dst, .time = h.time, .batch = batch};
  if (!h.last_only) {
    h.layer.run(call, scratch, e);
    return;
  }
  index_t const ways = h.layer.directions(), each = batch * h.width,
                states = h.layer.layers_count() * ways * each, bytes = round_up(states * 4, 64);
  f32* const last = reinterpret_cast<f32*>(scratch.data);
  call.dst = nullptr;
  call.final_hidden = last;
  h.layer.run(call, {scratch.data + bytes, scratch.size - bytes}, e);
  for (index_t w = 0; w < ways; ++w)
    copy_rows(last + states + (w - ways) * each, dst + w * h.width, batch, h.width, ways * h.width,
              e);
}

} // namespace detail
} // namespace graph
IA_NN_END
