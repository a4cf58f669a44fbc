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
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/graph/passes/steps.hpp>
#include <ia_nn/math/activation.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// v kept in lo .. hi, as activation::clip does.
template <f32_register V> IA_NN_INLINE V clipped(V v, f32 lo, f32 hi) noexcept {
  return min(V::broadcast(hi), max(V::broadcast(lo), v));
}

namespace detail {

/// A stage with its numbers.
struct stage_data {
  stage_kind kind = stage_kind::function;
  function act = function::identity;
  spread how = spread::none;
  f32 a = 0, b = 0;
  value_type type = value_type::f32; ///< of the operand
  void const* operand = nullptr;
  index_t ld = 0; ///< of the operand
  f32 operand_scale = 1, operand_zero = 0; ///< of one in 8 bits
  f32 const *factors = nullptr, *offsets = nullptr; ///< of a batch norm
};

/// The function of a stage with its parameters, for one that is known to the compiler.
template <function F> IA_NN_INLINE constexpr auto activation_of(f32 a, f32 b) noexcept {
  namespace act = ::ia_nn::activation;
  if constexpr (F == function::leaky_relu) return act::leaky_relu{a};
  else if constexpr (F == function::elu) return act::elu{a};
  else if constexpr (F == function::selu) return act::selu{a, b};
  else if constexpr (F == function::celu) return act::celu{a};
  else if constexpr (F == function::sigmoid) return act::sigmoid<>{};
  else if constexpr (F == function::hard_sigmoid) return act::hard_sigmoid{a, b};
  else if constexpr (F == function::tanh) return act::tanh<>{};
  else if constexpr (F == function::softplus) return act::softplus{};
  else if constexpr (F == function::softsign) return act::softsign{};
  else if constexpr (F == function::gelu) return act::gelu<>{};
  else if constexpr (F == function::gelu_tanh) return act::gelu_tanh<>{};
  else if constexpr (F == function::swish) return act::swish<>{a};
  else if constexpr (F == function::hard_swish) return act::hard_swish{};
  else if constexpr (F == function::mish) return act::mish{};
  else if constexpr (F == function::square) return act::square{};
  else if constexpr (F == function::sqrt) return act::sqrt{};
  else if constexpr (F == function::abs) return act::abs{};
  else if constexpr (F == function::exp) return act::exp<>{};
  else if constexpr (F == function::log) return act::log<>{};
  else return act::linear{a, b};
}

// Not inlined: one copy of all functions for each register type.
template <f32_register V> IA_NN_NOINLINE V apply_function(function f, V x, f32 a, f32 b) noexcept {
  switch (f) {
  case function::leaky_relu:
    return activation_of<function::leaky_relu>(a, b)(x);
  case function::elu:
    return activation_of<function::elu>(a, b)(x);
  case function::selu:
    return activation_of<function::selu>(a, b)(x);
  case function::celu:
    return activation_of<function::celu>(a, b)(x);
  case function::sigmoid:
    return activation_of<function::sigmoid>(a, b)(x);
  case function::hard_sigmoid:
    return activation_of<function::hard_sigmoid>(a, b)(x);
  case function::tanh:
    return activation_of<function::tanh>(a, b)(x);
  case function::softplus:
    return activation_of<function::softplus>(a, b)(x);
  case function::softsign:
    return activation_of<function::softsign>(a, b)(x);
  case function::gelu:
    return activation_of<function::gelu>(a, b)(x);
  case function::gelu_tanh:
    return activation_of<function::gelu_tanh>(a, b)(x);
  case function::swish:
    return activation_of<function::swish>(a, b)(x);
  case function::hard_swish:
    return activation_of<function::hard_swish>(a, b)(x);
  case function::mish:
    return activation_of<function::mish>(a, b)(x);
  case function::square:
    return activation_of<function::square>(a, b)(x);
  case function::sqrt:
    return activation_of<function::sqrt>(a, b)(x);
  case function::abs:
    return activation_of<function::abs>(a, b)(x);
  case function::exp:
    return activation_of<function::exp>(a, b)(x);
  case function::log:
    return activation_of<function::log>(a, b)(x);
  case function::linear:
    return activation_of<function::linear>(a, b)(x);
  case function::relu:
    return clipped(x, 0, __builtin_inff());
  case function::clip:
    return clipped(x, a, b);
  case function::identity:
    break;
  }
  return x;
}

// A stage as a number.
//
//   bits  0 .. 3   stage_kind          bits 9 .. 11    spread of the operand
//   bits  4 .. 8   function            bits 12 .. 14   value_type of the operand
using stage_code = unsigned;

constexpr stage_code code_of(stage_kind kind, function act, spread how, value_type type) {
  return static_cast<unsigned>(kind) | static_cast<unsigned>(act) << 4 |
         static_cast<unsigned>(how) << 9 | static_cast<unsigned>(type) << 12;
}
constexpr bool is_clip(stage const& s) {
  return s.kind == stage_kind::function &&
         (s.act == function::relu || s.act == function::clip || s.act == function::identity);
}
inline constexpr stage_code clip_code =
    code_of(stage_kind::function, function::clip, spread::none, value_type::f32);
/// `type`: of the operand, if there is one.
constexpr stage_code code_of(stage const& s, value_type type) {
  if (is_clip(s)) return clip_code;
  return code_of(s.kind, s.act, s.how, s.operand >= 0 ? type : value_type::f32);
}
constexpr stage_kind kind_of(stage_code c) { return static_cast<stage_kind>(c & 15U); }
constexpr function function_of(stage_code c) { return static_cast<function>(c >> 4 & 31U); }
constexpr spread spread_of(stage_code c) { return static_cast<spread>(c >> 9 & 7U); }
constexpr value_type type_of(stage_code c) { return static_cast<value_type>(c >> 12 & 7U); }

/// The operand of a stage: how it meets a register at `at`, which says its row, its columns and,
/// where operands are repeated, its item.
template <f32_register V, spread How, class T, class At>
IA_NN_INLINE V operand_at(T const* p, index_t ld, At const& at) noexcept {
  if constexpr (How == spread::every_row) return at.template columns<V>(p);
  else if constexpr (How == spread::every_item) return at.template item_matrix<V>(p, ld);
  else if constexpr (How == spread::channels) return at.template columns<V>(p + at.item * ld);
  else if constexpr (How == spread::rows) return V::broadcast(static_cast<f32>(p[at.row * ld]));
  else if constexpr (How == spread::items) return V::broadcast(static_cast<f32>(p[at.item * ld]));
  else return at.template matrix<V>(p, ld);
}

/// v and the operand x of a stage.
template <stage_kind K, f32_register V> IA_NN_INLINE V combined(V v, V x) noexcept {
  if constexpr (K == stage_kind::add) return v + x;
  else if constexpr (K == stage_kind::subtract) return v - x;
  else if constexpr (K == stage_kind::subtract_from) return x - v;
  else if constexpr (K == stage_kind::multiply) return v * x;
  else if constexpr (K == stage_kind::divide) return v / x;
  else if constexpr (K == stage_kind::divide_from) return x / v;
  else if constexpr (K == stage_kind::minimum) return ::ia_nn::detail::minimum(v, x);
  else return ::ia_nn::detail::maximum(v, x);
}

/// With an operand q in 8 bits, less its zero point: an addition rounds once.
template <stage_kind K, f32_register V> IA_NN_INLINE V combined_bytes(V v, V q, V scale) noexcept {
  if constexpr (K == stage_kind::add) return fma(q, scale, v);
  V x = q * scale;
  x.pin(); // else a subtraction may be part of it
  return combined<K>(v, x);
}

/// One stage that the compiler knows. It holds what it needs and no more.
template <stage_code C> struct typed_stage {
  f32 a, b;
  constexpr typed_stage(stage_data const& s) noexcept : a(s.a), b(s.b) {}
  template <f32_register V, class At> IA_NN_INLINE V operator()(V v, At const&) const noexcept {
    if constexpr (C == clip_code) return clipped(v, a, b);
    else return activation_of<function_of(C)>(a, b)(v);
  }
};
template <stage_code C>
  requires(kind_of(C) == stage_kind::batch_norm)
struct typed_stage<C> {
  f32 const *factors, *offsets;
  typed_stage(stage_data const& s) noexcept : factors(s.factors), offsets(s.offsets) {}
  template <f32_register V, class At> IA_NN_INLINE V operator()(V v, At const& at) const noexcept {
    return fma(v, at.template columns<V>(factors), at.template columns<V>(offsets));
  }
};
template <stage_code C>
  requires(kind_of(C) != stage_kind::batch_norm && kind_of(C) != stage_kind::function &&
           !is_quantized(type_of(C)))
struct typed_stage<C> {
  using T = element_of<type_of(C)>;
  T const* operand;
  index_t ld;
  typed_stage(stage_data const& s) noexcept
      : operand(static_cast<T const*>(s.operand)), ld(s.ld) {}
  template <f32_register V, class At> IA_NN_INLINE V operator()(V v, At const& at) const noexcept {
    return combined<kind_of(C)>(v, operand_at<V, spread_of(C)>(operand, ld, at));
  }
};

template <stage_code C>
  requires(kind_of(C) != stage_kind::batch_norm && kind_of(C) != stage_kind::function &&
           is_quantized(type_of(C)))
struct typed_stage<C> {
  using T = element_of<type_of(C)>;
  T const* operand;
  index_t ld;
  f32 scale, zero;
  typed_stage(stage_data const& s) noexcept
      : operand(static_cast<T const*>(s.operand)), ld(s.ld), scale(s.operand_scale),
        zero(s.operand_zero) {}
  template <f32_register V, class At> IA_NN_INLINE V operator()(V v, At const& at) const noexcept {
    V const q = operand_at<V, spread_of(C)>(operand, ld, at);
    return combined_bytes<kind_of(C)>(v, q - V::broadcast(zero), V::broadcast(scale));
  }
};

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

/// True if a stage of values in steps of `unit` is the stage of the values, with other numbers:
/// then nothing is left to be multiplied behind it (kernels/requantize.hpp).
constexpr bool keeps_units(stage_code c) {
  switch (kind_of(c)) {
  case stage_kind::function: {
    function const f = function_of(c);
    return f == function::clip || f == function::relu || f == function::identity ||
           f == function::leaky_relu || f == function::abs || f == function::linear;
  }
  case stage_kind::add:
  case stage_kind::subtract:
  case stage_kind::subtract_from:
  case stage_kind::minimum:
  case stage_kind::maximum:
    return is_quantized(type_of(c)); // other operands are not multiplied by anything
  case stage_kind::multiply:
  case stage_kind::divide:
  case stage_kind::batch_norm:
    return true;
  case stage_kind::divide_from:
    break;
  }
  return false;
}

} // namespace detail

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

