// SPDX-License-Identifier: Apache-2.0
//
// Chains of element-wise operations without a kernel in front. The first stage is a primitive, what
// follows it its post-ops:
//
//   function      eltwise
//   batch norm    batch normalization of mean 0 and variance 1: its factors and offsets are known
//   operand       binary, of two values of one shape and type
//
// What converts types is this library's.
#pragma once

#include <ia_nn/onednn/kernel.hpp>

#include <ia_nn/begin.hpp>
namespace via_onednn {

template <value_type Stored> struct chain_maker {
  static constexpr bool may_sum = false, element_wise = true;
  kernel_loader const& l;

  shape_of_value result(value_type t, index_t items) const {
    graph::dims const& s = l.plan.nodes[l.what().out].shape;
    return shape_of_value::rows(s, t, items);
  }
  void attributes(dnnl::primitive_attr&) const {}

protected:
  /// One type throughout: not f32 for a tail that is not all there.
  static bool fits(memory::desc const& to) { return via_onednn::type_of(to) == via_onednn::type_of(Stored); }
  place source() const {
    graph::dims const& s = l.plan.nodes[l.what().out].shape;
    return {found::source, 0, 0, shape_of_value::bytes_of_item(s, Stored)};
  }
};

template <value_type Stored> struct function_maker : chain_maker<Stored> {
  using primitive = dnnl::eltwise_forward;
  dnnl::post_ops first{}; ///< the function, as it would be a post-op

  auto describe(index_t, dnnl::primitive_attr const& with, memory::desc const& data) const {
    algorithm how = algorithm::undef;
    float alpha = 0, beta = 0;
#if DNNL_VERSION_MAJOR >= 3
    first.get_params_eltwise(0, how, alpha, beta);
#else
    float scale = 1;
    first.get_params_eltwise(0, scale, how, alpha, beta);
#endif
    auto d = describe_same_by<primitive>(with, how, data, alpha, beta);
    if (!this->fits(data)) d.reset();
    return d;
  }
  template <class D> void bind(index_t, D const& d, std::vector<argument>& to) const {
    to.push_back({DNNL_ARG_SRC, d.src_desc(), this->source()});
  }
};

template <value_type Stored> struct batch_norm_maker : chain_maker<Stored> {
  using primitive = dnnl::batch_normalization_forward;
  memory mean{}, variance{};

  void prepare() {
    auto const n = static_cast<std::size_t>(this->l.plan.nodes[this->l.what().out].shape.last());
    memory::desc const each({static_cast<index_t>(n)}, data_type::f32, tag::x);
    mean = plain(each, std::vector<f32>(n, 0.0F)), variance = plain(each, std::vector<f32>(n, 1.0F));
  }
  auto describe(index_t, dnnl::primitive_attr const& with, memory::desc const& data) const {
    using flag = dnnl::normalization_flags;
    auto d = describe_same<primitive>(with, data, 0.0F,
                                      flag::use_global_stats | flag::use_scale | flag::use_shift);
    if (!this->fits(data)) d.reset();
    return d;
  }
  template <class D> void bind(index_t, D const& d, std::vector<argument>& to) const {
    to.push_back({DNNL_ARG_SRC, d.src_desc(), this->source()});
    to.push_back({DNNL_ARG_MEAN, mean.get_desc(), {}, mean});
    to.push_back({DNNL_ARG_VARIANCE, variance.get_desc(), {}, variance});
    to.push_back({DNNL_ARG_SCALE, mean.get_desc(), {found::factors}});
    to.push_back({DNNL_ARG_SHIFT, mean.get_desc(), {found::offsets}});
  }
};

template <value_type Stored> struct binary_maker : chain_maker<Stored> {
  using primitive = dnnl::binary;
  algorithm how;
  bool every_row, swapped; ///< the operand is of the channels; it comes first

  auto describe(index_t items, dnnl::primitive_attr const& with, memory::desc const& to) const {
    memory::desc const data = this->result(Stored, items).as(via_onednn::type_of(Stored)), other = every_row ? this->result(Stored, items).channels(data_type::f32) : data;
    return swapped ? via_onednn::describe<primitive>(with, how, other, data, to)
                   : via_onednn::describe<primitive>(with, how, data, other, to);
  }
  template <class D> void bind(index_t, D const& d, std::vector<argument>& to) const {
    place other{found::operand};
    if (!every_row) other.item_bytes = this->source().item_bytes;
    to.push_back({DNNL_ARG_SRC_0, d.src0_desc(), swapped ? other : this->source()});
    to.push_back({DNNL_ARG_SRC_1, d.src1_desc(), swapped ? this->source() : other});
  }
};

template <value_type Stored> std::unique_ptr<program> make_chain(kernel_loader& l) {
  if (l.what().stages.count == 0) return nullptr; // copies
  graph::detail::stage_data const s = stage_of(l, 0);
  index_t const columns = l.plan.nodes[l.what().out].shape.last();
  if (s.kind == stage_kind::function) {
    function_maker<Stored> maker{{l}};
    // One post-op is one primitive.
    if (!append_stage_function(maker.first, s) || maker.first.len() != 1) return nullptr;
    return one_primitive<dnnl::eltwise_forward>(l, maker, 1);
  }
  if (s.kind == stage_kind::batch_norm) {
    batch_norm_maker<Stored> maker{{l}};
    maker.prepare();
    return one_primitive<dnnl::batch_normalization_forward>(l, maker, 1);
  }
  bool const reversed = s.kind == stage_kind::subtract_from || s.kind == stage_kind::divide_from;
  auto const how = s.kind == stage_kind::subtract_from ? algorithm::binary_sub
                   : s.kind == stage_kind::divide_from ? algorithm::binary_div
                                                       : binary_of(s.kind).value_or(algorithm::undef);
  graph::spread const spread = l.what().stages[0].how;
  bool const every_row = spread == graph::spread::every_row;
  if (how == algorithm::undef || (every_row && reversed)) return nullptr;
  if (!every_row && (spread != graph::spread::none || s.type != Stored || s.ld != columns)) return nullptr;
  binary_maker<Stored> maker{{l}, how, every_row, reversed};
  return one_primitive<dnnl::binary>(l, maker, 1);
}

} // namespace via_onednn

namespace graph {

template <kernel_id K, isa::tag I>
  requires(K.op == op::activation.id && K.reads == K.writes && !is_quantized(K.reads))
struct kernel<K, onednn_kernels<I>>
    : via_onednn::kernel_or_native<K, I, &via_onednn::make_chain<K.reads>> {};

} // namespace graph
IA_NN_END
