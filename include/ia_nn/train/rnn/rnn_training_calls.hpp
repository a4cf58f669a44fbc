// SPDX-License-Identifier: Apache-2.0
//
// What rnn_training is made of, and what its calls are given.
#pragma once

#include <ia_nn/core/fp_env.hpp>
#include <ia_nn/rnn/rnn.hpp>
#include <ia_nn/train/gradient.hpp>

#include <span>

#include <ia_nn/begin.hpp>

/// A stack of layers of the same H. R = projected, or H without a projection.
struct rnn_training_shape {
  index_t input = 1, hidden = 1;
  index_t projected = 0; ///< R, or 0 for no projection
  index_t layers = 1;
  rnn_direction direction = rnn_direction::forward; ///< forward, reverse or concat
};

struct rnn_training_options {
  index_t max_time = 1, max_batch = 1; ///< of the largest call
  int workers = 1;                     ///< concurrency of the executor
  f32 dropout = 0;                     ///< of the outputs of all layers but the last
  std::uint64_t seed = 0;              ///< of the dropout
  index_t checkpoint = 0;              ///< keep states every so many steps only; 0: keep everything
  denormals denormal = denormals::flush;
};

/// Gradients of an rnn_source, of the same shapes.
struct rnn_gradients {
  gradient w_input{}, w_recurrent{}, b_input{}, b_recurrent{}, parameters{}, projection{};
};

/// One forward. D is 2 for both directions, else 1; L layers. Arrays are f32, time first.
struct rnn_training_call {
  std::span<rnn_source const> weights{}; ///< [layer][direction], gates in PyTorch's order
  f32 const* src = nullptr;              ///< (T, N, I)
  f32* dst = nullptr;                    ///< (T, N, D*R); backward reads it
  index_t time = 0, batch = 0;           ///< T, N
  f32 const* initial_hidden = nullptr;   ///< (L*D, N, R); null for zeros
  f32 const* initial_cell = nullptr;     ///< (L*D, N, H); null for zeros
  f32* final_hidden = nullptr;           ///< (L*D, N, R), or null
  f32* final_cell = nullptr;             ///< (L*D, N, H), or null
  s32 const* lengths = nullptr;          ///< (N): 0 <= length <= T; outputs behind the end are zero
  std::uint64_t round = 0;               ///< another dropout mask for each
};

/// One backward of what `forward` was given: everything that has the same name must be the same.
struct rnn_backward_call {
  std::span<rnn_source const> weights{};
  f32 const* src = nullptr;
  f32 const* dst = nullptr;
  f32 const* diff_dst = nullptr; ///< (T, N, D*R); null for zeros
  index_t time = 0, batch = 0;
  f32 const* initial_hidden = nullptr;
  f32 const* initial_cell = nullptr;
  f32 const* diff_final_hidden = nullptr; ///< (L*D, N, R); null for zeros
  f32 const* diff_final_cell = nullptr;   ///< (L*D, N, H); null for zeros
  s32 const* lengths = nullptr;
  std::uint64_t round = 0;
  gradient diff_src{};                        ///< (T, N, I)
  gradient diff_initial_hidden{};             ///< (L*D, N, R)
  gradient diff_initial_cell{};               ///< (L*D, N, H)
  std::span<rnn_gradients const> gradients{}; ///< [layer][direction], or empty
};

namespace detail {

/// Throws errc::bad_shape if the weights of a direction of layer l, which has `input` inputs, have other
/// extents.
inline void check_rnn_weights(rnn_source const& w, index_t gates, index_t parameters,
                              rnn_training_shape const& s, index_t l, index_t input) {
  auto const expect = [&](std::span<f32 const> v, index_t n, bool may_lack, char const* what) {
    if ((may_lack && v.empty()) || static_cast<index_t>(v.size()) == n) return;
    throw_error(errc::bad_shape, std::string("rnn_training: ") + what + " of layer " +
                                     std::to_string(l) + " has " + std::to_string(v.size()) +
                                     " elements, expected " + std::to_string(n));
  };
  index_t const rows = gates * s.hidden;
  expect(w.w_input, rows * input, false, "w_input");
  expect(w.w_recurrent, rows * (s.projected ? s.projected : s.hidden), false, "w_recurrent");
  expect(w.b_input, rows, true, "b_input");
  expect(w.b_recurrent, rows, true, "b_recurrent");
  expect(w.parameters, parameters * s.hidden, false, "parameters");
  expect(w.projection, s.projected * s.hidden, false, "projection");
}

} // namespace detail

IA_NN_END
