// SPDX-License-Identifier: Apache-2.0
//
// Quantization by the range that a tensor has at run time.
#pragma once

#include <ia_nn/int8/quantize.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

// Lanes that are NaN or infinite count as 0, which every range contains.
template <isa::tag I>
IA_NN_NOINLINE ia_nn::value_range range_of_block(f32 const* x, index_t n) noexcept {
  using V = vec<f32, I>;
  V const most = V::broadcast(0x1.fffffep127F);
  constexpr int chains = 4; // the latency of min and max
  V low[chains], high[chains];
  IA_NN_UNROLL
  for (int u = 0; u < chains; ++u) low[u] = high[u] = V::zero();
  auto const add = [&](int u, V v) IA_NN_LAMBDA {
    V const f = select(most < abs(v), V::zero(), v);
    low[u] = min(f, low[u]), high[u] = max(f, high[u]); // the second operand where f is NaN
  };
  index_t i = 0;
  IA_NN_ROLLED for (; i + chains * V::size <= n; i += chains * V::size)
    IA_NN_UNROLL for (int u = 0; u < chains; ++u) add(u, V::load(x + i + u * V::size));
  each_register<V>(i, n, [&](index_t j, auto at) IA_NN_LAMBDA { add(0, at.template load<V>(x + j)); });
  IA_NN_UNROLL
  for (int u = 1; u < chains; ++u) {
    low[0] = min(low[u], low[0]);
    high[0] = max(high[u], high[0]);
  }
  return {lowest(low[0]), highest(high[0])};
}

/// The largest |x|, in which an infinity counts as the largest f32; NaN if there is one. Of numbers
/// without a sign integers have the order, and NaN above infinity.
template <isa::tag I> IA_NN_NOINLINE f32 largest_of(f32 const* x, index_t n) noexcept {
  using V = vec<f32, I>;
  using W = vec<s32, I>;
  constexpr int chains = 4;
  W most[chains];
  IA_NN_UNROLL
  for (int u = 0; u < chains; ++u) most[u] = W::zero();
  auto const add = [&](int u, V v) IA_NN_LAMBDA { most[u] = max(most[u], bits(abs(v))); };
  index_t i = 0;
  IA_NN_ROLLED for (; i + chains * V::size <= n; i += chains * V::size)
    IA_NN_UNROLL for (int u = 0; u < chains; ++u) add(u, V::load(x + i + u * V::size));
  each_register<V>(i, n, [&](index_t j, auto at) IA_NN_LAMBDA { add(0, at.template load<V>(x + j)); });
  f32 const all = highest(bits(max(max(most[0], most[1]), max(most[2], most[3]))));
  return all > 0x1.fffffep127F ? 0x1.fffffep127F : all;
}

/// The scale of a row that is multiplied in 8 bits and becomes f32 again, symmetric. Beside an
/// infinity all else vanishes, as it does beside the largest f32; one NaN makes the scale, and so all
/// products of the row, NaN.
constexpr f32 row_scale(f32 most) noexcept {
  return positive_scale(most / 127.0F, most) + most * 0.0F;
}

} // namespace detail

/// The range of n values and 0. NaN and infinities are passed over: a single one of them would
/// leave no step for all others.
template <isa::tag I, executor E = sequential>
value_range finite_range(index_t n, f32 const* x, E&& e = {}) noexcept {
  constexpr int most_parts = 64; // their results stand on the stack
  value_range part[most_parts];
  index_t const parts = min_of(min_of(e.concurrency(), most_parts), ceil_div(n, 4096));
  if (parts <= 1) return detail::range_of_block<I>(x, n);
  e.parallel_for(parts, [&](index_t p, int) {
    block const b = block_of(n, static_cast<int>(parts), static_cast<int>(p), 64);
    part[p] = detail::range_of_block<I>(x + b.begin, b.size());
  });
  for (index_t p = 1; p < parts; ++p) part[0].add(part[p]);
  return part[0];
}

/// Finds the range of src, quantizes src with it and says how: u8 asymmetric is exactly ONNX
/// DynamicQuantizeLinear for finite values that are not all 0 (there the scale is 1 instead of 0).
/// A symmetric u8 takes the zero point 128 with steps of the largest absolute value / 127.
template <isa::tag I, byte_element Q, executor E = sequential>
quantization quantize_dynamic(index_t n, f32 const* src, Q* dst, scheme s = scheme::asymmetric,
                              E&& e = {}) noexcept {
  value_range const r = finite_range<I>(n, src, e);
  quantization q;
  if (s == scheme::asymmetric) q = quantization_of<Q>(r, s);
  else q = {quantization_of<s8>(r).scale, std::same_as<Q, u8> ? 128 : 0};
  quantize<I>(n, src, dst, q, e);
  return q;
}

IA_NN_END