/// The stages of a step as its kernel has them: where it writes 8 bits and the stages keep units, bounds
/// at the end are those of the type (kernels/requantize.hpp). Of others one with an epilogue that has none, or an addition
/// alone, ends with a clip without bounds: one type less.
struct tail_codes {
  stage_code codes[max_stages + 1]{};
  int count = 0;
  friend constexpr bool operator==(tail_codes const&, tail_codes const&) = default;
};
template <class Nodes> constexpr tail_codes tail_of(Nodes const& nodes, step const& s) {
  tail_codes t;
  for (stage const& g : s.stages)
    t.codes[t.count++] =
        code_of(g, g.operand >= 0 ? nodes[g.operand].type : value_type::f32);
  if (s.kind->has_epilogue && is_quantized(nodes[s.out].type)) {
    bool keeps = true;
    for (int k = 0; k < t.count; ++k) keeps = keeps && keeps_units(t.codes[k]);
    while (keeps && t.count > 0 && t.codes[t.count - 1] == clip_code) t.codes[--t.count] = 0;
    return t;
  }
  if (s.kind->has_epilogue &&
      (t.count == 0 || (t.count == 1 && kind_of(t.codes[0]) == stage_kind::add)))
    t.codes[t.count++] = clip_code;
  return t;
}

} // namespace detail
} // namespace graph
IA_NN_END
