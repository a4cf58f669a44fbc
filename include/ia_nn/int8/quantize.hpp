// SPDX-License-Identifier: Apache-2.0
//
// f32 -> 8 bits -> f32, sums -> 8 bits, 8 bits -> 8 bits. The formulas, in f32 and in this order:
//
//   quantize       q = saturate(round(x / scale) + zero_point)          a true division, as in ONNX
//   dequantize     x = (q - zero_point) * scale
//   requantize     q = saturate(round(f32(sum) * factor) + zero_point)
//   rescale        q = saturate(round((p - zero_point(p)) * (scale(p) / scale(q))) + zero_point(q))
//
// round is to nearest, ties to even. Values are clamped as f32, before they become integers: an
// infinity saturates on its side, NaN becomes the zero point. The bits are the same on every
// instruction set and for every number of workers.
//
// Multiplying by 1 / scale instead of dividing is off by one where x / scale lies next to a tie.
// docs/quantization.md has what the division costs.
//
// Every function takes one quantization for the whole tensor, or parameters per channel (`scales`,
// and `zero_points`, which may be null for 0) with a channel_layout. Preconditions: those of
// quantization::check, which is for set-up. They allocate nothing and throw nothing.
#pragma once

#include <ia_nn/int8/map.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <ia_nn/begin.hpp>

/// Parameters of channels that somebody else owns; zero_points null means 0 everywhere.
struct channel_quantization {
  f32 const* scales = nullptr;
  s32 const* zero_points = nullptr;

  /// Errors: errc::bad_pointer without scales, else those of quantization::check, for each channel.
  template <byte_element Q> void check(char const* who, index_t channels) const {
    if (!scales) throw_error(errc::bad_pointer, std::string(who) + ": the scales are null");
    for (index_t c = 0; c < channels; ++c) {
      quantization::check_scale(who, scales[c]);
      if (zero_points) quantization::check_zero_point<Q>(who, zero_points[c]);
    }
  }
};

namespace detail {

template <class V> struct scale_and_zero {
  V scale, zero;
};
// The parameters of channels as registers. Without zero points the store alone rounds: that is one
// rounding of the same number, and two operations less.
template <bool HasZero> struct channel_map {
  f32 const* scales;
  s32 const* zero_points;
  template <class V, class P> IA_NN_INLINE scale_and_zero<V> state(P const& p) const noexcept {
    if constexpr (HasZero) return {p(scales), p(zero_points)};
    else return {p(scales), V::zero()};
  }
};

// NaN becomes 0, and with it the zero point.
template <class V> IA_NN_INLINE V nan_to_zero(V x) noexcept { return select(x == x, x, V::zero()); }

template <bool HasZero> struct quantize_map : channel_map<HasZero> {
  template <class V> IA_NN_INLINE V apply(scale_and_zero<V> const& s, V x) const noexcept {
    if constexpr (HasZero) return round(nan_to_zero(x / s.scale)) + s.zero;
    else return nan_to_zero(x / s.scale);
  }
};
template <bool HasZero> struct dequantize_map : channel_map<HasZero> {
  template <class V> IA_NN_INLINE V apply(scale_and_zero<V> const& s, V q) const noexcept {
    if constexpr (HasZero) return (q - s.zero) * s.scale;
    else return q * s.scale;
  }
};
template <bool HasZero> struct requantize_map : channel_map<HasZero> {
  template <class V> IA_NN_INLINE V apply(scale_and_zero<V> const& s, V sum) const noexcept {
    if constexpr (HasZero) return round(sum * s.scale) + s.zero;
    else return sum * s.scale;
  }
};

struct rescale_map {
  f32 factor, from_zero, to_zero;
  template <class V, class P> IA_NN_INLINE scale_and_zero<V> state(P const&) const noexcept {
    return {V::broadcast(factor), V::broadcast(to_zero)};
  }
  template <class V> IA_NN_INLINE V apply(scale_and_zero<V> const& s, V q) const noexcept {
    return round((q - V::broadcast(from_zero)) * s.scale) + s.zero;
  }
};

template <isa::tag I, template <bool> class Map, class From, class To, class E>
void map_quantized(From const* src, To* dst, channel_layout const& l, channel_quantization const& q,
                   E& e) noexcept {
  IA_NN_ASSERT(l.size() == 0 || (src && dst && q.scales),
               "quantize: an array or the scales are null");
  if (q.zero_points) map_channels<I>(Map<true>{{q.scales, q.zero_points}}, src, dst, l, e);
  else map_channels<I>(Map<false>{{q.scales, nullptr}}, src, dst, l, e);
}

constexpr channel_quantization one_channel(f32 const& scale, s32 const& zero_point) noexcept {
  return {&scale, zero_point == 0 ? nullptr : &zero_point};
}

} // namespace detail

/// f32 -> u8 or s8.
template <isa::tag I, byte_element Q, executor E = sequential>
void quantize(channel_layout const& l, f32 const* src, Q* dst, channel_quantization const& q,
              E&& e = {}) noexcept {
  detail::map_quantized<I, detail::quantize_map>(src, dst, l, q, e);
}
template <isa::tag I, byte_element Q, executor E = sequential>
void quantize(index_t n, f32 const* src, Q* dst, quantization const& q, E&& e = {}) noexcept {
  quantize<I>(channel_layout{1, 1, n}, src, dst, detail::one_channel(q.scale, q.zero_point), e);
}

/// u8, s8 or s32 (sums, whose zero point is 0) -> f32.
template <isa::tag I, element Q, executor E = sequential>
  requires(byte_element<Q> || std::same_as<Q, s32>)
void dequantize(channel_layout const& l, Q const* src, f32* dst, channel_quantization const& q,
                E&& e = {}) noexcept {
  detail::map_quantized<I, detail::dequantize_map>(src, dst, l, q, e);
}
template <isa::tag I, element Q, executor E = sequential>
  requires(byte_element<Q> || std::same_as<Q, s32>)
void dequantize(index_t n, Q const* src, f32* dst, quantization const& q, E&& e = {}) noexcept {
  dequantize<I>(channel_layout{1, 1, n}, src, dst, detail::one_channel(q.scale, q.zero_point), e);
}

/// s32 -> u8 or s8. `factors.scales` are scale(a) * scale(b, channel) / scale(dst).
template <isa::tag I, byte_element Q, executor E = sequential>
void requantize_sums(channel_layout const& l, s32 const* src, Q* dst,
                     channel_quantization const& factors, E&& e = {}) noexcept {
  detail::map_quantized<I, detail::requantize_map>(src, dst, l, factors, e);
}
template <isa::tag I, byte_element Q, executor E = sequential>
void requantize_sums(index_t n, s32 const* src, Q* dst, f32 factor, s32 zero_point,
                     E&& e = {}) noexcept {
  requantize_sums<I>(channel_layout{1, 1, n}, src, dst, detail::one_channel(factor, zero_point), e);
}

/// u8 or s8 -> u8 or s8 with another scale or zero point.
template <isa::tag I, byte_element From, byte_element To, executor E = sequential>
void rescale(index_t n, From const* src, To* dst, quantization const& from, quantization const& to,
             E&& e = {}) noexcept {
  IA_NN_ASSERT(n == 0 || (src && dst), "rescale: an array is null");
  detail::rescale_map const map{from.scale / to.scale, static_cast<f32>(from.zero_point),
                                static_cast<f32>(to.zero_point)};
  detail::map_channels<I>(map, src, dst, channel_layout{1, 1, n}, e);
}

IA_NN_END
