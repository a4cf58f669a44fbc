// SPDX-License-Identifier: Apache-2.0
//
// What the oracle has to know about a cell of the library: its formula, limits and activations.
#pragma once

#include "oracle/rnn.hpp"

#include <ia_nn/rnn/rnn.hpp>

#include <algorithm>
#include <cmath>

namespace ia_nn_test {

namespace activation = ia_nn::activation;

using exact_function = std::function<double(double)>;
inline exact_function exact(ia_nn::default_sigmoid) {
  return [](double v) { return 1 / (1 + std::exp(-v)); };
}
inline exact_function exact(ia_nn::default_tanh) {
  return [](double v) { return std::tanh(v); };
}
inline exact_function exact(activation::relu) {
  return [](double v) { return std::max(v, 0.0); };
}
inline exact_function exact(activation::sigmoid<ia_nn::precise>) {
  return exact(ia_nn::default_sigmoid{});
}
inline exact_function exact(activation::hard_sigmoid f) {
  return [f](double v) {
    return std::min(1.0,
                    std::max(0.0, static_cast<double>(f.alpha) * v + static_cast<double>(f.beta)));
  };
}

template <bool Peephole, bool Coupled, class G, class C, class O>
void describe(rnn_reference& r, ia_nn::basic_lstm<Peephole, Coupled, G, C, O> const& cell) {
  r.cell = rnn_cell::lstm, r.coupled = Coupled;
  r.clip = static_cast<double>(cell.clip), r.clip_input = static_cast<double>(cell.clip_input);
  r.gate = exact(cell.gate), r.candidate = exact(cell.candidate), r.output = exact(cell.output);
}
inline void describe(rnn_reference& r, ia_nn::lstm_layer_norm const& cell) {
  r.cell = rnn_cell::lstm_layer_norm, r.epsilon = static_cast<double>(cell.epsilon);
}
template <bool Attention, class G, class C>
void describe(rnn_reference& r, ia_nn::basic_gru<Attention, G, C> const& cell) {
  r.cell = rnn_cell::gru, r.clip_input = static_cast<double>(cell.clip_input);
  r.gate = exact(cell.gate), r.candidate = exact(cell.candidate);
}
template <bool Attention, class G, class C>
void describe(rnn_reference& r, ia_nn::basic_gru_reset_before<Attention, G, C> const& cell) {
  r.cell = rnn_cell::gru_reset_before, r.clip_input = static_cast<double>(cell.clip_input);
  r.gate = exact(cell.gate), r.candidate = exact(cell.candidate);
}
template <class F> void describe(rnn_reference& r, ia_nn::vanilla<F> const& cell) {
  r.cell = rnn_cell::vanilla, r.clip_input = static_cast<double>(cell.clip_input);
  r.candidate = exact(cell.activation);
}

} // namespace ia_nn_test
