// SPDX-License-Identifier: Apache-2.0
//
// LSTM cells. With s = sigmoid and * element by element:
//
//   i = s(x_i + h_i)   f = s(x_f + h_f)   g = tanh(x_g + h_g)   o = s(x_o + h_o)
//   c(t) = f * c(t-1) + i * g             h(t) = o * tanh(c(t))
//
//   peephole     i and f also see p * c(t-1), o sees p * c(t)     Gers and Schmidhuber 2000
//   coupled      f = 1 - i                                        ONNX input_forget
//   projection   h(t) = P (o * tanh(c(t)))                        a property of the weights: other
//                                                                 cells may have one too
#pragma once

#include <ia_nn/math/long_sum.hpp>
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
    at.record(0, i), at.record(1, f), at.record(2, g), at.record(3, o), at.record(4, c);
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
    struct norm { // the rest is what rounding the mean has left
      V mean, scale, rest;
      IA_NN_INLINE V operator()(V v) const noexcept { return fma(v - mean, scale, rest); }
    };
    auto const norm_of = [&](int count, auto&& value) {
      f32 const elements = static_cast<f32>(count * row.units());
      f32 total = 0; // variance and epsilon
      auto const of_scaled = [&](f32 factor) { // a power of 2
        struct means {
          f32 first, second;
        };
        auto const means_around = [&](V center) { // of differences and their squares
          detail::long_sum<V> all, squares;
          for (int g = 0; g < count; ++g)
            for (index_t j = 0; j < n;) {
              V some = V::zero(), some_squares = V::zero();
              for (index_t const end = min_of(n, j + 8); j < end; ++j) {
                V const d = row.inside(j, value(g, j) * V::broadcast(factor) - center);
                some = some + d, some_squares = fma(d, d, some_squares);
              }
              all.add(some), squares.add(some_squares);
            }
          return means{row.total(all.value()) / elements, row.total(squares.value()) / elements};
        };
        f32 const mean = means_around(V::zero()).first;
        auto const [rest, square] = means_around(V::broadcast(mean));
        f32 const variance = __builtin_fmaf(-rest, rest, square);
        total = (variance < 0 ? 0 : variance) + epsilon * factor * factor;
        V const scale = V::broadcast(1.0F) / sqrt(V::broadcast(total));
        return norm{V::broadcast(mean / factor), scale * V::broadcast(factor),
                    V::broadcast(-rest) * scale};
      };
      norm const usual = of_scaled(1.0F);
      if (total > 0x1p-100F && total < detail::infinity) return usual;
      return of_scaled(total < 1 ? 0x1p100F : 0x1p-80F); // squares vanished, or overflowed
    };
    norm const nx = norm_of(4, [&](int g, index_t j) { return row.x(g, j); });
    norm const nh = norm_of(4, [&](int g, index_t j) { return row.h(g, j); });
    auto const gate = [&](int g, index_t j) {
      V const x = fma(nx(row.x(g, j)), row.parameter(g, j), row.parameter(4 + g, j));
      V const h = fma(nh(row.h(g, j)), row.parameter(8 + g, j), row.parameter(12 + g, j));
      return x + h;
    };
    for (index_t j = 0; j < n; ++j) {
      auto const i = row.sigmoid(gate(0, j)), f = row.sigmoid(gate(1, j));
      auto const g = row.tanh(gate(2, j));
      row.set_state(0, j, math::multiply_add(f, row.state(0, j), i * g));
    }
    norm const nc = norm_of(1, [&](int, index_t j) { return row.state(0, j); });
    for (index_t j = 0; j < n; ++j) {
      V const c = fma(nc(row.state(0, j)), row.parameter(16, j), row.parameter(17, j));
      row.set_hidden(j, row.sigmoid(gate(3, j)) * row.tanh(c));
    }
  }
};

IA_NN_END
