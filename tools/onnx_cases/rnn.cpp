// SPDX-License-Identifier: Apache-2.0
//
// LSTM, GRU and RNN. Shapes: T steps, N sequences, D directions, I inputs, H hidden units, G gates.
//
//                 layout 0        layout 1        ia_nn
//   X             (T, N, I)       (N, T, I)       the same
//   W, R          (D, G*H, I), (D, G*H, H)        one source for each direction
//   B             (D, 2*G*H)                      the halves: b_input, b_recurrent
//   initial_h, c  (D, N, H)       (N, D, H)       (D, N, H)
//   Y             (T, D, N, H)    (N, T, D, H)    (T, N, D*H), (N, T, D*H)
//   Y_h, Y_c      (D, N, H)       (N, D, H)       (D, N, H)
//
// `clip` bounds what goes into the activations of gates and candidates; what goes into the LSTM's
// last activation, the cell state, it leaves alone, as ONNX Runtime does.
#include "operators.hpp"
#include "rnn_activation.hpp"

#include <ia_nn/rnn/rnn.hpp>

namespace onnx_cases {
namespace {

std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

// What the three operators have in common.
struct problem {
  op_case const& c;
  index_t gates, T, N, D, I, H;
  bool batch_first;
  f32 clip = 0; ///< of inputs of activations; 0 for none
  ia_nn::rnn_direction direction = ia_nn::rnn_direction::forward;
  std::vector<f32> x, w, r, b, h0, c0, peepholes;
  std::vector<s32> lengths;

  problem(op_case const& of, index_t gate_count) : c(of), gates(gate_count) {
    npy_array const& X = c.required(0);
    npy_array const& R = c.required(2);
    if (X.shape.size() != 3 || R.shape.size() != 3)
      throw std::runtime_error("X and R must have 3 dimensions");
    auto const layout = c.attribute.get("layout", index_t{0});
    batch_first = layout == 1;
    T = X.shape[batch_first ? 1 : 0], N = X.shape[batch_first ? 0 : 1], I = X.shape[2];
    H = c.attribute.get("hidden_size", R.shape[2]);
    D = 1;
    auto const name = c.attribute.get("direction", std::string("forward"));
    if (name == "reverse") direction = ia_nn::rnn_direction::reverse;
    else if (name == "bidirectional") direction = ia_nn::rnn_direction::concat, D = 2;
    else if (name != "forward") throw std::runtime_error("direction " + name);
    clip = c.attribute.get("clip", 0.0F);
    x = f32_elements(X);
    w = tensor(1, {D, gates * H, I}, "W");
    r = tensor(2, {D, gates * H, H}, "R");
    b = tensor(3, {D, 2 * gates * H}, "B");
    if (npy_array const* const given = c.input(4)) {
      require_shape(*given, {N}, "sequence_lens");
      for (std::int64_t const n : ia_nn::npy_elements<std::int64_t>(*given))
        lengths.push_back(static_cast<s32>(n));
    }
    h0 = state(5, "initial_h");
  }

