// SPDX-License-Identifier: Apache-2.0
//
// LSTM cells. With s = sigmoid and * element by element:
//
//   i = s(x_i + h_i)   f = s(x_f + h_f)   g = tanh(x_g + h_g)   o = s(x_o + h_o)
//   c(t) = f * c(t-1) + i * g             h(t) = o * tanh(c(t))
//
//   peephole   i and f also see p * c(t-1), o sees p * c(t)       (Gers and Schmidhuber 2000)
//   coupled    f = 1 - i                                          (ONNX input_forget)
//   projection h(t) = P (o * tanh(c(t))): a property of the weights, any cell may have one
#pragma once

#include <ia_nn/rnn/cell.hpp>

#include <ia_nn/begin.hpp>

/// Gate order i f g o. Gate, Candidate and Output are activations: default_sigmoid, default_tanh,
/// or callable with a register.
template <bool Peephole, bool Coupled, class Gate = default_sigmoid, class Candidate = default_tanh,
          class Output = default_tanh>
struct basic_lstm {
  static constexpr char const* name = Peephole  ? "lstm_peephole"
                                      : Coupled ? "lstm_coupled"
                                                : "lstm";
  static constexpr int gates = 4, states = 1;
  static constexpr int parameters = Peephole ? 3 : 0; ///< peepholes of i, f, o
  static constexpr bool bounded =
      std::same_as<Gate, default_sigmoid> && std::same_as<Output, default_tanh>;

  f32 clip = 0;       ///< c(t) is kept within [-clip, clip]; 0 for no limit. A NaN stays one.
  f32 clip_input = 0; ///< the same for the inputs of the activations of gates (ONNX `clip`)
  [[no_unique_address]] Gate gate{};
  [[no_unique_address]] Candidate candidate{};
  [[no_unique_address]] Output output{};

  template <class At> IA_NN_INLINE auto step(At& at) const noexcept {
    auto const c0 = at.state(0);
    auto in = at.x(0) + at.h(0), forget = at.x(1) + at.h(1);
    if constexpr (Peephole) {
      in = fma(at.parameter(0), c0, in);
      forget = fma(at.parameter(1), c0, forget);
    }
    auto const i = detail::activate(gate, at, detail::clip(in, clip_input));
    auto const f = [&] {
      if constexpr (Coupled) return std::remove_cvref_t<decltype(c0)>::broadcast(1.0F) - i;
      else return detail::activate(gate, at, detail::clip(forget, clip_input));
    }();
    auto const g = detail::activate(candidate, at, detail::clip(at.x(2) + at.h(2), clip_input));
    decltype(in) const c = detail::clip<decltype(in)>(math::multiply_add(f, c0, i * g), clip);
    at.set_state(0, c);
    auto out = at.x(3) + at.h(3);
    if constexpr (Peephole) out = fma(at.parameter(2), c, out);
    auto const o = detail::activate(gate, at, detail::clip(out, clip_input));
    at.record(0, i), at.record(1, f), at.record(2, g), at.record(3, o);
    return o * detail::activate(output, at, c);
  }
};

template <class Gate = default_sigmoid, class Candidate = default_tanh, class Output = default_tanh>
using lstm_cell = basic_lstm<false, false, Gate, Candidate, Output>;
using lstm = lstm_cell<>;
using lstm_peephole = basic_lstm<true, false>;
using lstm_coupled = basic_lstm<false, true>;

/// LSTM with layer normalization (Ba, Kiros, Hinton 2016): the input part and the recurrent part of
/// all four gates are normalized as one vector each, then c(t) before its tanh.
///
/// Parameters: gamma of the input part (i f g o), beta of it, gamma and beta of the recurrent part,
/// gamma and beta of c: 18 vectors of H. Biases of the weights are added before normalizing.
struct lstm_layer_norm {
  static constexpr char const* name = "lstm_layer_norm";
  static constexpr int gates = 4, states = 1, parameters = 18;
  static constexpr bool bounded = true;
  static constexpr bool by_row = true;
  static constexpr bool recurrent_bias(int) noexcept { return true; }

  f32 epsilon = 1e-5F;

  template <class Row> void step_row(Row& row) const noexcept {
    using V = typename Row::vector;
    index_t const n = row.vectors();
    auto const moments = [&](int count, auto&& value) {
      V sum = V::zero(), squares = V::zero();
      for (int g = 0; g < count; ++g)
        for (index_t j = 0; j < n; ++j) sum = sum + row.inside(j, value(g, j));
      f32 const elements = static_cast<f32>(count * row.units());
      V const mean = V::broadcast(row.total(sum) / elements);
      for (int g = 0; g < count; ++g)
        for (index_t j = 0; j < n; ++j) {
          V const d = row.inside(j, value(g, j) - mean);
          squares = fma(d, d, squares);
        }
      f32 const variance = row.total(squares) / elements;
      struct result {
        V mean, scale;
      };
      return result{mean, V::broadcast(1.0F) / sqrt(V::broadcast(variance + epsilon))};
    };
    auto const mx = moments(4, [&](int g, index_t j) { return row.x(g, j); });
    auto const mh = moments(4, [&](int g, index_t j) { return row.h(g, j); });
    auto const gate = [&](int g, index_t j) {
      V const x =
          fma((row.x(g, j) - mx.mean) * mx.scale, row.parameter(g, j), row.parameter(4 + g, j));
      V const h = fma((row.h(g, j) - mh.mean) * mh.scale, row.parameter(8 + g, j),
                      row.parameter(12 + g, j));
      return x + h;
    };
    for (index_t j = 0; j < n; ++j) {
      auto const i = row.sigmoid(gate(0, j)), f = row.sigmoid(gate(1, j));
      auto const g = row.tanh(gate(2, j));
      row.set_state(0, j, math::multiply_add(f, row.state(0, j), i * g));
    }
    auto const mc = moments(1, [&](int, index_t j) { return row.state(0, j); });
    for (index_t j = 0; j < n; ++j) {
      V const c =
          fma((row.state(0, j) - mc.mean) * mc.scale, row.parameter(16, j), row.parameter(17, j));
      row.set_hidden(j, row.sigmoid(gate(3, j)) * row.tanh(c));
    }
  }
};

IA_NN_END
