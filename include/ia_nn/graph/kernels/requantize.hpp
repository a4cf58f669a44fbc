// SPDX-License-Identifier: Apache-2.0
//
// From exact sums of 8-bit products to what a step writes. In f32, in this order, the same on every
// instruction set:
//
//   v    fma(f32(sum), scale[c], offset[c])     scale(src) scale(weights, c) and the batch norm; the
//                                               bias and the batch norm
//   v    the stages, one after the other; an operand in 8 bits is f32(q - zero point) scale
//   u8   saturate(round(v / scale(dst)) + zero point)
//
// Where stages keep units (bounds, sums with other 8-bit values, leaky relu, batch norm) all of it is
// in steps of the result: scale(dst) is divided into the numbers of the stages when they are loaded,
// and bounds at the end are those of the clamp that saturates in any case. Behind others (gelu, swish,
// sigmoid) v is multiplied by 1 / scale(dst).
#pragma once

#include <ia_nn/graph/kernels/weights.hpp>
#include <ia_nn/int8/weights.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// How a register of results becomes bytes.
struct byte_range {
  f32 factor = 1;     ///< steps in one unit of v, where stages did not keep units
  f32 low = 0, high = 0; ///< in steps, less the zero point
  s32 zero = 0;
};

/// The epilogue of a kernel with 8-bit results.
template <class Tail> struct requantized {
  static constexpr bool empty = false;
  f32 const *scale, *offset; ///< of each channel
  Tail stages;
  byte_range to;

  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    using F = decltype(::ia_nn::detail::as_f32(v));
    F y = stages(fma(::ia_nn::detail::as_f32(v), at.template columns<F>(scale), at.template columns<F>(offset)),
                 at);
    if constexpr (!Tail::keeps_units) y = y * F::broadcast(to.factor);
    y = max(F::broadcast(to.low), min(F::broadcast(to.high), y));
    auto const q = to_s32(y);
    return ::ia_nn::detail::in_byte_range<decltype(q + q)>{q + q.broadcast(to.zero)};
  }
};

namespace detail {

/// What the stages of a step count in: steps of its result, or 1.
inline f32 unit_of_stages(plan_view const& v, step const& t,
                          std::vector<quantization> const& scalings) {
  return stages_keep_units(v.nodes, t) ? scalings[static_cast<std::size_t>(t.out)].scale : 1.0F;
}
/// A stage that counts in steps of `unit`. Offsets of a batch norm have been divided by it.
inline stage_data in_units(stage_data s, f32 unit) {
  if (unit == 1) return s;
  switch (s.kind) {
  case stage_kind::function:
    if (s.act == function::clip) s.a /= unit, s.b /= unit;
    if (s.act == function::linear) s.b /= unit;
    break;
  case stage_kind::add:
  case stage_kind::subtract:
  case stage_kind::subtract_from:
  case stage_kind::minimum:
  case stage_kind::maximum:
    s.operand_scale /= unit;
    break;
  default:
    break;
  }
  return s;
}

template <byte_element C> byte_range byte_range_of(kernel_loader const& l) {
  quantization const q = l.result_scaling();
  step const& t = l.what();
  bool const keeps = stages_keep_units(l.plan.nodes, t);
  byte_range to{keeps ? 1.0F : 1.0F / q.scale,
                static_cast<f32>(::ia_nn::detail::lowest_byte<C> - q.zero_point),
                static_cast<f32>(::ia_nn::detail::highest_byte<C> - q.zero_point), q.zero_point};
  for (int k = t.stages.count; keeps && k-- > 0 && is_clip(t.stages[k]);) {
    bounds const b = bounds_of(t.stages[k]);
    auto const within = [&](f32 x) { return x < to.low ? to.low : x > to.high ? to.high : x; };
    f32 const low = within(b.lo / q.scale), high = within(b.hi / q.scale);
    to.low = low < high ? low : high, to.high = high; // of bounds in the wrong order clip takes the upper
  }
  return to;
}

/// What follows the sums of a kernel with 8-bit weights: to C, bytes or floating-point numbers.
template <element C> struct quantized_channels {
  channel_affine channels;
  byte_range to{};

  quantized_channels(kernel_loader const& l, quantized_weights const& w)
      : channels(l, l.what().batch_norm, w.filters,
                 [&, scale = static_cast<double>(l.source_scaling().scale)](index_t c) {
                   return scale * static_cast<double>(w.scales[c]);
                 },
                 static_cast<double>(stages_keep_units(l.plan.nodes, l.what()) ? l.result_scaling().scale
                                                                          : 1.0F)) {
    if constexpr (byte_element<C>) to = byte_range_of<C>(l);
  }
  template <class Tail> auto then(Tail const& tail) const noexcept {
    if constexpr (byte_element<C>)
      return requantized<Tail>{channels.scale.data(), channels.offset.data(), tail, to};
    else return channels.then(tail);
  }
};

template <class T> std::span<T const> all_of(aligned_array<T> const& a) noexcept {
  return {a.data(), static_cast<std::size_t>(a.size())};
}
/// What f gives. Its errors, "ia_nn: quantize_weights: ...", name the layer in place of the function.
template <class F> auto in_layer(kernel_loader const& l, F const& f) {
  IA_NN_TRY { return f(); }
  IA_NN_CATCH(error const& e) {
    std::string const why = e.what();
    throw_error(e.code(), l.who() + why.substr(why.find(": ", why.find(": ") + 2)));
  }
}
/// Weights in 8 bits, `channels` filters as they lie. Errors: errc::bad_parameter (weights that are NaN
/// or infinite), with the layer.
inline quantized_weights quantized_of(kernel_loader const& l, std::vector<f32> const& w,
                                      index_t channels) {
  attribute_set const& a = l.layer.attributes;
  return in_layer(l, [&] {
    return quantize_weights(w, channels, {}, 1, a.one_weight_scale, a.weights_up_to);
  });
}
/// The same for products with data of type A. Errors: also sums that may not fit s32.
template <byte_element A>
quantized_weights bytes_of(kernel_loader const& l, std::vector<f32> const& w, index_t channels) {
  quantized_weights q = quantized_of(l, w, channels);
  ::ia_nn::detail::check_sums<A>(l.who().c_str(), q, l.source_scaling().zero_point);
  return q;
}
/// Weights for data whose scale is found at run time: its zero point is in the middle.
struct dynamic_weights {
  quantized_weights bytes;
  channel_affine channels; ///< what sums, times the scale of the data, are multiplied by

  dynamic_weights(kernel_loader const& l, std::vector<f32> const& w, index_t count)
      : bytes(bytes_of<s8>(l, w, count)),
        channels(l, l.what().batch_norm, count,
                 [&](index_t c) { return static_cast<double>(bytes.scales[c]); }, 1.0) {}
};

} // namespace detail
} // namespace graph
IA_NN_END
