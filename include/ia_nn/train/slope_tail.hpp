// SPDX-License-Identifier: Apache-2.0
//
// What happens to a gradient for a layer's source before it is stored: it is multiplied by the slope
// of the activation in front of the layer, and added to what is there.
//
//   x -> relu -> y -> layer          layer.run(..., write_to(diff_x), slope_tail{y, slope::relu{}}, ...)
//
// The results are still in registers or in the first cache then: a pass over both arrays less.
#pragma once

#include <ia_nn/gemm/epilogue.hpp>
#include <ia_nn/train/activation.hpp>

#include <ia_nn/begin.hpp>

/// Nothing in front.
struct no_tail {};

/// The activation that wrote the source of a layer. `value` is what `slope` asks for
/// (train/activation.hpp), an array like the source. The results have the bits of the layer's gradient
/// and `activation_backward` behind it.
template <class F> struct slope_tail {
  f32 const* value;
  F slope;
};
template <class F> slope_tail(f32 const*, F) -> slope_tail<F>;
template <class F> slope_tail(f32*, F) -> slope_tail<F>;

namespace detail {

template <class Tail> inline constexpr bool is_tail = false;
template <> inline constexpr bool is_tail<no_tail> = true;
template <class F> inline constexpr bool is_tail<slope_tail<F>> = true;

/// The last stage of a chain that computes a gradient for a source. Rows are ld elements apart.
template <class Tail> struct source_stage {
  Tail tail;
  gradient to;
  index_t ld = 0;

  /// True if sums are stored as they are.
  bool plain() const noexcept { return std::same_as<Tail, no_tail> && !to.add; }
  /// The stage for rows `apart` elements apart, the first of which begins at `element`.
  source_stage at(index_t element, index_t apart) const noexcept {
    source_stage s = *this;
    s.ld = apart;
    s.to.data += element;
    if constexpr (!std::same_as<Tail, no_tail>) s.tail.value += element;
    return s;
  }
  template <vector_register V, class At> IA_NN_INLINE V operator()(V v, At place) const noexcept {
    if constexpr (!std::same_as<Tail, no_tail>)
      v = tail.slope(place.template matrix<V>(tail.value, ld), v);
    if (to.add) v = place.template matrix<V>(to.data, ld) + rounded(v); // as in deliver()
    return v;
  }
};
template <class Tail> source_stage(Tail, gradient) -> source_stage<Tail>;

/// Calls f(chain_at), where chain_at(element, ld) is the chain for rows that begin at an element: an
/// empty one if nothing happens to the sums, so that kernels store them from their registers.
template <class Tail, class F> void with_source_chain(Tail const& tail, gradient const& to, F&& f) noexcept {
  static_assert(is_tail<Tail>, "ia_nn: the tail of a gradient must be no_tail or a slope_tail");
  source_stage<Tail> const stage{tail, to, 0};
  if constexpr (std::same_as<Tail, no_tail>)
    if (stage.plain()) return f([](index_t, index_t) { return chain<>{}; });
  f([&](index_t element, index_t ld) { return chain{stage.at(element, ld)}; });
}

} // namespace detail

IA_NN_END
