// SPDX-License-Identifier: Apache-2.0
//
// What a recurrent cell is. A cell states how many gates it has and computes one step of some
// hidden units; layers, threads, precisions and instruction sets know no cell.
//
//   struct my_cell {
//     static constexpr char const* name = "my_cell";
//     static constexpr int gates = 2;       // blocks of H rows in W (G*H, I) and U (G*H, H)
//     static constexpr int states = 0;      // vectors of H carried over time, beside h
//     static constexpr int parameters = 0;  // vectors of H beside the weights
//     static constexpr bool bounded = true; // |h| <= 1
//     template <class At> auto step(At& at) const {            // returns h(t)
//       auto const z = at.sigmoid(at.x(0) + at.h(0));
//       return math::interpolate(z, at.hidden(), at.tanh(at.x(1) + at.h(1)));
//     }
//   };
//
// `at` is some units of one sequence at one time, as registers:
//
//   x(g), h(g)                   gate g of W x(t) + b, of U h(t-1)
//   hidden()                     h(t-1)
//   state(k), set_state(k, v)    carried state k
//   parameter(k)                 vector k beside the weights
//   attention()                  a(t) of this sequence
//   sigmoid(v), tanh(v)          quotients (math/quotient.hpp): add and multiply them, a division
//                                is made where a register is needed. Absolute error 6e-7.
//   record(k, v)                 hands a value to a backward pass; does nothing in inference
//
// Optional members, with the values that cell_traits takes for them otherwise:
//
//   early = gates               gates computed from h(t-1); the others are computed, after a second
//                               barrier, from what `prepare(at)` returns, as the reset-before GRU needs
//   kept = 0                    states that live between `prepare` and `step` only; their numbers
//                               follow those of the carried ones
//   recurrent_bias(g) = false   true if b_recurrent of gate g belongs into h(g), not into x(g)
//   attends                     there if the cell reads attention()
//   projectable = true          h may be projected: false for cells that read hidden()
//   by_row                      there if the cell has step_row(row) instead of step: all units of a
//                               sequence at once, for statistics over units
#pragma once

#include <ia_nn/math/quotient.hpp>

#include <ia_nn/begin.hpp>

/// A recurrent cell: see the head of this file.
template <class C>
concept recurrent_cell = requires {
  { C::gates } -> std::convertible_to<int>;
  { C::states } -> std::convertible_to<int>;
  { C::parameters } -> std::convertible_to<int>;
  { C::bounded } -> std::convertible_to<bool>;
} && (C::gates >= 1 && C::gates <= 8);

/// The activations of `at`; any other type is called with a register.
struct default_sigmoid {};
struct default_tanh {};

namespace detail {

template <class Cell> struct cell_traits {
  static constexpr int gates = Cell::gates;
  static constexpr int early = [] {
    if constexpr (requires { Cell::early; }) return Cell::early;
    else return Cell::gates;
  }();
  static constexpr int late = gates - early;
  static constexpr int kept = [] {
    if constexpr (requires { Cell::kept; }) return Cell::kept;
    else return 0;
  }();
  static constexpr int slots = 1 + Cell::states + kept; ///< h, the carried states, the kept ones
  static constexpr bool by_row = requires { Cell::by_row; };
  static constexpr bool attends = requires { Cell::attends; };
  static constexpr bool projectable = [] {
    if constexpr (requires { Cell::projectable; }) return Cell::projectable;
    else return true;
  }();
  static constexpr bool recurrent_bias(int g) noexcept {
    if constexpr (requires { Cell::recurrent_bias(0); }) return Cell::recurrent_bias(g);
    else return false;
  }
  static constexpr bool any_recurrent_bias = [] {
    for (int g = 0; g < gates; ++g)
      if (recurrent_bias(g)) return true;
    return false;
  }();
  static_assert(early >= 1 && early <= gates);
  static_assert(!by_row || late == 0, "ia_nn: a cell with step_row has one product a step");
};

template <class F, class At, class V>
IA_NN_INLINE auto activate(F const& f, At const& at, V v) noexcept {
  if constexpr (std::same_as<F, default_sigmoid>) return at.sigmoid(v);
  else if constexpr (std::same_as<F, default_tanh>) return at.tanh(v);
  else return f(v);
}

template <class V> IA_NN_INLINE V clamp(V v, f32 limit) noexcept {
  return max(V::broadcast(-limit), min(V::broadcast(limit), v));
}
// 0 means no limit.
template <class V> IA_NN_INLINE V clip(V v, f32 limit) noexcept {
  return limit > 0 ? clamp(v, limit) : v;
}

} // namespace detail

IA_NN_END
