// SPDX-License-Identifier: Apache-2.0
//
// Convolutions, transposed ones, and pairs of a depthwise convolution and the 1x1 behind it.
#pragma once

#include <ia_nn/graph/kernels/requantize.hpp>
#include <ia_nn/graph/layers/conv.hpp>
#include <ia_nn/int8/dynamic_conv.hpp>
#include <ia_nn/ops/conv.hpp>
#include <ia_nn/ops/conv_separable.hpp>
#include <ia_nn/ops/deconv.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

inline std::vector<f32> filters_of(kernel_loader const& l) {
  index_t const groups = l.layer.attributes.groups;
  index_t const read = l.plan.nodes[l.layer.inputs[0]].shape.last();
  return in_order(l.read(".weight"), channels_made(l),
                  groups == 1 ? channels_read(l) : channels_counted(read / groups));
}
inline conv_shape conv_shape_of(kernel_loader const& l) {
  attribute_set const& a = l.layer.attributes;
  return {l.source.last(), a.filters, a.groups, image_of(l.source), a.win};
}

/// The zero point is that of bytes, 0 of others.
inline conv_options conv_options_of(kernel_loader const& l) {
  bool const planes = l.layer.attributes.reads == order::channels_first;
  return {.max_batch = l.max_batch,
          .workers = l.workers,
          .zero_point = l.source_scaling().zero_point,
          .src_order = planes ? image_order::channels_first : image_order::channels_last};
}

/// Layer: conv or deconv, from A to C. Padding of bytes is their zero point: it counts as 0, also where
/// the phases of a transposed convolution end (ops/deconv.hpp).
template <class Layer, element A, element C, class Channels = channel_affine>
struct conv_kernel : tail_kernel {
  struct store {
    Layer layer;
    Channels channels;
  };
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    s.layer.run(c.batch(), c.source<A>(), c.result<C>(), c.ld(),
                s.channels.then(tail), c.scratch, e);
  }
};

