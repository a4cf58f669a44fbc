// SPDX-License-Identifier: Apache-2.0
//
// Random weights, options and data of a quantized layer.
#pragma once

#include "support.hpp"

#include <ia_nn/int8/finish.hpp>

namespace ia_nn_test {

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

inline oracle::layer_end end_of(quantized_options const& o) {
  return {o.src, o.dst, o.residual, o.lowest, o.highest};
}

} // namespace ia_nn_test
