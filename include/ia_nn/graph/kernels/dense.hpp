// SPDX-License-Identifier: Apache-2.0
//
// Dense layers.
#pragma once

#include <ia_nn/gemm/matmul.hpp>
#include <ia_nn/graph/kernels/requantize.hpp>
#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/int8/s4.hpp>

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

/// A product of rows of A by packed weights, to C.
template <class Product, element A, element C, class Channels = channel_affine>
struct product_kernel : tail_kernel {
  struct store {
    Product product;
    typename Product::weights weights;
    Channels channels;
  };
  /// `weights` (units, features). Options: those of gemm.
  template <class W, class... Options>
  static store made(kernel_loader& l, W const* weights, Channels channels, Options const&... o) {
    index_t const k = l.source.last(), n = l.layer.attributes.units;
    store s{Product(l.source.rows() * l.items(), n, k, l.workers, o...),
            typename Product::weights(transposed(matrix(weights, n, k))),
            static_cast<Channels&&>(channels)};
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

template <isa::tag I, element A, element C, class Policy>
struct dense_kernel : product_kernel<gemm<I, A, A, C, Policy>, A, C> {
  using base = product_kernel<gemm<I, A, A, C, Policy>, A, C>;
  static typename base::store load(kernel_loader& l) {
    std::vector<f32> const weights = columns_of(l);
    std::vector<A> const operands(weights.begin(), weights.end());
    return base::made(l, operands.data(), {l, l.what().batch_norm, l.layer.attributes.units});
  }
};

/// From bytes, by 8-bit weights, to bytes or floating-point numbers.
template <isa::tag I, byte_element A, element C>
struct quantized_dense_kernel : product_kernel<gemm<I, A, s8, C>, A, C, quantized_channels<C>> {
  using base = product_kernel<gemm<I, A, s8, C>, A, C, quantized_channels<C>>;
  static typename base::store load(kernel_loader& l) {
    quantized_weights const w = bytes_of<A>(l, columns_of(l), l.layer.attributes.units);
    return base::made(l, w.values.data(), {l, w},
                      gemm_options{.a_zero_point = l.source_scaling().zero_point});
  }
};

/// From f32 by bytes, each row with a scale of its own.
template <isa::tag I, element C> struct dynamic_dense_kernel : tail_kernel {
  using store = dynamic_dense<I, C>;
  static store load(kernel_loader& l) {
    dynamic_weights w(l, columns_of(l), l.layer.attributes.units);
    for (index_t c = 0; c < w.bytes.filters; ++c) w.bytes.scales[c] = w.channels.scale[c];
    store s(w.bytes, all_of(w.channels.offset),
            {.max_rows = l.source.rows() * l.items(), .workers = l.workers});
    l.scratch = s.workspace_bytes();
    return s;
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    s.run(c.rows(), c.source(), s.k(), c.result<C>(), c.ld(), tail, c.scratch, e);
  }
};

/// f32 by weights of 8 bits, which are widened where they are multiplied.
template <isa::tag I, element C>
struct narrow_dense_kernel : product_kernel<gemm<I, f32, s8, C>, f32, C> {
  using base = product_kernel<gemm<I, f32, s8, C>, f32, C>;
  static typename base::store load(kernel_loader& l) {
    index_t const n = l.layer.attributes.units;
    quantized_weights const w = quantized_of(l, columns_of(l), n);
    return base::made(l, w.values.data(),
                      {l, l.what().batch_norm, n,
                       [&](index_t c) { return static_cast<double>(w.scales[c]); }, 1.0});
  }
};

/// f32 by weights of 4 bits: int8/s4.hpp.
template <isa::tag I, element C> struct s4_dense_kernel : tail_kernel {
  static constexpr index_t group = 32;
  struct store {
    s4_dense<I, C> product;
    channel_affine channels;
  };
  static store load(kernel_loader& l) {
    index_t const n = l.layer.attributes.units;
    std::vector<f32> const w = columns_of(l);
    store s{s4_dense<I, C>(in_layer(l, [&] { return quantize_s4<I>(w, n, group, scheme::asymmetric); }),
                           {.max_rows = l.source.rows() * l.items(), .workers = l.workers}),
            {l, l.what().batch_norm, n}};
    l.scratch = s.product.workspace_bytes();
    return s;
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    s.product.run(c.rows(), c.source(), s.product.k(), c.result<C>(), c.ld(), s.channels.then(tail),
                  c.scratch, e);
  }
};

template <isa::tag I, element C, precision P> struct wide_dense_kernel;
template <isa::tag I, element C>
struct wide_dense_kernel<I, C, precision::dynamic_s8> : dynamic_dense_kernel<I, C> {};
template <isa::tag I, element C>
struct wide_dense_kernel<I, C, precision::weights_s8> : narrow_dense_kernel<I, C> {};
template <isa::tag I, element C>
struct wide_dense_kernel<I, C, precision::weights_s4> : s4_dense_kernel<I, C> {};

constexpr bool takes_f32_by_narrow(precision p) {
  return p == precision::dynamic_s8 || p == precision::weights_s8 || p == precision::weights_s4;
}

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::dense.id && detail::takes_f32_by_narrow(K.multiplies))
struct kernel<K, native_kernels<I>>
    : detail::wide_dense_kernel<detail::isa_of_product<I, K.multiplies>, element_of<K.writes>,
                                K.multiplies> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::dense.id && K.multiplies == precision::s8)
struct kernel<K, native_kernels<I>>
    : detail::quantized_dense_kernel<detail::isa_of_product<I, K.multiplies>, element_of<K.reads>,
                                     element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::dense.id && K.multiplies != precision::s8 &&
           !detail::takes_f32_by_narrow(K.multiplies))
struct kernel<K, native_kernels<I>>
    : detail::dense_kernel<detail::isa_of_product<I, K.multiplies>,
                           std::conditional_t<K.multiplies == precision::bf16, bf16, f32>,
                           element_of<K.writes>, detail::policy_of<K.multiplies>> {};

} // namespace graph
IA_NN_END
