// SPDX-License-Identifier: Apache-2.0
//
// The stages of a chain on registers: what they hold, their numbers in types, and each of them as a
// function object that the compiler knows.
#pragma once

#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/graph/kernels/functions.hpp>
#include <ia_nn/graph/passes/steps.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

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
} // namespace graph
IA_NN_END
