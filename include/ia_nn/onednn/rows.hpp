// SPDX-License-Identifier: Apache-2.0
//
// Softmax and its logarithm, layer norm, local response normalisation: over the channels of each row.
#pragma once

#include <ia_nn/onednn/kernel.hpp>

#include <ia_nn/begin.hpp>
namespace via_onednn {

/// Of f32, rows in and rows out.
struct rows_maker {
  static constexpr bool may_sum = false, element_wise = false;
  kernel_loader const& l;

  shape_of_value result(value_type t, index_t items) const {
    return shape_of_value::rows(l.layer.shape, t, items);
  }
  void attributes(dnnl::primitive_attr&) const {}

protected:
  memory::desc source(index_t items) const {
    return shape_of_value::rows(l.source, value_type::f32, items).as(data_type::f32);
  }
  template <class D> void bind_source(D const& d, std::vector<argument>& to) const {
    index_t const bytes = shape_of_value::bytes_of_item(l.source, value_type::f32);
    to.push_back({DNNL_ARG_SRC, d.src_desc(), {found::source, 0, 0, bytes}});
  }
};

struct softmax_maker : rows_maker {
  auto describe(index_t items, dnnl::primitive_attr const& with, memory::desc const& to) const {
    algorithm const how = l.layer.kind == graph::op::softmax ? algorithm::softmax_accurate
                                                             : algorithm::softmax_log;
    return via_onednn::describe<any_softmax>(with, inference, how, source(items), to, 1);
  }
  template <class D> void bind(index_t, D const& d, std::vector<argument>& to) const { bind_source(d, to); }
};
inline std::unique_ptr<program> make_softmax(kernel_loader& l) {
  softmax_maker maker{{l}};
  return one_primitive<any_softmax>(l, maker);
}

struct layer_norm_maker : rows_maker {
  using primitive = dnnl::layer_normalization_forward;
  memory scale{}, shift{};
  dnnl::normalization_flags flags = dnnl::normalization_flags::none;

  void prepare() {
    graph::detail::affine_weights_of const a(l);
    memory::desc const each({l.source.last()}, data_type::f32, tag::x);
    if (!a.scale.empty()) scale = plain(each, a.scale), flags |= dnnl::normalization_flags::use_scale;
    if (!a.shift.empty()) shift = plain(each, a.shift), flags |= dnnl::normalization_flags::use_shift;
  }
  auto describe(index_t items, dnnl::primitive_attr const& with, memory::desc const&) const {
    return describe_same<primitive>(with, source(items), l.layer.attributes.epsilon, flags);
  }
  template <class D> void bind(index_t, D const& d, std::vector<argument>& to) const {
    bind_source(d, to);
    if (scale) to.push_back({DNNL_ARG_SCALE, scale.get_desc(), {}, scale});
    if (shift) to.push_back({DNNL_ARG_SHIFT, shift.get_desc(), {}, shift});
  }
};
inline std::unique_ptr<program> make_layer_norm(kernel_loader& l) {
  layer_norm_maker maker{{l}};
  maker.prepare();
  return one_primitive<layer_norm_maker::primitive>(l, maker);
}

/// Of images; a window of an even number of channels is this library's.
struct lrn_maker {
  static constexpr bool may_sum = false, element_wise = false;
  using primitive = dnnl::lrn_forward;
  kernel_loader const& l;
  bool deep = l.source.rank == 5;

  shape_of_value result(value_type t, index_t items) const {
    return shape_of_value::image(l.layer.shape, t, items, deep);
  }
  void attributes(dnnl::primitive_attr&) const {}
  auto describe(index_t, dnnl::primitive_attr const& with, memory::desc const& data) const {
    graph::attribute_set const& a = l.layer.attributes;
    return describe_same_by<primitive>(with, algorithm::lrn_across_channels, data, a.neighbours, a.alpha,
                                       a.beta, a.offset);
  }
  template <class D> void bind(index_t items, D const& d, std::vector<argument>& to) const {
    index_t const bytes = shape_of_value::image(l.source, value_type::f32, items, deep).item_bytes;
    to.push_back({DNNL_ARG_SRC, d.src_desc(), {found::source, 0, 0, bytes}});
  }
};
inline std::unique_ptr<program> make_lrn(kernel_loader& l) {
  if (l.layer.attributes.neighbours % 2 == 0 || l.source.rank < 3) return nullptr;
  lrn_maker maker{l};
  return one_primitive<lrn_maker::primitive>(l, maker);
}

} // namespace via_onednn

namespace graph {

template <kernel_id K, isa::tag I>
  requires(K.op == op::softmax.id || K.op == op::log_softmax.id)
struct kernel<K, onednn_kernels<I>> : via_onednn::kernel_or_native<K, I, &via_onednn::make_softmax> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::layer_norm.id)
struct kernel<K, onednn_kernels<I>> : via_onednn::kernel_or_native<K, I, &via_onednn::make_layer_norm> {};
template <kernel_id K, isa::tag I>
  requires(K.op == op::lrn.id)
struct kernel<K, onednn_kernels<I>> : via_onednn::kernel_or_native<K, I, &via_onednn::make_lrn> {};

} // namespace graph
IA_NN_END
