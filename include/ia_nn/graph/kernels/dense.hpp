// SPDX-License-Identifier: Apache-2.0
//
// Dense layers.
#pragma once

#include <ia_nn/gemm/matmul.hpp>
#include <ia_nn/graph/kernels/requantize.hpp>
#include <ia_nn/graph/layers/dense.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

template <precision P>
using policy_of = std::conditional_t<P == precision::bf16_terms2, bf16_terms<2>,
                                     std::conditional_t<P == precision::bf16_terms3, bf16_terms<3>,
                                                        standard>>;

/// Weights (units, features) as both lie.
inline std::vector<f32> columns_of(kernel_loader const& l) {
  return in_order(l.read(".weight"), channels_made(l), channels_read(l));
}

template <isa::tag I, element A, element C, class Policy> struct dense_kernel : tail_kernel {
  using product_type = gemm<I, A, A, C, Policy>;
  struct store {
    product_type product;
    typename product_type::weights weights;
    channel_affine channels;
  };
  static store load(kernel_loader& l) {
    index_t const k = l.source.last(), n = l.layer.attributes.units,
                  rows = l.source.rows() * l.items();
    std::vector<f32> const weights = columns_of(l);
    std::vector<A> const operands(weights.begin(), weights.end());
    using packed = typename product_type::weights;
    store s{product_type(rows, n, k, l.workers),
            packed(transposed(matrix(operands.data(), n, k))),
            {l, l.what().batch_norm, n}};
    l.scratch = s.product.workspace_bytes();
    return s;
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    s.product.with_rows(c.rows())
        .run(c.source<A>(), s.product.k(), s.weights, c.result<C>(), c.ld(),
             s.channels.then(tail), c.scratch, e);
  }
};

/// From bytes, by 8-bit weights, to bytes or floating-point numbers.
template <isa::tag I, byte_element A, element C> struct quantized_dense_kernel : tail_kernel {
  using product_type = gemm<I, A, s8, C>;
  struct store {
    product_type product;
    typename product_type::weights weights;
    quantized_channels<C> channels;
  };
  static store load(kernel_loader& l) {
    index_t const k = l.source.last(), n = l.layer.attributes.units,
                  rows = l.source.rows() * l.items();
    quantized_weights const w = bytes_of<A>(l, columns_of(l), n);
    using packed = typename product_type::weights;
    store s{product_type(rows, n, k, l.workers, {.a_zero_point = l.source_scaling().zero_point}),
            packed(transposed(matrix(w.values.data(), n, k))),
            {l, w}};
    l.scratch = s.product.workspace_bytes();
    return s;
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    s.product.with_rows(c.rows())
        .run(c.source<A>(), s.product.k(), s.weights, c.result<C>(), c.ld(), s.channels.then(tail),
             c.scratch, e);
  }
};

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::dense.id && K.multiplies == precision::s8)
struct kernel<K, native_kernels<I>>
    : detail::quantized_dense_kernel<detail::isa_of_product<I, K.multiplies>, element_of<K.reads>,
                                     element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::dense.id && K.multiplies != precision::s8)
struct kernel<K, native_kernels<I>>
    : detail::dense_kernel<detail::isa_of_product<I, K.multiplies>,
                           std::conditional_t<K.multiplies == precision::bf16, bf16, f32>,
                           element_of<K.writes>, detail::policy_of<K.multiplies>> {};

} // namespace graph
IA_NN_END
