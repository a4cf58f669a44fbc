// SPDX-License-Identifier: Apache-2.0
//
// The derivatives of recurrent cells (rnn/lstm.hpp, gru.hpp, vanilla.hpp have the cells themselves).
// `cell_gradient<Cell>` says what a cell records for its backward pass and computes one step of it for
// some units. dx is the gradient of x, a_g the sum that goes into the activation of gate g.
//
//   LSTM     dc = dh o (1 - tanh(c)^2) + dc(t+1) f(t+1)   da_i = dc g i (1 - i)   da_g = dc i (1 - g^2)
//            da_o = dh tanh(c) o (1 - o)                  da_f = dc c(t-1) f (1 - f)
//   GRU      da_n = dh (1 - z) (1 - n^2)   da_z = dh (h(t-1) - n) z (1 - z)   dh(t-1) = dh z + ...
//            linear before reset   da_r = da_n hn r (1 - r), and hn = U_n h(t-1) + b_n gets da_n r
//            reset before          da_r = drh h(t-1) r (1 - r), drh = U_n^T da_n being that of r h(t-1)
//   vanilla  tanh: da = dh (1 - h^2)       relu: da = dh where h > 0, else 0
//
// Members of a specialization:
//
//   slots               values of a unit that the cell records (its reserve)
//   state_slot          which of them is the carried state c, or -1
//   outputs             gradients of sums that a unit has; they are the columns of one matrix
//   input_of[g]         the output that is the gradient of gate g of W x + b
//   recurrent_of[g]     the same of U h(t-1) + b
//   carries             dh(t-1) has a part beside the product with the recurrent weights
//   keeps               keep() is called: a value whose product with gradients is that of weights
//   projectable         h may be projected: `step` needs no h(t), and keeps what is projected
//   step(cell, at)      everything that needs no second product
//   late(cell, at, d)   what follows U_n^T da_n, of cells with late gates
//
// `at` has recorded(k), dh(), hidden() = h(t), previous_hidden() = h(t-1), previous_state() = c(t-1),
// state_gradient() and set_state_gradient(), parameter(k), set(output, v), carry(), set_carry(v), keep(v).
#pragma once

#include <ia_nn/math/activation.hpp>
#include <ia_nn/rnn/gru.hpp>
#include <ia_nn/rnn/lstm.hpp>
#include <ia_nn/rnn/vanilla.hpp>

#include <ia_nn/begin.hpp>

/// The backward pass of a cell; specialize it for a cell of your own.
template <class Cell> struct cell_gradient {};

namespace detail {

// s (1 - s) and 1 - t^2: derivatives by the results.
template <class V> IA_NN_INLINE V sigmoid_slope(V s) noexcept {
  return s * (V::broadcast(1.0F) - s);
}
template <class V> IA_NN_INLINE V tanh_slope(V t) noexcept { return V::broadcast(1.0F) - t * t; }

template <class Cell>
concept trainable_cell = recurrent_cell<Cell> && requires { cell_gradient<Cell>::slots; };

} // namespace detail

template <bool Peephole, bool Coupled> struct cell_gradient<basic_lstm<Peephole, Coupled>> {
  using cell = basic_lstm<Peephole, Coupled>;
  static constexpr int slots = 5, state_slot = 4, outputs = 4; ///< i f g o c
  static constexpr int input_of[] = {0, 1, 2, 3}, recurrent_of[] = {0, 1, 2, 3};
  static constexpr bool carries = false, keeps = false, projectable = true;

  static bool supports(cell const& c) noexcept { return c.clip == 0 && c.clip_input == 0; }

  template <class At> static IA_NN_INLINE void step(cell const&, At& at) noexcept {
    using V = typename At::vector;
    V const i = at.recorded(0), f = at.recorded(1), g = at.recorded(2), o = at.recorded(3);
    V const c0 = at.previous_state(), dh = at.dh();
    V const t = math::register_of(at.tanh(at.recorded(4)));
    V const out = dh * t * detail::sigmoid_slope(o);
    V dc = fma(dh * o, detail::tanh_slope(t), at.state_gradient());
    if constexpr (Peephole) dc = fma(out, at.parameter(2), dc);
    V const in = dc * (Coupled ? g - c0 : g) * detail::sigmoid_slope(i);
    V const forget = Coupled ? V::zero() : dc * c0 * detail::sigmoid_slope(f);
    V before = dc * f;
    if constexpr (Peephole) {
      before = fma(in, at.parameter(0), before);
      before = fma(forget, at.parameter(1), before);
    }
    at.set_state_gradient(before);
    at.set(0, in), at.set(1, forget), at.set(2, dc * i * detail::tanh_slope(g)), at.set(3, out);
    if (at.projects()) at.keep(o * t);
  }
};

