// SPDX-License-Identifier: Apache-2.0
//
// What quantized operations should give: integers in 64 bits, f32 operation by operation in the
// order that the headers of ia_nn/int8 state, so that results are compared bit by bit.
#pragma once

#include <ia_nn/int8/schemes.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace ia_nn_test {

using ia_nn::f32;
using ia_nn::index_t;
using ia_nn::quantization;
using ia_nn::s32;
using ia_nn::s8;
using ia_nn::u8;

namespace oracle {

/// round(y) + zero point, saturated; an infinity on its side. y is no NaN.
template <ia_nn::byte_element Q> Q to_byte(f32 y, s32 zero) {
  constexpr double lo = std::numeric_limits<Q>::min(), hi = std::numeric_limits<Q>::max();
  double q = std::nearbyint(static_cast<double>(y)); // nearest even: the default mode
  q += zero;
  return static_cast<Q>(q < lo ? lo : q > hi ? hi : q);
}

template <ia_nn::byte_element Q> Q quantize(f32 x, quantization const& q) {
  if (std::isnan(x)) return static_cast<Q>(q.zero_point);
  f32 const y = x / q.scale;
  return to_byte<Q>(y, q.zero_point);
}
template <class Q> f32 dequantize(Q v, quantization const& q) {
  return static_cast<f32>(static_cast<std::int64_t>(v) - q.zero_point) * q.scale;
}
template <ia_nn::byte_element Q> Q requantize(s32 sum, f32 factor, s32 zero) {
  f32 const y = static_cast<f32>(sum) * factor;
  return to_byte<Q>(y, zero);
}
template <ia_nn::byte_element To, ia_nn::byte_element From>
To rescale(From v, quantization const& from, quantization const& to) {
  f32 const factor = from.scale / to.scale;
  f32 const y = static_cast<f32>(v - from.zero_point) * factor;
  return to_byte<To>(y, to.zero_point);
}
template <ia_nn::byte_element C, ia_nn::byte_element A, ia_nn::byte_element B>
C add(A a, quantization const& qa, B b, quantization const& qb, quantization const& qy) {
  f32 const fa = qa.scale / qy.scale, fb = qb.scale / qy.scale;
  f32 const first = static_cast<f32>(a - qa.zero_point) * fa;
  return to_byte<C>(std::fma(static_cast<f32>(b - qb.zero_point), fb, first), qy.zero_point);
}
template <ia_nn::byte_element C, ia_nn::byte_element A, ia_nn::byte_element B>
C multiply(A a, quantization const& qa, B b, quantization const& qb, quantization const& qy) {
  f32 const f = qa.scale * qb.scale / qy.scale;
  f32 const y = static_cast<f32>((a - qa.zero_point) * (b - qb.zero_point)) * f;
  return to_byte<C>(y, qy.zero_point);
}

/// The end of a layer: sum of products, its filter's bias and scale, a residual.
struct layer_end {
  quantization src, dst, residual;
  f32 lowest, highest;

  template <ia_nn::element C>
  C result(std::int64_t sum, s32 bias, f32 weight_scale, int const* added = nullptr) const {
    s32 const exact = static_cast<s32>(sum + bias); // tests stay within s32
    if constexpr (std::same_as<C, s32>) return exact;
    else {
      f32 const out = ia_nn::byte_element<C> ? dst.scale : 1.0F;
      f32 const factor = src.scale * weight_scale / out;
      f32 y = static_cast<f32>(exact) * factor;
      if (added)
        y = std::fma(static_cast<f32>(*added - residual.zero_point), residual.scale / out, y);
      f32 const lo = lowest / out, hi = highest / out;
      y = y < hi ? y : hi;
      y = y > lo ? y : lo;
      if constexpr (ia_nn::byte_element<C>) return to_byte<C>(y, dst.zero_point);
      else return C(y);
    }
  }
};

} // namespace oracle
} // namespace ia_nn_test
