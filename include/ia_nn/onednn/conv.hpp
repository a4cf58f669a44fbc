// SPDX-License-Identifier: Apache-2.0
//
// Convolutions, transposed ones and dense layers.
//
//   weights   (groups, filters, channels, window) as the network's source has them, multiplied by the
//             batch norm's factor where they are not bytes; in the layout that the primitive asks for
//   bias      that of the layer and of the batch norm
//   bytes     sums by a scale for each filter. The zero point of the source goes into the bias where
//             nothing is padded, else oneDNN subtracts it
#pragma once

#include <ia_nn/onednn/kernel.hpp>

#include <ia_nn/begin.hpp>
namespace via_onednn {

/// Weights and what follows sums, as primitives take them.
struct product_weights {
  memory::dims dims{};
  weight_layouts layouts{memory()};
  std::optional<byte_attributes> bytes{};
  memory bias{}, scales{}, zero_point{};

  /// w (filters, all that a filter multiplies), of f32.
  void set_floats(kernel_loader const& l, std::vector<f32> w, tag order) {
    index_t const filters = l.plan.nodes[l.what().anchor].shape.last(),
                  each = std::ssize(w) / filters;
    graph::detail::channel_affine const c(l, l.what().batch_norm, filters);
    for (index_t f = 0; f < filters; ++f)
      for (index_t i = 0; i < each; ++i) w[static_cast<std::size_t>(f * each + i)] *= c.scale[f];
    layouts = weight_layouts(plain({dims, data_type::f32, order}, w));
    bias = plain({{filters}, data_type::f32, tag::x}, std::vector<f32>(c.offset.data(), c.offset.data() + filters));
  }
  /// False if oneDNN cannot do this.
  template <element C>
  bool set_bytes(kernel_loader const& l, quantized_weights const& w, tag order, bool groups, bool pads) {
    index_t const filters = w.filters, each = w.values.size() / filters;
    graph::detail::quantized_channels<C> const c(l, w);
    byte_attributes b;
    b.groups = groups;
    s32 const zero = l.source_scaling().zero_point;
    b.zero_point = pads ? zero : 0;
    for (index_t f = 0; f < filters; ++f) {
      double const scale = static_cast<double>(c.channels.scale[f]);
      double sum = 0;
      for (index_t i = 0; i < each; ++i) sum += static_cast<double>(w.values[f * each + i]);
      b.scales.push_back(c.channels.scale[f]);
      b.offsets.push_back(static_cast<f32>(static_cast<double>(c.channels.offset[f]) -
                                           (pads ? 0.0 : scale * sum * static_cast<double>(zero))));
    }
    if (!b.usable()) return false;
    layouts = weight_layouts(plain({dims, data_type::s8, order}, std::vector<s8>(w.values.data(), w.values.data() + w.values.size())));
    bias = plain({{filters}, data_type::f32, tag::x}, b.bias());
    if constexpr (is_v3) {
      scales = plain({{filters}, data_type::f32, tag::x}, b.scales);
      if (b.zero_point != 0) zero_point = plain({{1}, data_type::s32, tag::x}, std::vector<s32>{b.zero_point});
    }
    bytes = std::move(b);
    return true;
  }
  template <class Description> void bind(Description const& d, std::vector<argument>& to) {
    to.push_back({DNNL_ARG_WEIGHTS, d.weights_desc(), {}, layouts.in(d.weights_desc())});
    to.push_back({DNNL_ARG_BIAS, d.bias_desc(), {}, bias});
    if (!is_v3 || !bytes) return;
    to.push_back({scales_of_weights, scales.get_desc(), {}, scales});
    if (bytes->zero_point != 0)
      to.push_back({DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, zero_point.get_desc(), {}, zero_point});
  }
};

/// What both kinds of convolution say to oneDNN. Primitive: convolution_forward or deconvolution_forward.
template <class Primitive, kernel_id K> struct conv_maker {
  static constexpr bool transposed = K.op == graph::op::deconv.id, may_sum = true, element_wise = false;
  static constexpr algorithm how =
      transposed ? algorithm::deconvolution_direct : algorithm::convolution_direct;
  using read = graph::element_of<K.reads>;

  kernel_loader const& l;
  graph::attribute_set const& a = l.layer.attributes;
  bool deep = l.source.rank == 5;
  product_weights weights{};
  memory::dims stride{}, dilation{}, begin{}, end{};

  /// False if oneDNN cannot do this.
  bool prepare() {
    bool const groups = a.groups > 1;
    index_t const filters = a.filters / a.groups, channels = l.source.last() / a.groups;
    if (groups) weights.dims.push_back(a.groups);
    weights.dims.insert(weights.dims.end(), {filters, channels});
    for (int axis = deep ? 0 : 1; axis < 3; ++axis) {
      weights.dims.push_back(a.win.kernel[axis]);
      stride.push_back(a.win.stride[axis]);
      dilation.push_back(a.win.dilation[axis] - 1); // zeros between taps
      begin.push_back(a.win.pad_begin[axis]);
      end.push_back(a.win.pad_end[axis] - (transposed ? a.output_padding[axis] : 0));
    }
    tag const order = deep ? (groups ? tag::goidhw : tag::oidhw) : (groups ? tag::goihw : tag::oihw);
    if constexpr (K.multiplies == graph::precision::s8)
      return weights.template set_bytes<graph::element_of<K.writes>>(
          l, graph::detail::bytes_of<read>(l, filters_first(), a.filters), order, groups,
          transposed || a.win.pads());
    else weights.set_floats(l, filters_first(), order);
    return true;
  }
  shape_of_value result(value_type t, index_t items) const {
    return shape_of_value::image(l.layer.shape, t, items, deep);
  }
  shape_of_value source(index_t items) const {
    shape_of_value s = shape_of_value::image(l.source, K.reads, items, deep);
    if (a.reads == graph::order::channels_first) s.last = deep ? tag::ncdhw : tag::nchw;
    return s;
  }
  void attributes(dnnl::primitive_attr& to) const {
    if (weights.bytes) weights.bytes->set(to);
  }
  std::optional<typename Primitive::primitive_desc> describe(index_t items, dnnl::primitive_attr const& with,
                                                             memory::desc const& to) const {
    data_type const of_weights = K.multiplies == graph::precision::s8 ? data_type::s8 : type_of(K.reads);
    memory::desc const src = source(items).as(type_of(K.reads)), w(weights.dims, of_weights, tag::any);
    return via_onednn::describe<Primitive>(with, inference, how, src, w, weights.bias.get_desc(), to, stride,
                                           dilation, begin, end);
  }
  template <class D> void bind(index_t items, D const& d, std::vector<argument>& to) {
    to.push_back({DNNL_ARG_SRC, d.src_desc(), {found::source, 0, 0, source(items).item_bytes}});
    weights.bind(d, to);
  }

private:
  std::vector<f32> filters_first() const {
    if constexpr (transposed)
      return graph::detail::filters_first(graph::detail::deconv_shape_of(l),
                                          graph::detail::transposed_filters_of(l).data());
    else return graph::detail::filters_of(l);
  }
};

template <kernel_id K> std::unique_ptr<program> make_conv(kernel_loader& l) {
  using primitive = std::conditional_t<K.op == graph::op::deconv.id, dnnl::deconvolution_forward,
                                       dnnl::convolution_forward>;
  conv_maker<primitive, K> maker{l};
  if (!maker.prepare()) return nullptr;
  return one_primitive<primitive>(l, maker);
}

template <kernel_id K> struct dense_maker {
  static constexpr bool may_sum = true, element_wise = false;
  using read = graph::element_of<K.reads>;
  using primitive = dnnl::inner_product_forward;
  kernel_loader const& l;
  product_weights weights{};

  bool prepare() {
    index_t const units = l.layer.attributes.units;
    weights.dims = {units, l.source.last()};
    std::vector<f32> w = graph::detail::columns_of(l);
    if constexpr (K.multiplies == graph::precision::s8)
      return weights.template set_bytes<graph::element_of<K.writes>>(
          l, graph::detail::bytes_of<read>(l, w, units), tag::ab, false, false);
    else weights.set_floats(l, std::move(w), tag::ab);
    return true;
  }
  shape_of_value result(value_type t, index_t items) const {
    return shape_of_value::rows(l.layer.shape, t, items);
  }
  void attributes(dnnl::primitive_attr& to) const {
    if (weights.bytes) weights.bytes->set(to);
  }
  std::optional<primitive::primitive_desc> describe(index_t items, dnnl::primitive_attr const& with,
                                                    memory::desc const& to) const {
    data_type const of_weights = K.multiplies == graph::precision::s8 ? data_type::s8 : type_of(K.reads);
    memory::desc const src = shape_of_value::rows(l.source, K.reads, items).as(type_of(K.reads)),
                       w(weights.dims, of_weights, tag::any);
    return via_onednn::describe<primitive>(with, inference, src, w, weights.bias.get_desc(), to);
  }
  template <class D> void bind(index_t items, D const& d, std::vector<argument>& to) {
    to.push_back({DNNL_ARG_SRC, d.src_desc(),
                  {found::source, 0, 0, shape_of_value::rows(l.source, K.reads, items).item_bytes}});
    weights.bind(d, to);
  }
};

template <kernel_id K> std::unique_ptr<program> make_dense(kernel_loader& l) {
  dense_maker<K> maker{l};
  if (!maker.prepare()) return nullptr;
  return one_primitive<typename dense_maker<K>::primitive>(l, maker);
}

constexpr bool has_products(graph::precision p) {
  return p == graph::precision::f32 || p == graph::precision::bf16 || p == graph::precision::s8;
}

} // namespace via_onednn

namespace graph {

template <kernel_id K, isa::tag I>
  requires((K.op == op::conv.id || K.op == op::deconv.id) && K.variant == 0 &&
           via_onednn::has_products(K.multiplies))
struct kernel<K, onednn_kernels<I>> : via_onednn::kernel_or_native<K, I, &via_onednn::make_conv<K>> {};

template <kernel_id K, isa::tag I>
  requires(K.op == op::dense.id && via_onednn::has_products(K.multiplies))
struct kernel<K, onednn_kernels<I>> : via_onednn::kernel_or_native<K, I, &via_onednn::make_dense<K>> {};

} // namespace graph
IA_NN_END
