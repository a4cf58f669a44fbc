// SPDX-License-Identifier: Apache-2.0
//
// The kernels behind the steps: one function for each distinct kernel and tail, whatever network,
// layer and shape calls it.
#pragma once

#include <ia_nn/gemm/matmul.hpp>
#include <ia_nn/graph/chain.hpp>
#include <ia_nn/graph/custom.hpp>
#include <ia_nn/ops/batch_norm.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/embedding.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/lrn.hpp>
#include <ia_nn/ops/pool.hpp>
#include <ia_nn/ops/softmax.hpp>

#include <cstring>

IA_NN_BEGIN
namespace graph {
namespace detail {

/// Operands and numbers of a tail, as its step has them.
struct tail_data {
  bounds clip{};
  f32 const* operand = nullptr;
  index_t ld = 0;
  stage_data const* stages = nullptr;
  int count = 0;
};

/// What a step with weights keeps: the kernel, a bias, and where its scratch memory lies.
template <class Kernel> struct held {
  Kernel kernel;
  aligned_array<f32> bias;
  index_t source_size; ///< elements of the source for each item
};

/// A dense layer without its bias, which is in the tail.
template <isa::tag I, class A> struct product {
  using plan_type = gemm<I, A, A, f32>;
  plan_type plan;
  typename plan_type::weights weights;

  product(typename plan_type::weights w, index_t max_rows, int workers)
      : plan(max_rows, w.n(), w.k(), workers),
        weights(static_cast<typename plan_type::weights&&>(w)) {}
  index_t workspace_bytes() const noexcept { return plan.workspace_bytes(); }
};

/// f32 to bf16, rounded to nearest even.
template <isa::tag I, class E> void narrow(f32 const* src, bf16* dst, index_t n, E& e) noexcept {
  using V = vec<f32, I>;
  parallel_blocks(e, n, 4096, [&](index_t begin, index_t end, int) {
    index_t i = begin;
    for (; i + V::size <= end; i += V::size) V::load(src + i).store(dst + i);
    if (i < end) V::load(src + i, end - i).store(dst + i, end - i);
  });
}

/// The source in the type that the kernel multiplies; a bf16 copy lies at the front of `scratch`.
template <isa::tag I, class A, class E>
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

template <tail Tail> constexpr auto tail_value(f32 const* bias, tail_data const& t) noexcept {
  if constexpr (Tail == tail::clip) return short_tail<false>{bias, t.clip.lo, t.clip.hi};
  else if constexpr (Tail == tail::add_clip)
    return short_tail<true>{bias, t.clip.lo, t.clip.hi, t.operand, t.ld};
  else return biased_tail{bias, {t.stages, t.count}};
}

template <tail Tail, isa::tag I, class A, class E>
IA_NN_NOINLINE void run_conv(held<::ia_nn::conv<I, A, A, f32>> const& layer, index_t batch,
                             f32 const* src, f32* dst, index_t ld, tail_data const& t,
                             workspace_view scratch, E& e) noexcept {
  A const* const a = operand_of<I, A>(src, batch * layer.source_size, scratch, e);
  layer.kernel.run(batch, a, dst, ld, tail_value<Tail>(layer.bias.data(), t), scratch, e);
}

template <tail Tail, isa::tag I, class A, class E>
IA_NN_NOINLINE void run_dense(held<product<I, A>> const& layer, index_t rows, f32 const* src,
                              f32* dst, index_t ld, tail_data const& t, workspace_view scratch,
                              E& e) noexcept {
  index_t const k = layer.kernel.plan.k();
  A const* const a = operand_of<I, A>(src, rows * k, scratch, e);
  layer.kernel.plan.with_rows(rows).run({a, k, 1}, layer.kernel.weights, dst, ld,
                                        tail_value<Tail>(layer.bias.data(), t), scratch, e);
}

/// Blocks of `block` elements from a dense array to places `stride` apart.
inline void copy_blocks(f32 const* src, f32* dst, index_t count, index_t size,
                        index_t stride) noexcept {
  for (index_t i = 0; i < count; ++i)
    std::memcpy(dst + i * stride, src + i * size, static_cast<std::size_t>(size) * sizeof(f32));
}

} // namespace detail
} // namespace graph
IA_NN_END
