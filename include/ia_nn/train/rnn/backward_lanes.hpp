// SPDX-License-Identifier: Apache-2.0
//
// What the derivative of a cell sees (cell_gradient.hpp): some units of one sequence at one time as
// registers.
#pragma once

#include <ia_nn/rnn/lanes.hpp>
#include <ia_nn/train/rnn/packed_weights.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class W> struct backward_lanes {
  using vector = vec<f32, typename W::isa_type>;
  using V = vector;
  static constexpr int outputs = W::gradient_type::outputs;

  f32 const* reserve;        ///< [value][nr]
  f32 const* state;          ///< c(t-1)
  f32 const* now;            ///< h(t), of which `left` units exist
  f32 const* before;         ///< h(t-1), of which `left_before` units exist
  index_t left, left_before; ///< at least a register where more exist
  f32* state_grad;
  f32* carried;
  f32 const* parameters;
  index_t padded;
  bool has_projection;
  V total;        ///< dh
  V out[outputs]; ///< what the cell sets
  V kept;

  IA_NN_INLINE V recorded(int k) const noexcept { return V::load(reserve + k * W::nr); }
  IA_NN_INLINE V dh() const noexcept { return total; }
  IA_NN_INLINE V hidden() const noexcept { return existing(now, left); }
  IA_NN_INLINE V previous_hidden() const noexcept { return existing(before, left_before); }
  IA_NN_INLINE V previous_state() const noexcept { return V::load(state); }
  IA_NN_INLINE V state_gradient() const noexcept { return V::load(state_grad); }
  IA_NN_INLINE void set_state_gradient(V v) const noexcept { v.store(state_grad); }
  IA_NN_INLINE V carry() const noexcept { return V::load(carried); }
  IA_NN_INLINE void set_carry(V v) const noexcept { v.store(carried); }
  IA_NN_INLINE V parameter(int k) const noexcept { return V::load(parameters + k * padded); }
  IA_NN_INLINE bool projects() const noexcept { return has_projection; }
  IA_NN_INLINE void set(int output, V v) noexcept { out[output] = v; }
  IA_NN_INLINE void keep(V v) noexcept { kept = v; }
  static IA_NN_INLINE auto tanh(V v) noexcept { return math::tanh_quotient(v); }

  /// Zeros behind the last of `left` elements.
  static IA_NN_INLINE V existing(f32 const* from, index_t left) noexcept {
    if (left >= V::size) return V::load(from);
    return left > 0 ? V::load(from, left) : V::zero();
  }
};

} // namespace detail

IA_NN_END
