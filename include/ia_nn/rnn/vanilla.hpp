// SPDX-License-Identifier: Apache-2.0
//
// The vanilla recurrent network: h(t) = f(W x(t) + U h(t-1) + b).
#pragma once

#include <ia_nn/rnn/cell.hpp>

#include <ia_nn/begin.hpp>

/// f is tanh, or any activation: vanilla<activation::relu>.
template <class Activation = default_tanh> struct vanilla {
  static constexpr char const* name = "vanilla";
  static constexpr int gates = 1, states = 0, parameters = 0;
  static constexpr bool bounded = std::same_as<Activation, default_tanh>;

  f32 clip_input = 0; ///< limit of the input of the activation (ONNX `clip`); 0 for none
  [[no_unique_address]] Activation activation{};

  template <class At> IA_NN_INLINE auto step(At& at) const noexcept {
    return detail::activate(activation, at, detail::clip(at.x(0) + at.h(0), clip_input));
  }
};

IA_NN_END
