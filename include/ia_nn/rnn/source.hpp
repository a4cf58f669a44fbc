// SPDX-License-Identifier: Apache-2.0
//
// Weights of a recurrent layer as another library stores them, and the orders in which they do.
//
//               LSTM      GRU      matrices               biases
//   pytorch     i f g o   r z n    (G*H, I), (G*H, H)     b_ih and b_hh
//   mxnet       i f g o   r z n    the same               the same
//   onnx        i o f g   z r n    the same               the halves of B, Wb and Rb
//   onednn      i f g o   z r n    (I, G*H), (H, G*H)     one; lbr_gru 4*H: z r n and U_n's own
//   keras       i f g o   z r n    (I, G*H), (H, G*H)     one, or two rows (GRU with reset_after)
//
// All of them update a GRU as h = z h + (1 - z) n. Cells of neither 3 nor 4 gates keep their order.
#pragma once

#include <ia_nn/core/error.hpp>
#include <ia_nn/core/meta.hpp>

#include <span>

#include <ia_nn/begin.hpp>

namespace gate_order {

/// lstm[g], gru[g]: where gate g of i f g o, r z n stands.
/// transposed: matrices have gates in columns.
struct pytorch {
  static constexpr int lstm[4] = {0, 1, 2, 3}, gru[3] = {0, 1, 2};
  static constexpr bool transposed = false;
};
struct mxnet : pytorch {};
struct onnx {
  static constexpr int lstm[4] = {0, 2, 3, 1}, gru[3] = {1, 0, 2};
  static constexpr bool transposed = false;
};
struct onednn {
  static constexpr int lstm[4] = {0, 1, 2, 3}, gru[3] = {1, 0, 2};
  static constexpr bool transposed = true;
};
struct keras : onednn {};

} // namespace gate_order

/// An order: one of gate_order, or a type with the same members.
template <class O>
concept gate_ordering = requires {
  { O::lstm[0] } -> std::convertible_to<int>;
  { O::gru[0] } -> std::convertible_to<int>;
  { O::transposed } -> std::convertible_to<bool>;
};

/// One direction of one layer, f32. I inputs, H hidden units, G gates; R = projected, or H without
/// a projection. Peepholes and other parameters stand in the order that the cell documents.
struct rnn_source {
  index_t input = 0, hidden = 0;
  std::span<f32 const> w_input{};     ///< (G*H, I), or (I, G*H) where the order is transposed
  std::span<f32 const> w_recurrent{}; ///< (G*H, R), or (R, G*H)
  std::span<f32 const> b_input{};     ///< (G*H), or empty
  std::span<f32 const> b_recurrent{}; ///< (G*H), or empty
  std::span<f32 const> parameters{};  ///< Cell::parameters vectors of H
  std::span<f32 const> projection{};  ///< (R, H), or empty
  index_t projected = 0;              ///< R where there is a projection
};

namespace detail {

template <gate_ordering Order> constexpr int source_gate(int gates, int g) noexcept {
  return gates == 4 ? Order::lstm[g] : gates == 3 ? Order::gru[g] : g;
}

} // namespace detail

IA_NN_END
