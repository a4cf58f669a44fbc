// SPDX-License-Identifier: Apache-2.0
//
// GRU cells. With s = sigmoid and * element by element:
//
//   r = s(x_r + h_r)   z = s(x_z + h_z)   h(t) = (1 - z) * n + z * h(t-1)
//
//   linear before reset   n = tanh(x_n + r * (U_n h(t-1) + b_n))   PyTorch, MXNet, oneDNN lbr_gru
//   reset before          n = tanh(x_n + U_n (r * h(t-1)))         default of ONNX, oneDNN gru
//   with attention        (1 - a(t)) * z in the place of z         oneDNN AUGRU
//
// "Reset before" needs all of r * h(t-1) before its second product: two barriers a step.
#pragma once

#include <ia_nn/rnn/cell.hpp>

#include <ia_nn/begin.hpp>

/// Gate order r z n.
template <bool Attention, class Gate = default_sigmoid, class Candidate = default_tanh>
struct basic_gru {
  static constexpr char const* name = Attention ? "augru" : "gru";
  static constexpr int gates = 3, states = 0, parameters = 0;
  static constexpr bool projectable = false; ///< h(t-1) is added to units, so R must be H
  static constexpr bool bounded =
      std::same_as<Gate, default_sigmoid> && std::same_as<Candidate, default_tanh>;
  static constexpr bool recurrent_bias(int g) noexcept { return g == 2; }

  f32 clip_input = 0; ///< limit of the inputs of activations (ONNX `clip`); 0 for none
  [[no_unique_address]] Gate gate{};
  [[no_unique_address]] Candidate candidate{};

  template <class At> IA_NN_INLINE auto step(At& at) const noexcept {
    auto const r = detail::activate(gate, at, detail::clip(at.x(0) + at.h(0), clip_input));
    auto z = detail::activate(gate, at, detail::clip(at.x(1) + at.h(1), clip_input));
    auto const x = at.x(2);
    using V = std::remove_cvref_t<decltype(x)>;
    if constexpr (Attention) z = (V::broadcast(1.0F) - at.attention()) * z;
    V const in = math::multiply_add(r, at.h(2), x);
    auto const n = detail::activate(candidate, at, detail::clip(in, clip_input));
    at.record(0, r), at.record(1, z), at.record(2, n), at.record(3, at.h(2));
    return math::interpolate(z, at.hidden(), n);
  }
};

template <bool Attention, class Gate = default_sigmoid, class Candidate = default_tanh>
struct basic_gru_reset_before {
  static constexpr char const* name = Attention ? "augru_reset_before" : "gru_reset_before";
  static constexpr int gates = 3, states = 0, parameters = 0;
  static constexpr bool projectable = false; ///< h(t-1) is added to units, so R must be H
  static constexpr int early = 2, kept = 1;  ///< z lives between the two products
  static constexpr bool bounded =
      std::same_as<Gate, default_sigmoid> && std::same_as<Candidate, default_tanh>;

  f32 clip_input = 0;
  [[no_unique_address]] Gate gate{};
  [[no_unique_address]] Candidate candidate{};

  template <class At> IA_NN_INLINE auto prepare(At& at) const noexcept {
    auto const r = detail::activate(gate, at, detail::clip(at.x(0) + at.h(0), clip_input));
    auto z = detail::activate(gate, at, detail::clip(at.x(1) + at.h(1), clip_input));
    if constexpr (Attention) z = z - at.attention() * z;
    at.set_state(0, z);
    at.record(0, r), at.record(1, z);
    return r * at.hidden();
  }
  template <class At> IA_NN_INLINE auto step(At& at) const noexcept {
    auto const z = at.state(0);
    auto const n = detail::activate(candidate, at, detail::clip(at.x(2) + at.h(2), clip_input));
    at.record(2, n);
    return math::interpolate(z, at.hidden(), n);
  }
};

/// `attends`: the layer is given a(t) for every sequence.
template <class Base> struct with_attention : Base {
  static constexpr bool attends = true;
};

template <class Gate = default_sigmoid, class Candidate = default_tanh>
using gru_cell = basic_gru<false, Gate, Candidate>;
template <class Gate = default_sigmoid, class Candidate = default_tanh>
using gru_reset_before_cell = basic_gru_reset_before<false, Gate, Candidate>;
using gru = gru_cell<>;
using gru_reset_before = gru_reset_before_cell<>;
using augru = with_attention<basic_gru<true>>;
using augru_reset_before = with_attention<basic_gru_reset_before<true>>;

IA_NN_END
