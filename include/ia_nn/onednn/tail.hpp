// SPDX-License-Identifier: Apache-2.0
//
// The stages of a step as post-ops: what oneDNN computes before it stores. The first stages that have
// a post-op are fused; the rest is one pass of native code (onednn/kernel.hpp).
//
//   function            eltwise: relu, leaky relu, clip, elu, sigmoid, tanh, gelu, swish, ...
//   + operand           sum, once: the operand is copied to the result first, if it is not there; or
//                       binary
//   - * / min max       binary, with a value of the same shape or one element for each channel
//   batch norm          binary multiplication and addition, for each channel
//   to bytes            a linear function: 1 / scale, zero point; oneDNN rounds and saturates
//
// Not there: selu, celu, softsign; operands of one element for each row or item; operand / v.
#pragma once

#include <ia_nn/graph/kernels/requantize.hpp>
#include <ia_nn/onednn/program.hpp>

#include <ia_nn/begin.hpp>
namespace via_onednn {

using graph::function, graph::stage_kind;
using dnnl::algorithm;

struct fused_tail {
  dnnl::post_ops ops{};
  std::vector<argument> operands{};
  std::optional<int> copied{}; ///< the stage whose operand the result holds beforehand
};

/// A stage of the step that is loaded, in the units of its tail.
inline graph::detail::stage_data stage_of(kernel_loader const& l, int number) {
  graph::step const& t = l.what();
  graph::stage const& g = t.stages[number];
  bool const keeps = graph::detail::stages_keep_units(l.plan.nodes, t);
  f32 const unit = keeps ? l.result_scaling().scale : 1.0F;
  graph::detail::stage_data d = graph::detail::data_of(g);
  if (g.operand >= 0) {
    quantization const q = l.scaling(g.operand);
    d.operand_scale = q.scale, d.operand_zero = static_cast<f32>(q.zero_point);
    d.type = l.plan.type(g.operand);
    d.ld = l.plan.places[g.operand].ld;
  }
  return graph::detail::in_units(d, unit);
}

/// False if there is no post-op.
inline bool append_stage_function(dnnl::post_ops& to, graph::detail::stage_data const& s) {
  constexpr f32 infinity = __builtin_inff();
  auto const add = [&](algorithm how, float a = 0, float b = 0) {
    append_function(to, how, a, b);
    return true;
  };
  switch (s.act) {
  case function::identity:
    return true;
  case function::relu:
    return add(algorithm::eltwise_relu);
  case function::clip:
    if (s.a == -infinity && s.b == infinity) return true;
    if (s.a == 0 && s.b == infinity) return add(algorithm::eltwise_relu);
    return s.a <= s.b && add(algorithm::eltwise_clip, s.a, s.b);
  case function::leaky_relu:
    return add(algorithm::eltwise_relu, s.a);
  case function::elu:
    return add(algorithm::eltwise_elu, s.a);
  case function::sigmoid:
    return add(algorithm::eltwise_logistic);
  case function::hard_sigmoid:
    return add(algorithm::eltwise_linear, s.a, s.b) && add(algorithm::eltwise_clip, 0, 1);
  case function::tanh:
    return add(algorithm::eltwise_tanh);
  case function::softplus:
    return add(algorithm::eltwise_soft_relu, is_v3 ? 1.0F : 0.0F);
  case function::gelu:
    return add(algorithm::eltwise_gelu_erf);
  case function::gelu_tanh:
    return add(algorithm::eltwise_gelu_tanh);
  case function::swish:
    return add(algorithm::eltwise_swish, s.a);
  case function::hard_swish:
    append_hard_swish(to);
    return true;
  case function::mish:
    return add(algorithm::eltwise_mish);
  case function::square:
    return add(algorithm::eltwise_square);
  case function::sqrt:
    return add(algorithm::eltwise_sqrt);
  case function::abs:
    return add(algorithm::eltwise_abs);
  case function::exp:
    return add(algorithm::eltwise_exp);
  case function::log:
    return add(algorithm::eltwise_log);
  case function::linear:
    return add(algorithm::eltwise_linear, s.a, s.b);
  case function::selu:
  case function::celu:
  case function::softsign:
    break;
  }
  return false;
}

inline std::optional<algorithm> binary_of(stage_kind k) {
  switch (k) {
  case stage_kind::add:
  case stage_kind::subtract_from:
    return algorithm::binary_add;
  case stage_kind::subtract:
    return algorithm::binary_sub;
  case stage_kind::multiply:
    return algorithm::binary_mul;
  case stage_kind::divide:
    return algorithm::binary_div;
  case stage_kind::minimum:
    return algorithm::binary_min;
  case stage_kind::maximum:
    return algorithm::binary_max;
  default:
    return {};
  }
}

/// Appends post-ops for stage `number`. to: the result. may_sum: a post-op may add to what it holds.
/// False if there are none.
inline bool append_stage(fused_tail& t, kernel_loader const& l, int number, shape_of_value const& to,
                         graph::value_type written, bool may_sum) {
  graph::detail::stage_data const s = stage_of(l, number);
  if (s.kind == stage_kind::function) return append_stage_function(t.ops, s);
  auto const binary = [&](algorithm how, memory::desc const& d, place const& at) {
    t.operands.push_back({DNNL_ARG_ATTR_MULTIPLE_POST_OP(t.ops.len()) | DNNL_ARG_SRC_1, d, at});
    t.ops.append_binary(how, d);
  };
  if (s.kind == stage_kind::batch_norm) {
    memory::desc const d = to.channels(data_type::f32);
    binary(algorithm::binary_mul, d, {found::factors, number});
    binary(algorithm::binary_add, d, {found::offsets, number});
    return true;
  }
  graph::spread const how = l.what().stages[number].how;
  auto const kind = binary_of(s.kind);
  if (!kind) return false;
  if (how == graph::spread::none) {
    bool const fits = graph::size_of(s.type) == graph::size_of(written) && (s.type == written || graph::is_quantized(s.type));
    if (s.kind == stage_kind::add && fits && may_sum && !t.copied) {
      t.copied = number;
      t.ops.append_sum(s.operand_scale, static_cast<std::int32_t>(s.operand_zero), type_of(s.type));
      return true;
    }
    if (graph::is_quantized(s.type) || s.ld != to.dims[1]) return false;
    if (s.kind == stage_kind::subtract_from) append_function(t.ops, algorithm::eltwise_linear, -1, 0);
    binary(*kind, to.as(type_of(s.type)), {found::operand, number, 0, to.dims.empty() ? 0 : shape_of_value::bytes_of_item(l.plan.nodes[l.what().stages[number].operand].shape, s.type)});
    return true;
  }
  if (how == graph::spread::every_row && !graph::is_quantized(s.type)) {
    if (s.kind == stage_kind::subtract_from) append_function(t.ops, algorithm::eltwise_linear, -1, 0);
    binary(*kind, to.channels(data_type::f32), {found::operand, number});
    return true;
  }
  return false;
}

/// The first `count` stages from `first` on, and where these are all, what makes bytes of the result.
/// Nothing if one has no post-op.
inline std::optional<fused_tail> fuse(kernel_loader const& l, int first, int count, shape_of_value const& to,
                                      graph::value_type written, bool may_sum) {
  fused_tail t;
  for (int i = first; i < first + count; ++i)
    if (!append_stage(t, l, i, to, written, may_sum)) return {};
  if (graph::is_quantized(written) && first + count == l.what().stages.count) {
    // Pools give bytes that mean what those of their source mean.
    if (l.layer.kind == graph::op::max_pool || l.layer.kind == graph::op::average_pool) return t;
    quantization const q = l.result_scaling();
    bool const keeps = graph::detail::stages_keep_units(l.plan.nodes, l.what());
    float const factor = keeps ? 1.0F : 1.0F / q.scale;
    if (factor != 1 || q.zero_point != 0)
      append_function(t.ops, algorithm::eltwise_linear, factor, static_cast<float>(q.zero_point));
  }
  return t;
}

} // namespace via_onednn
IA_NN_END
