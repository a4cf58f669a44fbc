// SPDX-License-Identifier: Apache-2.0
//
// The stages behind a kernel at run time, as few types as do: a network has hundreds of steps, and
// each type of chain makes a kernel's code once more.
//
//   short_tail<false>   bias, clip               most convolutions: relu, relu6, nothing
//   short_tail<true>    bias, + operand, clip    the end of a residual block
//   long_tail           up to 8 stages of any kind; one switch for each stage and register
//   biased_tail         bias, long_tail
//
// Each is an epilogue by itself, not a chain of several: its name is part of the kernel's, and the
// names of types are what makes symbols long.
//
// relu is clip with bounds 0 and infinity: the same operations, the same bits.
#pragma once

#include <ia_nn/core/workspace.hpp>
#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/graph/steps.hpp>
#include <ia_nn/math/activation.hpp>

IA_NN_BEGIN
namespace graph {
namespace detail {

template <bool Adds> struct short_tail {
  static constexpr bool empty = false;
  f32 const* bias;
  f32 lo, hi;
  f32 const* operand = nullptr;
  index_t ld = 0;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    using F = decltype(::ia_nn::detail::as_f32(v));
    F x = ::ia_nn::detail::as_f32(v) + at.template columns<F>(bias);
    if constexpr (Adds) x = x + at.template matrix<F>(operand, ld);
    return min(x.broadcast(hi), max(x.broadcast(lo), x));
  }
};

/// A stage with its numbers.
struct stage_data {
  stage_kind kind = stage_kind::function;
  function act = function::identity;
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

struct long_tail {
  stage_data const* stages;
  int count;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    auto x = ::ia_nn::detail::as_f32(v);
    using F = decltype(x);
    for (int i = 0; i < count; ++i) {
      stage_data const& s = stages[i];
      switch (s.kind) {
      case stage_kind::function:
        x = apply_function(s.act, x, s.a, s.b);
        break;
      case stage_kind::add:
        x = x + at.template matrix<F>(s.p, s.ld);
        break;
      case stage_kind::subtract:
        x = x - at.template matrix<F>(s.p, s.ld);
        break;
      case stage_kind::subtract_from:
        x = at.template matrix<F>(s.p, s.ld) - x;
        break;
      case stage_kind::multiply:
        x = x * at.template matrix<F>(s.p, s.ld);
        break;
      case stage_kind::divide:
        x = x / at.template matrix<F>(s.p, s.ld);
        break;
      case stage_kind::divide_from:
        x = at.template matrix<F>(s.p, s.ld) / x;
        break;
      case stage_kind::minimum:
        x = min(at.template matrix<F>(s.p, s.ld), x);
        break;
      case stage_kind::maximum:
        x = max(at.template matrix<F>(s.p, s.ld), x);
        break;
      case stage_kind::batch_norm:
        x = fma(x, at.template columns<F>(s.p), at.template columns<F>(s.q));
        break;
      }
    }
    return x;
  }
};

struct biased_tail {
  static constexpr bool empty = false;
  f32 const* bias;
  long_tail rest;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    using F = decltype(::ia_nn::detail::as_f32(v));
    return rest(F(::ia_nn::detail::as_f32(v) + at.template columns<F>(bias)), at);
  }
};

/// Which of the tails a step needs.
enum class tail : unsigned char { clip, add_clip, any };

constexpr bool is_clip(stage const& s) {
  return s.kind == stage_kind::function &&
         (s.act == function::relu || s.act == function::clip || s.act == function::identity);
}
constexpr tail tail_of(step const& s) {
  int const n = s.stages.count;
  if (n == 0 || (n == 1 && is_clip(s.stages[0]))) return tail::clip;
  if (s.stages[0].kind == stage_kind::add && (n == 1 || (n == 2 && is_clip(s.stages[1]))))
    return tail::add_clip;
  return tail::any;
}
struct bounds {
  f32 lo = -__builtin_inff(), hi = __builtin_inff();
};
constexpr bounds bounds_of(step const& s) {
  if (s.stages.count == 0 || !is_clip(s.stages[s.stages.count - 1])) return {};
  stage const& last = s.stages[s.stages.count - 1];
  if (last.act == function::relu) return {0, __builtin_inff()};
  if (last.act == function::clip) return {last.a, last.b};
  return {};
}

/// dst [rows][columns] = tail(src), dst_ld apart; src is dense. dst may be src.
template <isa::tag I, class E>
void run_elementwise(long_tail const& t, bool per_channel, f32 const* src, f32* dst, index_t rows,
                     index_t columns, index_t dst_ld, E& e) noexcept {
  using V = vec<f32, I>;
  if (!per_channel && dst_ld == columns) columns *= rows, rows = 1; // one row, cut anywhere
  auto const part = [&](index_t row, index_t from, index_t to) {
    f32 const* const x = src + row * columns;
    f32* const y = dst + row * dst_ld;
    index_t c = from;
    for (; c + V::size <= to; c += V::size)
      t(V::load(x + c), tile_position<true>{row, c, V::size}).store(y + c);
    if (c < to)
      t(V::load(x + c, to - c), tile_position<false>{row, c, to - c}).store(y + c, to - c);
  };
  if (rows == 1) {
    parallel_blocks(e, columns, 4096,
                    [&](index_t begin, index_t end, int) { part(0, begin, end); });
    return;
  }
  parallel_blocks(e, rows, ceil_div(4096, columns), [&](index_t begin, index_t end, int) {
    for (index_t r = begin; r < end; ++r) part(r, 0, columns);
  });
}

} // namespace detail
} // namespace graph
IA_NN_END
