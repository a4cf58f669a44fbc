// SPDX-License-Identifier: Apache-2.0
//
// What follows a kernel's sums on their way to memory, as few types as do: a network has hundreds
// of steps, and each type makes a kernel's code once more.
//
//   clip_end       + bias, clip                  most layers: relu, relu6, nothing
//   add_clip_end   + bias, + operand, clip       the end of a residual block
//   any_end        + bias, up to 8 stages; one switch for each stage and register
//
// relu is clip with bounds 0 and infinity: the same operations, the same bits.
#pragma once

#include <ia_nn/core/workspace.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/graph/steps.hpp>
#include <ia_nn/math/activation.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// v kept in lo .. hi, as activation::clip does.
template <f32_register V> IA_NN_INLINE V clipped(V v, f32 lo, f32 hi) noexcept {
  return min(V::broadcast(hi), max(V::broadcast(lo), v));
}

// Not in `detail`, and one word each: they are part of every kernel's symbol.
struct clip_end {
  static constexpr bool empty = false;
  f32 const* bias;
  f32 lo, hi;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    return clipped(v + at.template columns<V>(bias), lo, hi);
  }
};

struct add_clip_end {
  static constexpr bool empty = false;
  f32 const* bias;
  f32 lo, hi;
  f32 const* operand;
  index_t ld;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    return clipped(v + at.template columns<V>(bias) + at.template matrix<V>(operand, ld), lo, hi);
  }
};

namespace detail {

/// A stage with its numbers.
struct stage_data {
  stage_kind kind = stage_kind::function;
  function act = function::identity;
  spread how = spread::none;
  f32 a = 0, b = 0;
  f32 const* p = nullptr; ///< operand, or factors of a batch norm
  f32 const* q = nullptr; ///< offsets
  index_t ld = 0;         ///< of the operand
};

// Not inlined: one copy of all functions for each register type.
template <f32_register V> IA_NN_NOINLINE V apply_function(function f, V x, f32 a, f32 b) noexcept {
  namespace act = ::ia_nn::activation;
  switch (f) {
  case function::identity:
    return x;
  case function::relu:
    return act::relu{}(x);
  case function::leaky_relu:
    return act::leaky_relu{a}(x);
  case function::clip:
    return act::clip{a, b}(x);
  case function::elu:
    return act::elu{a}(x);
  case function::selu:
    return act::selu{a, b}(x);
  case function::celu:
    return act::celu{a}(x);
  case function::sigmoid:
    return act::sigmoid<>{}(x);
  case function::hard_sigmoid:
    return act::hard_sigmoid{a, b}(x);
  case function::tanh:
    return act::tanh<>{}(x);
  case function::softplus:
    return act::softplus{}(x);
  case function::softsign:
    return act::softsign{}(x);
  case function::gelu:
    return act::gelu<>{}(x);
  case function::gelu_tanh:
    return act::gelu_tanh<>{}(x);
  case function::swish:
    return act::swish<>{a}(x);
  case function::hard_swish:
    return act::hard_swish{}(x);
  case function::mish:
    return act::mish{}(x);
  case function::square:
    return act::square{}(x);
  case function::sqrt:
    return act::sqrt{}(x);
  case function::abs:
    return act::abs{}(x);
  case function::exp:
    return act::exp<>{}(x);
  case function::log:
    return act::log<>{}(x);
  case function::linear:
    return act::linear{a, b}(x);
  }
  return x;
}

/// One stage on N registers side by side; `operand(u)` loads what register u meets.
template <int N, class V, class Operand, class At>
IA_NN_INLINE void apply_stage_to(stage_data const& s, V (&x)[N], Operand const& operand,
                                 At const& at) noexcept {
  auto const each = [&](auto const& f) {
    IA_NN_UNROLL
    for (int u = 0; u < N; ++u) x[u] = f(x[u], u);
  };
  switch (s.kind) {
  case stage_kind::function:
    if (s.act == function::relu) each([&](V v, int) { return clipped(v, 0, __builtin_inff()); });
    else if (s.act == function::clip) each([&](V v, int) { return clipped(v, s.a, s.b); });
    else each([&](V v, int) { return apply_function(s.act, v, s.a, s.b); });
    break;
  case stage_kind::add:
    each([&](V v, int u) { return v + operand(u); });
    break;
  case stage_kind::subtract:
    each([&](V v, int u) { return v - operand(u); });
    break;
  case stage_kind::subtract_from:
    each([&](V v, int u) { return operand(u) - v; });
    break;
  case stage_kind::multiply:
    each([&](V v, int u) { return v * operand(u); });
    break;
  case stage_kind::divide:
    each([&](V v, int u) { return v / operand(u); });
    break;
  case stage_kind::divide_from:
    each([&](V v, int u) { return operand(u) / v; });
    break;
  case stage_kind::minimum:
    each([&](V v, int u) { return ::ia_nn::detail::minimum(v, operand(u)); });
    break;
  case stage_kind::maximum:
    each([&](V v, int u) { return ::ia_nn::detail::maximum(v, operand(u)); });
    break;
  case stage_kind::batch_norm:
    each([&](V v, int u) {
      return fma(v, at(u).template columns<V>(s.p), at(u).template columns<V>(s.q));
    });
    break;
  }
}

} // namespace detail

struct any_end {
  static constexpr bool empty = false;
  f32 const* bias;
  detail::stage_data const* stages;
  int count;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    V x[1] = {v + at.template columns<V>(bias)};
    for (int i = 0; i < count; ++i) {
      detail::stage_data const& s = stages[i];
      detail::apply_stage_to(
          s, x, [&](int) { return at.template matrix<V>(s.p, s.ld); }, [&](int) { return at; });
    }
    return x[0];
  }
};

namespace detail {

/// Which of the ends a step needs.
enum class end : unsigned char { clip, add_clip, any };

constexpr bool is_clip(stage const& s) {
  return s.kind == stage_kind::function &&
         (s.act == function::relu || s.act == function::clip || s.act == function::identity);
}
constexpr end end_of(step const& s) {
  if (!has_epilogue(s.kind)) return end::any;
  int const n = s.stages.count;
  if (n == 0 || (n == 1 && is_clip(s.stages[0]))) return end::clip;
  if (s.stages[0].kind == stage_kind::add && (n == 1 || (n == 2 && is_clip(s.stages[1]))))
    return end::add_clip;
  return end::any;
}
struct bounds {
  f32 lo = -__builtin_inff(), hi = __builtin_inff();
};
constexpr bounds bounds_of(stage const& s) {
  if (!is_clip(s)) return {};
  if (s.act == function::relu) return {0, __builtin_inff()};
  if (s.act == function::clip) return {s.a, s.b};
  return {};
}
constexpr bounds bounds_of(step const& s) {
  if (s.stages.count == 0) return {};
  return bounds_of(s.stages[s.stages.count - 1]);
}

} // namespace detail
} // namespace graph
IA_NN_END
