// SPDX-License-Identifier: Apache-2.0
//
// Operations on quantized tensors that need no products of matrices. In f32, in this order:
//
//   add        f32(a - za) * (scale(a) / scale(y)), then fma(f32(b - zb), scale(b) / scale(y), it),
//              then saturate(round(it) + zy)
//   multiply   saturate(round(f32(a - za) * f32(b - zb) * (scale(a) * scale(b) / scale(y))) + zy)
//   clamp      min(max(q, low), high) in steps: relu is low = zero point
//   concat     along the last axis; sources of another scale or zero point are rescaled, others
//              are copied
//
// Pooling of u8 and s8 is ops/pool.hpp, which takes the zero point, tables are ops/embedding.hpp:
// the quantization passes through. Reshaping and flattening move nothing. For concat, let the layers
// before it write with one quantization, that of `common_range` of theirs: it is then a copy.
#pragma once

#include <ia_nn/int8/quantize.hpp>

#include <span>

#include <ia_nn/begin.hpp>

/// The range that holds all of them.
constexpr value_range common_range(std::span<value_range const> ranges) noexcept {
  value_range all;
  for (value_range const& r : ranges) all.add(r);
  return all;
}

namespace detail {

// a op b, element by element, in registers of f32.
template <isa::tag I, class A, class B, class C, class F, class E>
void map_pairs(A const* a, B const* b, C* y, index_t n, F const& f, E& e) noexcept {
  IA_NN_ASSERT(n == 0 || (a && b && y), "quantized arithmetic: an array is null");
  using V = vec<f32, I>;
  parallel_blocks(e, n, 64, [&](index_t begin, index_t end, int) {
    each_register<V>(begin, end, [&](index_t i, auto at) IA_NN_LAMBDA {
      at.store(f(at.template load<V>(a + i), at.template load<V>(b + i)), y + i);
    });
  });
}

struct clamp_map {
  f32 low, high;
  template <class V, class P> IA_NN_INLINE clamp_map state(P const&) const noexcept {
    return *this;
  }
  template <class V> IA_NN_INLINE V apply(clamp_map const& s, V q) const noexcept {
    return max(V::broadcast(s.low), min(V::broadcast(s.high), q));
  }
};

template <class V> struct add_pairs {
  V fa, fb, za, zb, zy;
  IA_NN_INLINE V operator()(V a, V b) const noexcept {
    return round(fma(b - zb, fb, (a - za) * fa)) + zy;
  }
};
template <class V> struct multiply_pairs {
  V f, za, zb, zy;
  IA_NN_INLINE V operator()(V a, V b) const noexcept { return round((a - za) * (b - zb) * f) + zy; }
};

} // namespace detail

/// y = a + b over n elements, each with its own type and quantization. y may be a or b.
template <isa::tag I, byte_element A, byte_element B, byte_element C, executor E = sequential>
void quantized_add(index_t n, A const* a, quantization const& qa, B const* b,
                   quantization const& qb, C* y, quantization const& qy, E&& e = {}) noexcept {
  using V = vec<f32, I>;
  auto const all = [](auto x) { return V::broadcast(static_cast<f32>(x)); };
  detail::map_pairs<I>(a, b, y, n,
                       detail::add_pairs<V>{all(qa.scale / qy.scale), all(qb.scale / qy.scale),
                                            all(qa.zero_point), all(qb.zero_point),
                                            all(qy.zero_point)},
                       e);
}

/// y = a * b over n elements.
template <isa::tag I, byte_element A, byte_element B, byte_element C, executor E = sequential>
void quantized_multiply(index_t n, A const* a, quantization const& qa, B const* b,
                        quantization const& qb, C* y, quantization const& qy, E&& e = {}) noexcept {
  using V = vec<f32, I>;
  auto const all = [](auto x) { return V::broadcast(static_cast<f32>(x)); };
  detail::map_pairs<I>(a, b, y, n,
                       detail::multiply_pairs<V>{all(qa.scale * qb.scale / qy.scale),
                                                 all(qa.zero_point), all(qb.zero_point),
                                                 all(qy.zero_point)},
                       e);
}

/// relu, and relu bounded by `highest`: the quantization stays. y may be x.
template <isa::tag I, byte_element Q, executor E = sequential>
void quantized_relu(index_t n, Q const* x, Q* y, quantization const& q,
                    f32 highest = __builtin_inff(), E&& e = {}) noexcept {
  IA_NN_ASSERT(n == 0 || (x && y), "quantized_relu: an array is null");
  f32 const zero = static_cast<f32>(q.zero_point);
  f32 const steps = highest / q.scale;
  detail::map_channels<I>(
      detail::clamp_map{zero, steps < 512 ? detail::nearest_even(steps) + zero : 512}, x, y,
      channel_layout{1, 1, n}, e);
}

/// One source of a concat.
template <byte_element Q> struct concat_source {
  Q const* data; ///< [rows][columns]
  index_t columns;
  quantization q{};
};

/// dst [rows][sum of columns] = the sources side by side. With one row (or images one behind the
/// other) this is a concat along the first axis as well.
template <isa::tag I, byte_element Q, executor E = sequential>
void quantized_concat(index_t rows, std::span<concat_source<Q> const> sources, Q* dst,
                      quantization const& q, E&& e = {}) noexcept {
  index_t width = 0;
  for (auto const& s : sources) width += s.columns;
  parallel_blocks(e, rows, 1, [&](index_t begin, index_t end, int) {
    index_t column = 0;
    for (auto const& s : sources) {
      for (index_t r = begin; r < end; ++r) {
        Q const* const from = s.data + r * s.columns;
        Q* const to = dst + r * width + column;
        if (s.q == q) __builtin_memcpy(to, from, static_cast<std::size_t>(s.columns));
        else rescale<I>(s.columns, from, to, s.q, q);
      }
      column += s.columns;
    }
  });
}

IA_NN_END
