// SPDX-License-Identifier: Apache-2.0
//
// Pools. Windows that divide an image evenly are strides; where they do not, and where the divisor of an
// average counts padding that is not there (ceil_mode), this library's kernel computes it.
#pragma once

#include <ia_nn/onednn/kernel.hpp>

#include <ia_nn/begin.hpp>
namespace via_onednn {

struct pool_maker {
  static constexpr bool may_sum = false, element_wise = false;
  kernel_loader const& l;
  value_type stored = l.plan.type(l.what().out);
  bool deep = l.source.rank == 5;
  algorithm how = algorithm::pooling_max;
  memory::dims kernel{}, stride{}, dilation{}, begin{}, end{};
  bool dilated = false;

  /// False if oneDNN cannot do this.
  bool prepare() {
    graph::attribute_set const& a = l.layer.attributes;
    spatial const in = graph::detail::image_of(l.source), out = graph::detail::image_of(l.layer.shape);
    bool const average = l.layer.kind == graph::op::average_pool;
    if (average) how = a.count_padding ? algorithm::pooling_avg_include_padding
                                       : algorithm::pooling_avg_exclude_padding;
    for (int axis = deep ? 0 : 1; axis < 3; ++axis) {
      if (a.adaptive) {
        if (in[axis] % out[axis] != 0) return false;
        index_t const each = in[axis] / out[axis];
        kernel.push_back(each), stride.push_back(each), dilation.push_back(0);
        begin.push_back(0), end.push_back(0);
        continue;
      }
      index_t const last = (out[axis] - 1) * a.win.stride[axis] + a.win.reach(axis) - in[axis] -
                           a.win.pad_begin[axis]; // what the last window needs behind the image
      if (average && a.count_padding && last > a.win.pad_end[axis]) return false;
      // oneDNN pads with the byte 0, which stands for less than 0 here.
      bool const pads = a.win.pad_begin[axis] > 0 || last > 0;
      if (average && a.count_padding && pads && l.result_scaling().zero_point != 0) return false;
      kernel.push_back(a.win.kernel[axis]);
      stride.push_back(a.win.stride[axis]);
      dilation.push_back(a.win.dilation[axis] - 1);
      dilated = dilated || a.win.dilation[axis] > 1;
      begin.push_back(a.win.pad_begin[axis]);
      end.push_back(last);
    }
    return true;
  }
  shape_of_value result(value_type t, index_t items) const {
    return shape_of_value::image(l.layer.shape, t, items, deep);
  }
  void attributes(dnnl::primitive_attr&) const {}
  template <class Primitive>
  auto describe_as(index_t items, dnnl::primitive_attr const& with, memory::desc const& to) const {
    memory::desc const src = source(items).as(type_of(stored));
    if constexpr (std::same_as<Primitive, dilated_pool>)
      return via_onednn::describe<dilated_pool>(with, inference, how, src, to, stride, kernel, dilation,
                                                begin, end);
    else return describe_pool(with, how, src, to, stride, kernel, begin, end);
  }
  template <class D> void bind(index_t items, D const& d, std::vector<argument>& to) {
    to.push_back({DNNL_ARG_SRC, d.src_desc(), {found::source, 0, 0, source(items).item_bytes}});
  }

private:
  shape_of_value source(index_t items) const {
    return shape_of_value::image(l.source, stored, items, deep);
  }
};
template <class Primitive> struct pool_maker_of : pool_maker {
  auto describe(index_t items, dnnl::primitive_attr const& with, memory::desc const& to) const {
    return describe_as<Primitive>(items, with, to);
  }
};

inline std::unique_ptr<program> make_pool(kernel_loader& l) {
  pool_maker const m = [&] {
    pool_maker p{l};
    if (!p.prepare()) p.kernel.clear();
    return p;
  }();
  if (m.kernel.empty()) return nullptr;
  if (m.dilated) {
    pool_maker_of<dilated_pool> maker{m};
    return one_primitive<dilated_pool>(l, maker);
  }
  pool_maker_of<plain_pool> maker{m};
  return one_primitive<plain_pool>(l, maker);
}

} // namespace via_onednn

namespace graph {

template <kernel_id K, isa::tag I>
  requires(K.op == op::max_pool.id || K.op == op::average_pool.id)
struct kernel<K, onednn_kernels<I>> : via_onednn::kernel_or_native<K, I, &via_onednn::make_pool> {};

} // namespace graph
IA_NN_END