template <> struct cell_gradient<gru> {
  static constexpr int slots = 4, state_slot = -1, outputs = 4; ///< r z n hn
  static constexpr int input_of[] = {0, 1, 2}, recurrent_of[] = {0, 1, 3};
  static constexpr bool carries = true, keeps = false, projectable = false;

  static bool supports(gru const& c) noexcept { return c.clip_input == 0; }

  template <class At> static IA_NN_INLINE void step(gru const&, At& at) noexcept {
    using V = typename At::vector;
    V const r = at.recorded(0), z = at.recorded(1), n = at.recorded(2), hn = at.recorded(3);
    V const dh = at.dh(), one = V::broadcast(1.0F);
    V const candidate = dh * (one - z) * detail::tanh_slope(n);
    at.set(0, candidate * hn * detail::sigmoid_slope(r));
    at.set(1, dh * (at.previous_hidden() - n) * detail::sigmoid_slope(z));
    at.set(2, candidate);
    at.set(3, candidate * r);
    at.set_carry(dh * z);
  }
};

template <> struct cell_gradient<gru_reset_before> {
  static constexpr int slots = 3, state_slot = -1, outputs = 3; ///< r z n
  static constexpr int input_of[] = {0, 1, 2}, recurrent_of[] = {0, 1, 2};
  static constexpr bool carries = true, keeps = true, projectable = false;

  static bool supports(gru_reset_before const& c) noexcept { return c.clip_input == 0; }

  template <class At> static IA_NN_INLINE void step(gru_reset_before const&, At& at) noexcept {
    using V = typename At::vector;
    V const z = at.recorded(1), n = at.recorded(2), dh = at.dh(), h0 = at.previous_hidden();
    at.set(1, dh * (h0 - n) * detail::sigmoid_slope(z));
    at.set(2, dh * (V::broadcast(1.0F) - z) * detail::tanh_slope(n));
    at.set_carry(dh * z);
    at.keep(at.recorded(0) * h0);
  }
  // d: the gradient of r * h(t-1).
  template <class At>
  static IA_NN_INLINE void late(gru_reset_before const&, At& at, typename At::vector d) noexcept {
    auto const r = at.recorded(0);
    at.set(0, d * at.previous_hidden() * detail::sigmoid_slope(r));
    at.set_carry(fma(d, r, at.carry()));
  }
};

namespace detail {
struct vanilla_gradient {
  static constexpr int slots = 0, state_slot = -1, outputs = 1;
  static constexpr int input_of[] = {0}, recurrent_of[] = {0};
  static constexpr bool carries = false, keeps = false, projectable = false;
  template <class Cell> static bool supports(Cell const& c) noexcept { return c.clip_input == 0; }
};
} // namespace detail

template <> struct cell_gradient<vanilla<>> : detail::vanilla_gradient {
  template <class At> static IA_NN_INLINE void step(vanilla<> const&, At& at) noexcept {
    at.set(0, at.dh() * detail::tanh_slope(at.hidden()));
  }
};
template <> struct cell_gradient<vanilla<activation::relu>> : detail::vanilla_gradient {
  template <class At>
  static IA_NN_INLINE void step(vanilla<activation::relu> const&, At& at) noexcept {
    using V = typename At::vector;
    at.set(0, select(V::zero() < at.hidden(), at.dh(), V::zero()));
  }
};

IA_NN_END