template <isa::tag I, element A, element C>
struct forward_conv_kernel : conv_kernel<conv<I, A, A, C>, A, C> {
  using store = typename conv_kernel<conv<I, A, A, C>, A, C>::store;
  static store load(kernel_loader& l) {
    store s{{conv_shape_of(l), filters_of(l), conv_options_of(l)},
            {l, l.what().batch_norm, l.layer.attributes.filters}};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
};

inline deconv_shape deconv_shape_of(kernel_loader const& l) {
  attribute_set const& a = l.layer.attributes;
  return {l.source.last(), a.filters, a.groups, image_of(l.source), a.win, a.output_padding};
}
/// Weights (channels, filters of a group, window).
inline std::vector<f32> transposed_filters_of(kernel_loader const& l) {
  attribute_set const& a = l.layer.attributes;
  return in_order(l.read(".weight"), channels_read(l),
                  a.groups == 1 ? channels_made(l) : channels_counted(a.filters / a.groups));
}
/// With all that a filter multiplies side by side, (filters, channels of a group, window), or back.
template <class W> std::vector<W> filters_first(deconv_shape const& s, W const* from, bool back = false) {
  index_t const taps = s.win.kernel.size(), channels = s.channels / s.groups,
                filters = s.filters / s.groups;
  std::vector<W> to(static_cast<std::size_t>(s.weights()));
  for (index_t g = 0; g < s.groups; ++g)
    for (index_t f = 0; f < filters; ++f)
      for (index_t c = 0; c < channels; ++c)
        for (index_t t = 0; t < taps; ++t) {
          index_t const apart = ((g * channels + c) * filters + f) * taps + t,
                        beside = ((g * filters + f) * channels + c) * taps + t;
          to[static_cast<std::size_t>(back ? apart : beside)] = from[back ? beside : apart];
        }
  return to;
}

template <isa::tag I, element A, element C>
struct deconv_kernel : conv_kernel<deconv<I, A, A, C>, A, C> {
  using store = typename conv_kernel<deconv<I, A, A, C>, A, C>::store;
  static store load(kernel_loader& l) {
    store s{{deconv_shape_of(l), transposed_filters_of(l), conv_options_of(l)},
            {l, l.what().batch_norm, l.layer.attributes.filters}};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
};

/// What is between the two has the type that they multiply. The layer of the step is the 1x1; its
/// source has as many channels as that of the depthwise layer.
template <isa::tag I, element A, element C> struct pair_kernel : tail_kernel {
  struct store {
    separable_conv<I, A, A, C, A> layer;
    channel_affine channels, between; ///< of the 1x1, of the depthwise layer
  };
  static store load(kernel_loader& l) {
    depthwise_part const& first = l.what().depthwise;
    kernel_loader const depthwise = l.of(first.node);
    index_t const filters = l.layer.attributes.filters;
    store s{{conv_shape_of(depthwise), filters, filters_of(depthwise), filters_of(l),
             {.max_batch = l.max_batch, .workers = l.workers}},
            {l, l.what().batch_norm, filters},
            {depthwise, first.batch_norm, depthwise.layer.attributes.filters}};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    using clip = graph::tail<clip_code>;
    stage_data const between = data_of(c.what().depthwise.between);
    s.layer.run(c.batch(), c.source<A>(), c.result<C>(), c.ld(),
                s.between.then(clip(&between, 1)),
                s.channels.then(tail), c.scratch, e);
  }
};

/// From bytes, by 8-bit weights, to bytes or floating-point numbers.
template <isa::tag I, byte_element A, element C>
struct quantized_conv_kernel : conv_kernel<conv<I, A, s8, C>, A, C, quantized_channels<C>> {
  using store = typename conv_kernel<conv<I, A, s8, C>, A, C, quantized_channels<C>>::store;
  static store load(kernel_loader& l) {
    quantized_weights const w = bytes_of<A>(l, filters_of(l), l.layer.attributes.filters);
    store s{{conv_shape_of(l), all_of(w.values), conv_options_of(l)}, {l, w}};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
};

template <isa::tag I, byte_element A, element C>
struct quantized_deconv_kernel : conv_kernel<deconv<I, A, s8, C>, A, C, quantized_channels<C>> {
  using store = typename conv_kernel<deconv<I, A, s8, C>, A, C, quantized_channels<C>>::store;
  static store load(kernel_loader& l) {
    deconv_shape const shape = deconv_shape_of(l);
    quantized_weights const w =
        bytes_of<A>(l, filters_first(shape, transposed_filters_of(l).data()), shape.filters);
    store s{{shape, filters_first(shape, w.values.data(), true), conv_options_of(l)}, {l, w}};
    l.scratch = s.layer.workspace_bytes();
    return s;
  }
};

/// From f32 to f32 by bytes, each item with a scale of its own. Layer: int8/dynamic_conv.hpp.
template <class Layer, class C, bool Transposed> struct dynamic_conv_kernel : tail_kernel {
  using store = Layer;
  static store load(kernel_loader& l) {
    store s = loaded(l);
    l.scratch = s.workspace_bytes();
    return s;
  }
  template <class Tail, class E>
  static void run(store const& s, step_call const& c, Tail const& tail, E& e) noexcept {
    s.run(c.batch(), c.source(), c.result<C>(), c.ld(), tail, c.scratch, e);
  }

private:
  static store loaded(kernel_loader const& l) {
    index_t const filters = l.layer.attributes.filters;
    auto const layer = [&](auto const& shape, dynamic_weights const& w, std::span<s8 const> values) {
      return store(shape, values, all_of(w.channels.scale), all_of(w.channels.offset),
                   conv_options_of(l));
    };
    if constexpr (Transposed) {
      deconv_shape const s = deconv_shape_of(l);
      dynamic_weights const w(l, filters_first(s, transposed_filters_of(l).data()), filters);
      std::vector<s8> const values = filters_first(s, w.bytes.values.data(), true);
      return layer(s, w, values);
    } else {
      dynamic_weights const w(l, filters_of(l), filters);
      return layer(conv_shape_of(l), w, all_of(w.bytes.values));
    }
  }
};

template <kernel_id K> using operand_of = std::conditional_t<K.multiplies == precision::bf16, bf16, f32>;

} // namespace detail

template <kernel_id K, isa::tag I>
  requires(K.op == op::conv.id && K.variant == 0 && K.multiplies == precision::s8)
struct kernel<K, native_kernels<I>>
    : detail::quantized_conv_kernel<detail::isa_of_product<I, K.multiplies>, element_of<K.reads>,
                                    element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::conv.id && K.variant == 0 && !has_byte_products(K.multiplies))
struct kernel<K, native_kernels<I>>
    : detail::forward_conv_kernel<detail::isa_of_product<I, K.multiplies>, detail::operand_of<K>,
                                  element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::conv.id && K.variant == 1)
struct kernel<K, native_kernels<I>>
    : detail::pair_kernel<detail::isa_of_product<I, K.multiplies>, detail::operand_of<K>,
                          element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::deconv.id && K.multiplies == precision::s8)
struct kernel<K, native_kernels<I>>
    : detail::quantized_deconv_kernel<detail::isa_of_product<I, K.multiplies>, element_of<K.reads>,
                                      element_of<K.writes>> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::deconv.id && !has_byte_products(K.multiplies))
struct kernel<K, native_kernels<I>>
    : detail::deconv_kernel<detail::isa_of_product<I, K.multiplies>, detail::operand_of<K>,
                            element_of<K.writes>> {};

template <kernel_id K, isa::tag I>
  requires((K.op == op::conv.id || K.op == op::deconv.id) && K.variant == 0 &&
           K.multiplies == precision::dynamic_s8)
struct kernel<K, native_kernels<I>>
    : detail::dynamic_conv_kernel<
          std::conditional_t<
              K.op == op::conv.id,
              dynamic_conv<detail::isa_of_product<I, K.multiplies>, element_of<K.writes>>,
              dynamic_deconv<detail::isa_of_product<I, K.multiplies>, element_of<K.writes>>>,
          element_of<K.writes>, K.op == op::deconv.id> {};

} // namespace graph
IA_NN_END
