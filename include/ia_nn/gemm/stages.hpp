// SPDX-License-Identifier: Apache-2.0
//
// Ready-made epilogue stages. Activations (math/activation.hpp) are stages too; so is any lambda.
#pragma once

#include <ia_nn/gemm/epilogue.hpp>

#include <ia_nn/begin.hpp>

/// v + bias[column]. An s32 bias on s32 accumulators adds exactly; any other bias adds in f32.
template <element T> struct add_bias {
  T const* bias;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    if constexpr (std::same_as<T, typename V::value_type>) return v + at.template columns<V>(bias);
    else {
      auto const x = detail::as_f32(v);
      return x + at.template columns<decltype(detail::as_f32(v))>(bias);
    }
  }
};
template <element T> add_bias(T const*) -> add_bias<T>;
template <element T> add_bias(T*) -> add_bias<T>;

/// v * factor, in f32.
struct scale {
  f32 factor;
  template <vector_register V> IA_NN_INLINE auto operator()(V v) const noexcept {
    auto const x = detail::as_f32(v);
    return x * x.broadcast(factor);
  }
};

/// v * factor[column], in f32: dequantization of per-channel weights.
struct scale_columns {
  f32 const* factor;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    auto const x = detail::as_f32(v);
    return x * at.template columns<decltype(detail::as_f32(v))>(factor);
  }
};

/// v * factor[column] + bias[column], rounded once (fma).
struct scale_bias {
  f32 const* factor;
  f32 const* bias;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    using F = decltype(detail::as_f32(v));
    return fma(detail::as_f32(v), at.template columns<F>(factor), at.template columns<F>(bias));
  }
};

/// v + residual[row][column], in f32; ld elements per row. May be C itself (the old values).
template <element T> struct add_residual {
  T const* residual;
  index_t ld;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    auto const x = detail::as_f32(v);
    return x + at.template matrix<decltype(detail::as_f32(v))>(residual, ld);
  }
};
template <element T> add_residual(T const*, index_t) -> add_residual<T>;
template <element T> add_residual(T*, index_t) -> add_residual<T>;

/// v * other[row][column], in f32; ld elements per row.
template <element T> struct multiply {
  T const* other;
  index_t ld;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    auto const x = detail::as_f32(v);
    return x * at.template matrix<decltype(detail::as_f32(v))>(other, ld);
  }
};
template <element T> multiply(T const*, index_t) -> multiply<T>;
template <element T> multiply(T*, index_t) -> multiply<T>;

/// round(v * factor[column]) + zero_point, to nearest even; the store saturates to s8 or u8.
/// factor = scale(a) * scale(b, column) / scale(c). Source: ONNX QLinearMatMul.
struct requantize {
  f32 const* factor;
  s32 zero_point = 0;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    using F = decltype(detail::as_f32(v));
    F const rounded = round(detail::as_f32(v) * at.template columns<F>(factor));
    return rounded + F::broadcast(static_cast<f32>(zero_point));
  }
};

/// The same with one factor for all columns.
struct requantize_tensor {
  f32 factor;
  s32 zero_point = 0;
  template <vector_register V> IA_NN_INLINE auto operator()(V v) const noexcept {
    using F = decltype(detail::as_f32(v));
    F const rounded = round(detail::as_f32(v) * F::broadcast(factor));
    return rounded + F::broadcast(static_cast<f32>(zero_point));
  }
};

IA_NN_END
