// SPDX-License-Identifier: Apache-2.0
//
// Stages that are known at run time: a switch for each of them and each register.
#pragma once

#include <ia_nn/graph/kernels/stage.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// The operand of a stage whose type and spread are known at run time.
template <f32_register V, class At>
IA_NN_INLINE V any_operand(stage_data const& s, At const& at) noexcept {
  auto const load = [&](auto const* p) -> V {
    if constexpr (requires { at.item; })
      switch (s.how) {
      case spread::channels:
        return operand_at<V, spread::channels>(p, s.ld, at);
      case spread::rows:
        return operand_at<V, spread::rows>(p, s.ld, at);
      case spread::items:
        return operand_at<V, spread::items>(p, s.ld, at);
      case spread::every_row:
        return operand_at<V, spread::every_row>(p, s.ld, at);
      case spread::every_item:
        return operand_at<V, spread::every_item>(p, s.ld, at);
      default:
        break;
      }
    else if (s.how == spread::every_row) return operand_at<V, spread::every_row>(p, s.ld, at);
    return operand_at<V, spread::none>(p, s.ld, at);
  };
  switch (s.type) {
  case value_type::bf16:
    return load(static_cast<bf16 const*>(s.operand));
  case value_type::u8:
    return load(static_cast<u8 const*>(s.operand)) - V::broadcast(s.operand_zero);
  case value_type::s8:
    return load(static_cast<s8 const*>(s.operand)) - V::broadcast(s.operand_zero);
  default:
    return load(static_cast<f32 const*>(s.operand));
  }
}

/// A stage that is known at run time, on N registers side by side; at(u) is the place of register u.
template <int N, class V, class At>
IA_NN_INLINE void apply_stage_to(stage_data const& s, V (&x)[N], At const& at) noexcept {
  auto const each = [&](auto const& f) {
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u) x[u] = f(x[u], u);
  };
  if (s.kind == stage_kind::function) {
    if (s.act == function::clip) each([&](V v, int) { return clipped(v, s.a, s.b); });
    else each([&](V v, int) { return apply_function(s.act, v, s.a, s.b); });
    return;
  }
  if (s.kind == stage_kind::batch_norm) {
    each([&](V v, int u) {
      return fma(v, at(u).template columns<V>(s.factors), at(u).template columns<V>(s.offsets));
    });
    return;
  }
  V other[N];
  IA_NN_UNROLL
  for (int u = 0; u < N; ++u) other[u] = any_operand<V>(s, at(u));
  if (is_quantized(s.type)) {
    V const scale = V::broadcast(s.operand_scale);
    if (s.kind == stage_kind::add) {
      each([&](V v, int u) { return fma(other[u], scale, v); });
      return;
    }
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u) other[u] = other[u] * scale, other[u].pin();
  }
  switch (s.kind) {
  case stage_kind::add:
    each([&](V v, int u) { return combined<stage_kind::add>(v, other[u]); });
    break;
  case stage_kind::subtract:
    each([&](V v, int u) { return combined<stage_kind::subtract>(v, other[u]); });
    break;
  case stage_kind::subtract_from:
    each([&](V v, int u) { return combined<stage_kind::subtract_from>(v, other[u]); });
    break;
  case stage_kind::multiply:
    each([&](V v, int u) { return combined<stage_kind::multiply>(v, other[u]); });
    break;
  case stage_kind::divide:
    each([&](V v, int u) { return combined<stage_kind::divide>(v, other[u]); });
    break;
  case stage_kind::divide_from:
    each([&](V v, int u) { return combined<stage_kind::divide_from>(v, other[u]); });
    break;
  case stage_kind::minimum:
    each([&](V v, int u) { return combined<stage_kind::minimum>(v, other[u]); });
    break;
  case stage_kind::maximum:
    each([&](V v, int u) { return combined<stage_kind::maximum>(v, other[u]); });
    break;
  case stage_kind::function:
  case stage_kind::batch_norm:
    break;
  }
}

} // namespace detail
} // namespace graph
IA_NN_END
