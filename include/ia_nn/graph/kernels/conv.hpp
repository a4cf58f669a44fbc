// SPDX-License-Identifier: Apache-2.0
//
// Convolutions, transposed ones, and pairs of a depthwise convolution and the 1x1 behind it.
#pragma once

#include <ia_nn/graph/kernels/weights.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/conv_separable.hpp>
#include <ia_nn/ops/deconv.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

inline std::vector<f32> filters_of(kernel_loader const& l, int batch_norm, aligned_array<f32>& bias) {
  std::vector<f32> weights = l.read(".weight");
  index_t const filters = l.layer.attributes.filters,
                each = static_cast<index_t>(weights.size()) / filters;
  bias = fold_into(l, batch_norm, filters, weights, [&](index_t i) { return i / each; });
  return weights;
}
inline conv_shape conv_shape_of(kernel_loader const& l) {
  attribute_set const& a = l.layer.attributes;
  return {l.source.last(), a.filters, a.groups, image_of(l.source), a.win};
}

/// Layer: conv or deconv, from A to C.
template <class Layer, element A, element C> struct conv_kernel : with_tail {
  struct store {
    Layer layer;
    aligned_array<f32> bias;
  };
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    s.layer.run(c.batch(), c.source<A>(), c.result<C>(), c.ld(),
                with_bias<Tail>{s.bias.data(), tail}, c.scratch, e);
  }
};

template <isa::tag I, element A, element C>
struct forward_conv_kernel : conv_kernel<conv<I, A, A, C>, A, C> {
  using store = typename conv_kernel<conv<I, A, A, C>, A, C>::store;
  static store load(kernel_loader& l) {
    aligned_array<f32> bias;
    std::vector<f32> const weights = filters_of(l, l.what().batch_norm, bias);
    store s{{conv_shape_of(l), weights, {.max_batch = l.max_batch, .workers = l.workers}},
            static_cast<aligned_array<f32>&&>(bias)};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
};

template <isa::tag I, element A, element C>
struct deconv_kernel : conv_kernel<deconv<I, A, A, C>, A, C> {
  using store = typename conv_kernel<deconv<I, A, A, C>, A, C>::store;
  static store load(kernel_loader& l) {
    attribute_set const& a = l.layer.attributes;
    index_t const channels = l.source.last(), in = channels / a.groups, out = a.filters / a.groups,
                  each = a.win.kernel.size();
    std::vector<f32> weights = l.read(".weight");
    aligned_array<f32> bias =
        fold_into(l, l.what().batch_norm, a.filters, weights, [&](index_t i) {
          return i / (each * out * in) * out + i / each % out;
        });
    store s{{deconv_shape{channels, a.filters, a.groups, image_of(l.source), a.win,
                          a.output_padding},
             std::span<f32 const>(weights),
             {.max_batch = l.max_batch, .workers = l.workers}},
            static_cast<aligned_array<f32>&&>(bias)};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
};

/// What is between the two has the type that they multiply. The layer of the step is the 1x1; its
/// source has as many channels as that of the depthwise layer.
template <isa::tag I, element A, element C> struct pair_kernel : with_tail {
  struct store {
    separable_conv<I, A, A, C, A> layer;
    aligned_array<f32> bias, between; ///< of the 1x1, of the depthwise layer
  };
  static store load(kernel_loader& l) {
    depthwise_part const& first = l.what().depthwise;
    kernel_loader const depthwise = l.of(first.node);
    aligned_array<f32> between, bias;
    std::vector<f32> const front = filters_of(depthwise, first.batch_norm, between),
                           behind = filters_of(l, l.what().batch_norm, bias);
    store s{{conv_shape_of(depthwise), l.layer.attributes.filters, front, behind,
             {.max_batch = l.max_batch, .workers = l.workers}},
            static_cast<aligned_array<f32>&&>(bias),
            static_cast<aligned_array<f32>&&>(between)};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    using clip = graph::tail<clip_code>;
    stage_data const between = data_of(c.what().depthwise.between);
    s.layer.run(c.batch(), c.source<A>(), c.result<C>(), c.ld(),
                with_bias<clip>{s.between.data(), clip(&between, 1)},
                with_bias<Tail>{s.bias.data(), tail}, c.scratch, e);
  }
};

template <kernel_id K> using operand_of = std::conditional_t<K.multiplies == precision::bf16, bf16, f32>;

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::conv.id && K.variant == 0)
struct kernel<K, native_kernels<I>>
    : detail::forward_conv_kernel<detail::isa_of_product<I, K.multiplies>, detail::operand_of<K>,
                                  element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::conv.id && K.variant == 1)
struct kernel<K, native_kernels<I>>
    : detail::pair_kernel<detail::isa_of_product<I, K.multiplies>, detail::operand_of<K>,
                          element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::deconv.id)
struct kernel<K, native_kernels<I>>
    : detail::deconv_kernel<detail::isa_of_product<I, K.multiplies>, detail::operand_of<K>,
                            element_of<K.writes>> {};

} // namespace graph
IA_NN_END