  std::vector<f32> tensor(std::size_t i, std::vector<index_t> const& shape,
                          char const* what) const {
    npy_array const* const array = c.input(i);
    if (!array) return {};
    require_shape(*array, shape, what);
    return f32_elements(*array);
  }
  std::vector<index_t> state_shape() const {
    return batch_first ? std::vector<index_t>{N, D, H} : std::vector<index_t>{D, N, H};
  }
  // A state as (D, N, H).
  std::vector<f32> state(std::size_t i, char const* what) const {
    std::vector<f32> const given = tensor(i, state_shape(), what);
    return batch_first && !given.empty() ? exchanged(given, N, D) : given;
  }
  // (a, b, H) -> (b, a, H)
  std::vector<f32> exchanged(std::vector<f32> const& from, index_t a, index_t second) const {
    std::vector<f32> to(from.size());
    for (index_t i = 0; i < a; ++i)
      for (index_t j = 0; j < second; ++j)
        for (index_t u = 0; u < H; ++u)
          to[at((j * a + i) * H + u)] = from[at((i * second + j) * H + u)];
    return to;
  }
  npy_array final_state(std::vector<f32> const& s) const {
    std::vector<f32> const out = batch_first ? exchanged(s, D, N) : s;
    return ia_nn::make_npy(std::span<f32 const>(out), state_shape());
  }
  npy_array sequence(std::vector<f32> const& y) const {
    if (batch_first) return ia_nn::make_npy(std::span<f32 const>(y), {N, T, D, H});
    std::vector<f32> out;
    for (index_t t = 0; t < T; ++t) { // (N, D, H) -> (D, N, H) in each step
      auto const first = y.begin() + t * N * D * H;
      auto const step = exchanged({first, first + N * D * H}, N, D);
      out.insert(out.end(), step.begin(), step.end());
    }
    return ia_nn::make_npy(std::span<f32 const>(out), {T, D, N, H});
  }
};

template <class T> std::span<T const> part(std::vector<T> const& v, index_t d, index_t directions) {
  std::size_t const n = v.size() / at(directions);
  return {v.data() + at(d) * n, n};
}

template <class V> auto pointer(V& v) { return v.empty() ? nullptr : v.data(); }

// cells: one for each direction. Returns Y, Y_h, Y_c.
template <class Cell>
std::vector<optional_array> run_cells(problem const& p, std::vector<Cell> const& cells) {
  using weights = ia_nn::rnn_weights<ia_nn::isa::native, Cell>;
  std::vector<weights> layers;
  for (index_t d = 0; d < p.D; ++d) {
    std::span<f32 const> const b = part(p.b, d, p.D);
    layers.emplace_back(ia_nn::gate_order::onnx{},
                        ia_nn::rnn_source{.input = p.I,
                                          .hidden = p.H,
                                          .w_input = part(p.w, d, p.D),
                                          .w_recurrent = part(p.r, d, p.D),
                                          .b_input = b.first(b.size() / 2),
                                          .b_recurrent = b.last(b.size() / 2),
                                          .parameters = part(p.peepholes, d, p.D),
                                          .projection = {}},
                        cells.at(at(d)), ia_nn::rnn_quantization{}, p.c.op);
  }
  ia_nn::rnn<weights> const model(
      std::move(layers),
      {.max_time = std::max<index_t>(p.T, 1),
       .max_batch = std::max<index_t>(p.N, 1),
       .direction = p.direction,
       .layout = p.batch_first ? ia_nn::rnn_layout::batch_first : ia_nn::rnn_layout::time_first});
  std::vector<f32> y(at(p.T * p.N * p.D * p.H)), hn(at(p.D * p.N * p.H)), cn(hn.size());
  ia_nn::rnn_call<f32, f32> const call{.src = p.x.data(),
                                       .dst = y.data(),
                                       .time = p.T,
                                       .batch = p.N,
                                       .initial_hidden = pointer(p.h0),
                                       .initial_cell = pointer(p.c0),
                                       .final_hidden = hn.data(),
                                       .final_cell = Cell::states > 0 ? cn.data() : nullptr,
                                       .lengths = pointer(p.lengths)};
  ia_nn::workspace scratch(model.workspace_bytes());
  model.check(call, scratch);
  model.run(call, scratch);
  std::vector<optional_array> out{p.sequence(y), p.final_state(hn)};
  if (Cell::states > 0) out.emplace_back(p.final_state(cn));
  return out;
}

// The cells of all directions: Cell with its activations, taken from the list.
template <class Cell, class Set> std::vector<Cell> cells_of(problem const& p, Set&& set) {
  std::vector<Cell> cells(at(p.D));
  for (index_t d = 0; d < p.D; ++d) {
    cells[at(d)].clip_input = p.clip;
    set(cells[at(d)], at(d));
  }
  return cells;
}
constexpr auto nothing = [](auto&, std::size_t) {};

template <bool Peephole, bool Coupled> std::vector<optional_array> run_lstm_as(problem const& p) {
  if (!p.c.attribute.has("activations"))
    return run_cells(p, cells_of<ia_nn::basic_lstm<Peephole, Coupled>>(p, nothing));
  using f = chosen_activation;
  auto const chosen = chosen_activations(p.c.attribute, {"Sigmoid", "Tanh", "Tanh"}, at(p.D));
  return run_cells(
      p, cells_of<ia_nn::basic_lstm<Peephole, Coupled, f, f, f>>(p, [&](auto& cell, std::size_t d) {
        cell.gate = chosen[3 * d], cell.candidate = chosen[3 * d + 1],
        cell.output = chosen[3 * d + 2];
      }));
}

std::vector<optional_array> run_lstm(op_case const& c) {
  c.attribute.only({"activation_alpha", "activation_beta", "activations", "clip", "direction",
                    "hidden_size", "input_forget", "layout"});
  problem p(c, 4);
  p.c0 = p.state(6, "initial_c");
  // Peepholes come in the order i o f and are taken as i f o.
  std::vector<f32> const given = p.tensor(7, {p.D, 3 * p.H}, "P");
  p.peepholes = given;
  if (!given.empty())
    for (index_t d = 0; d < p.D; ++d)
      for (index_t u = 0; u < p.H; ++u) {
        p.peepholes[at((3 * d + 1) * p.H + u)] = given[at((3 * d + 2) * p.H + u)];
        p.peepholes[at((3 * d + 2) * p.H + u)] = given[at((3 * d + 1) * p.H + u)];
      }
  bool const coupled = c.attribute.get("input_forget", 0) != 0;
  if (given.empty()) return coupled ? run_lstm_as<false, true>(p) : run_lstm_as<false, false>(p);
  return coupled ? run_lstm_as<true, true>(p) : run_lstm_as<true, false>(p);
}

template <class Default, class Chosen> std::vector<optional_array> run_gru_as(problem const& p) {
  if (!p.c.attribute.has("activations")) return run_cells(p, cells_of<Default>(p, nothing));
  auto const chosen = chosen_activations(p.c.attribute, {"Sigmoid", "Tanh"}, at(p.D));
  return run_cells(p, cells_of<Chosen>(p, [&](auto& cell, std::size_t d) {
                     cell.gate = chosen[2 * d], cell.candidate = chosen[2 * d + 1];
                   }));
}

std::vector<optional_array> run_gru(op_case const& c) {
  c.attribute.only({"activation_alpha", "activation_beta", "activations", "clip", "direction",
                    "hidden_size", "layout", "linear_before_reset"});
  problem const p(c, 3);
  using f = chosen_activation;
  if (c.attribute.get("linear_before_reset", 0) != 0)
    return run_gru_as<ia_nn::gru, ia_nn::gru_cell<f, f>>(p);
  return run_gru_as<ia_nn::gru_reset_before, ia_nn::gru_reset_before_cell<f, f>>(p);
}

std::vector<optional_array> run_rnn(op_case const& c) {
  c.attribute.only({"activation_alpha", "activation_beta", "activations", "clip", "direction",
                    "hidden_size", "layout"});
  problem const p(c, 1);
  if (!c.attribute.has("activations")) return run_cells(p, cells_of<ia_nn::vanilla<>>(p, nothing));
  auto const chosen = chosen_activations(c.attribute, {"Tanh"}, at(p.D));
  return run_cells(p, cells_of<ia_nn::vanilla<chosen_activation>>(
                          p, [&](auto& cell, std::size_t d) { cell.activation = chosen[d]; }));
}

registration const lstm{"LSTM", run_lstm}, gru{"GRU", run_gru}, rnn{"RNN", run_rnn};

} // namespace
} // namespace onnx_cases
