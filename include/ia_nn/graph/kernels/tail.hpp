// SPDX-License-Identifier: Apache-2.0
//
// What follows a kernel's sums on their way to memory: scale and offset of the channel, and the
// stages of a step. A type for each kind of tail that a network has, so that functions are compiled
// into the kernel and operands loaded as what they are:
//
//   affine<tail<clip>>         most layers: relu, relu6, nothing
//   affine<tail<add, clip>>    the end of a residual block
//   affine<tail<gelu>>         ...
//   affine<any_tail>           up to 8 stages, one switch for each stage and register
//
// The scale is that of a batch norm, or 1; the offset holds the bias. One multiply-add is what a
// batch norm by itself computes as well, so a network has the same bits fused and step by step, and
// weights are rounded once, by whoever trained them. The bias alone would be an addition; the load of
// the scale takes 0.2 % of a small network (MNIST, 16 images, Zen 5), and less of larger ones.
//
// Stages stand in types as numbers (stage_code): names of kernels stay short. Every distinct tail
// makes a kernel's code once more, so those beyond `max_tails` of a kernel are any_tail. relu is
// clip with bounds 0 and infinity: the same operations, the same bits.
#pragma once

#include <ia_nn/core/workspace.hpp>
#include <ia_nn/graph/kernels/any_stage.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

// Not in `detail`, and one word each: they are part of every kernel's symbol.

/// Stages that the compiler knows, one behind the other.
template <detail::stage_code... Codes> struct tail {
  static constexpr bool keeps_units = true;
  explicit tail(detail::stage_data const*, int) noexcept {}
  template <class V, class At> IA_NN_INLINE V operator()(V v, At const&) const noexcept { return v; }
};
template <detail::stage_code C, detail::stage_code... Rest> struct tail<C, Rest...> {
  static constexpr bool keeps_units = detail::keeps_units(C) && tail<Rest...>::keeps_units;
  detail::typed_stage<C> first;
  tail<Rest...> rest;
  explicit tail(detail::stage_data const* s, int count) noexcept
      : first(*s), rest(s + 1, count - 1) {}
  template <class V, class At> IA_NN_INLINE V operator()(V v, At const& at) const noexcept {
    V next = first(v, at);
    // A product of one stage and the sum of the next are rounded twice, as they are step by step.
    if constexpr (sizeof...(Rest) > 0) next.pin();
    return rest(next, at);
  }
};
/// Stages that are known at run time.
struct any_tail {
  static constexpr bool keeps_units = false; ///< not known
  detail::stage_data const* stages;
  int count;
  any_tail(detail::stage_data const* s, int n) noexcept : stages(s), count(n) {}
  template <class V, class At> IA_NN_INLINE V operator()(V v, At const& at) const noexcept {
    V x[1] = {v};
    for (int i = 0; i < count; ++i)
      detail::apply_stage_to(stages[i], x, [&](int) -> At const& { return at; });
    return x[0];
  }
};

/// What a kernel's sums go through: an epilogue of gemm/epilogue.hpp.
template <class Tail> struct affine {
  static constexpr bool empty = false;
  f32 const *scale, *offset; ///< of each channel
  Tail stages;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    using F = decltype(::ia_nn::detail::as_f32(v)); // sums of 8-bit products are s32
    return stages(
        fma(::ia_nn::detail::as_f32(v), at.template columns<F>(scale), at.template columns<F>(offset)), at);
  }
};

namespace detail {

struct bounds {
  f32 lo = -__builtin_inff(), hi = __builtin_inff();
};
constexpr bounds bounds_of(stage const& s) {
  if (!is_clip(s) || s.act == function::identity) return {};
  if (s.act == function::relu) return {0, __builtin_inff()};
  return {s.a, s.b};
}
/// The numbers of a stage; functions with bounds are all clip.
constexpr stage_data data_of(stage const& s) {
  stage_data to{s.kind, s.act, s.how, s.a, s.b};
  if (is_clip(s)) {
    bounds const b = bounds_of(s);
    to.act = function::clip, to.a = b.lo, to.b = b.hi;
  }
  return to;
}

template <class Nodes> constexpr stage_code code_in(Nodes const& nodes, stage const& g) {
  return code_of(g, g.operand >= 0 ? nodes[g.operand].type : value_type::f32);
}
/// True if the stages of a step that writes 8 bits count in steps of its result (kernels/requantize.hpp).
template <class Nodes> constexpr bool stages_keep_units(Nodes const& nodes, step const& s) {
  if (!s.kind->has_epilogue || !is_quantized(nodes[s.out].type)) return false;
  for (stage const& g : s.stages)
    if (!keeps_units(code_in(nodes, g))) return false;
  return true;
}

/// The stages of a step as its kernel has them: where they keep units, bounds at the end are those of
/// the type. Of steps that do not write 8 bits one with an epilogue that has none, or an addition alone,
/// ends with a clip without bounds: one type less.
struct tail_codes {
  stage_code codes[max_stages + 1]{};
  int count = 0;
  friend constexpr bool operator==(tail_codes const&, tail_codes const&) = default;
};
template <class Nodes> constexpr tail_codes tail_of(Nodes const& nodes, step const& s) {
  tail_codes t;
  for (stage const& g : s.stages) t.codes[t.count++] = code_in(nodes, g);
  if (stages_keep_units(nodes, s))
    while (t.count > 0 && t.codes[t.count - 1] == clip_code) t.codes[--t.count] = 0;
  if (s.kind->has_epilogue && !is_quantized(nodes[s.out].type) &&
      (t.count == 0 || (t.count == 1 && kind_of(t.codes[0]) == stage_kind::add)))
    t.codes[t.count++] = clip_code;
  return t;
}

} // namespace detail
} // namespace graph
IA_NN_END
