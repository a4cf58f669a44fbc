// SPDX-License-Identifier: Apache-2.0
//
// Random weights, options and data of a quantized layer.
#pragma once

#include "support.hpp"

#include <ia_nn/int8/quantized_epilogue.hpp>

namespace ia_nn_test {

using ia_nn::quantize_weights;
using ia_nn::quantized_options;
using ia_nn::quantized_weights;

/// One instruction set of each way to multiply bytes: tiles, vectors, one element.
using some_isas = ia_nn::prepend_if_t<
    contains<ia_nn::isa::amx, ia_nn::isa::compiled>, ia_nn::isa::amx,
    ia_nn::prepend_if_t<contains<ia_nn::isa::avx2, ia_nn::isa::compiled>, ia_nn::isa::avx2,
                        ia_nn::type_list<ia_nn::isa::scalar>>>;
/// All of them; not under a sanitizer, which compiles slowly.
using swept_isas = std::conditional_t<under_asan, some_isas, ia_nn::isa::compiled>;

inline std::vector<f32> normal_values(index_t n, f32 size, random& r) {
  std::vector<f32> v(static_cast<std::size_t>(n));
  for (f32& x : v) x = r.normal() * size;
  return v;
}

/// Options whose results fill the range of C: the scale of dst fits sums of `each` products.
template <class A, class C> quantized_options any_options(index_t each, random& r) {
  quantized_options o;
  o.src = any_quantization<A>(r);
  if constexpr (ia_nn::byte_element<C>) {
    o.dst = any_quantization<C>(r);
    o.dst.scale = o.src.scale * std::sqrt(static_cast<f32>(each)) * r.uniform(0.3F, 2);
  }
  if constexpr (!std::same_as<C, s32>) {
    f32 const unit = o.dst.scale;
    if (r.coin()) o = o.with_relu(r.coin() ? 60 * unit : std::numeric_limits<f32>::infinity());
  }
  return o;
}

/// Kind 0, 1: weights of f32 in the full range, in the reduced one, in which pairs of products fit 16
/// bits. Kind 2: bytes with zero points, one or one per filter; mostly their differences are no s8.
inline quantized_weights any_weights(int kind, index_t filters, index_t each, f32 data_scale, random& r) {
  bool const biased = r.coin();
  std::vector<f32> const b = normal_values(biased ? filters : 0, 3, r);
  if (kind < 2)
    return quantize_weights(normal_values(filters * each, 1, r), filters, b, data_scale, r.coin(),
                            kind == 1 ? ia_nn::weight_range::reduced : ia_nn::weight_range::full);
  std::vector<f32> const scales(static_cast<std::size_t>(filters), 0.02F);
  std::vector<s32> bias(b.size());
  for (s32& x : bias) x = static_cast<s32>(r.between(-1000, 1000));
  auto const take = [&]<class Q>(Q) {
    std::vector<Q> w(static_cast<std::size_t>(filters * each));
    r.fill(w.data(), static_cast<index_t>(w.size()));
    std::vector<s32> zeros(r.coin() ? 1 : static_cast<std::size_t>(filters));
    for (s32& z : zeros)
      z = static_cast<s32>(
          r.between(std::numeric_limits<Q>::min(), std::numeric_limits<Q>::max()));
    return ia_nn::take_weights(std::span<Q const>(w), filters, scales, bias, data_scale, zeros);
  };
  return r.coin() ? take(s8{}) : take(u8{});
}

inline oracle::layer_end end_of(quantized_options const& o) {
  return {o.src, o.dst, o.residual, o.lowest, o.highest};
}

} // namespace ia_nn_test
