// SPDX-License-Identifier: Apache-2.0
//
// Weights that change after every batch: packed in each call into memory of the caller. What forward
// reads has the layout of rnn/gate_matrix.hpp, so that rnn/recurrence.hpp runs on it. Backward, gates
// are the inner dimension:
//
//   forward     gates (N, G*H) = h (N, R) * transpose(U (G*H, R))     panels of nr units, all gates
//   backward    dh (N, R) = dgates (N, G*Hp) * U (G*H, R)             panels of nr columns of h
//
// Hp is H, with bf16 a multiple of 32: every gate begins at a whole group of k.
#pragma once

#include <ia_nn/rnn/weights.hpp>
#include <ia_nn/train/rnn/cell_gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// A gate_matrix in memory of the caller.
template <isa::tag I, element A> class call_matrix {
public:
  using select = kernel_for<I, A, A, standard>;
  using main_kernel = typename select::main;
  using few_kernel = typename select::few;
  using weights = typename select::weights;
  using view_type = typename weights::view_type;
  using b_type = typename main_kernel::b_type;
  using panel_type = typename main_kernel::panel_type;
  static constexpr int parts = select::terms;
  static constexpr index_t nr = panel_type::nr;
  static constexpr bool scaled = false;

  call_matrix() = default;
  /// `depth` values of k, `units` in blocks of nr with all of their gates.
  call_matrix(index_t depth, index_t units, int gates) noexcept : gates_(gates), units_(units) {
    view_.k = depth;
    view_.n = depth > 0 ? ceil_div(units, nr) * gates * nr : 0;
  }
  void place(std::byte* memory) noexcept { view_.data = reinterpret_cast<b_type*>(memory); }

  view_type view() const noexcept { return view_; }
  index_t k() const noexcept { return view_.k; }
  index_t columns() const noexcept { return view_.n; }
  index_t blocks() const noexcept { return columns() / nr / gates_; }
  int gates() const noexcept { return gates_; }
  index_t bytes() const noexcept {
    return round_up(view_.term_stride() * static_cast<index_t>(sizeof(b_type)), 64);
  }
  static constexpr f32 const* scale() noexcept { return nullptr; }

  /// Rows `depth` long of gates, one gate after the other: unit u of gate g is row g * units + u.
  /// Part `part` of `of` packs its panels.
  void pack_gates(f32 const* w, int part, int of) const noexcept {
    block const mine = block_of(columns() / nr, of, part);
    for (index_t q = mine.begin; q < mine.end; ++q) {
      index_t const unit = q / gates_ * nr, g = q % gates_;
      packer{panel(q),
             view_.stride(),
             view_.term_stride(),
             w + (g * units_ + unit) * k(),
             1,
             k(),
             k(),
             min_of(nr, units_ - unit),
             false}
          .run();
    }
  }
  /// The same rows as values of k: `count` gates of `rows` rows, `padded` apart here; gate i of them
  /// is gate from[i] of w.
  void pack_rows(f32 const* w, int const* from, int count, index_t rows, int part,
                 int of) const noexcept {
    index_t const padded = row_padding(rows);
    block const mine = block_of(columns() / nr, of, part);
    for (index_t q = mine.begin; q < mine.end; q += panels_per_pass) {
      index_t const last = min_of(mine.end, q + panels_per_pass);
      for (int i = 0; i < count; ++i)
        packer{panel(q) + i * padded * nr,
               view_.stride(),
               view_.term_stride(),
               w + from[i] * rows * units_ + q * nr,
               units_,
               1,
               rows,
               min_of(last * nr, units_) - q * nr,
               true}
            .run();
    }
  }
  static constexpr index_t row_padding(index_t rows) noexcept {
    return panel_type::template k_padded<b_type>(rows);
  }

private:
  using packer = panel_packer<panel_type, packing_isa<I, panel_type::nr>, 1, b_type, f32>;
  b_type* panel(index_t q) const noexcept {
    return const_cast<b_type*>(view_.data) + q * view_.stride();
  }

  view_type view_{};
  int gates_ = 1;
  index_t units_ = 0;
};

/// One direction of one layer in a call: what rnn_weights is to recurrence.hpp.
template <isa::tag Isa, recurrent_cell Cell, element A> class call_weights {
public:
  using isa_type = Isa;
  using cell_type = Cell;
  using operand_type = A;
  using weight_type = A;
  using traits = cell_traits<Cell>;
  using gradient_type = cell_gradient<Cell>;
  using matrix = call_matrix<Isa, A>;
  static constexpr index_t static_input = dyn, static_hidden = dyn;
  static constexpr index_t nr = matrix::nr;
  static constexpr bool quantized = false;
  static constexpr int records = gradient_type::slots > 0 ? gradient_type::slots : 1;

  call_weights(Cell const& cell, index_t input, index_t hidden, index_t projected) noexcept
      : cell_(cell), input_(input), hidden_(hidden), output_(projected ? projected : hidden),
        projects_(projected > 0), input_matrix_(input, hidden, traits::gates),
        recurrent_(output_, hidden, traits::early) {
    if constexpr (traits::late > 0) late_ = matrix(hidden, hidden, traits::late);
    if (projects_) projection_ = matrix(hidden, output_, 1);
    back_recurrent_ = matrix(traits::early * matrix::row_padding(hidden), output_, 1);
    if constexpr (traits::late > 0)
      back_late_ = matrix(traits::late * matrix::row_padding(hidden), hidden, 1);
    if (projects_) back_projection_ = matrix(output_, hidden, 1);
  }

  index_t input() const noexcept { return input_; }
  index_t hidden() const noexcept { return hidden_; }
  index_t output() const noexcept { return output_; }
  bool projects() const noexcept { return projects_; }
  index_t blocks() const noexcept { return ceil_div(hidden_, nr); }
  index_t output_blocks() const noexcept { return ceil_div(output_, nr); }
  Cell const& cell() const noexcept { return cell_; }
  rnn_quantization quantization() const noexcept { return {}; }
  static constexpr bool follows_range() noexcept { return false; }
  index_t recurrent_bytes() const noexcept {
    return recurrent_.bytes() + late_.bytes() + projection_.bytes();
  }

  // ---- forward ----------------------------------------------------------------------------------
  matrix const& input_matrix() const noexcept { return input_matrix_; }
  matrix const& recurrent() const noexcept { return recurrent_; }
  matrix const& late() const noexcept { return late_; }
  matrix const& projection() const noexcept { return projection_; }
  f32 const* bias() const noexcept { return bias_; }
  f32 const* recurrent_bias() const noexcept { return bias_ + input_matrix_.columns(); }
  f32 const* parameters() const noexcept { return parameters_; }
  static constexpr s32 const* recurrent_start(bool) noexcept { return nullptr; }
  static constexpr s32 const* late_start(bool) noexcept { return nullptr; }
  static constexpr s32 const* projection_start(bool) noexcept { return nullptr; }

  index_t forward_bytes() const noexcept {
    return input_matrix_.bytes() + recurrent_bytes() + vector_bytes();
  }
  void place_forward(std::byte* at) noexcept {
    for (matrix* m : {&input_matrix_, &recurrent_, &late_, &projection_})
      m->place(at), at += m->bytes();
    place_vectors(at);
  }
  /// Every member of a team packs its part; a barrier follows.
  void pack_forward(rnn_source const& s, int part, int of) const noexcept {
    input_matrix_.pack_gates(s.w_input.data(), part, of);
    recurrent_.pack_gates(s.w_recurrent.data(), part, of);
    if constexpr (traits::late > 0)
      late_.pack_gates(s.w_recurrent.data() + traits::early * hidden_ * hidden_, part, of);
    if (projects_) projection_.pack_gates(s.projection.data(), part, of);
    if (part != 0) return;
    pack_parameters(s);
    constexpr index_t G = traits::gates;
    index_t const columns = input_matrix_.columns();
    f32* const recurrent = bias_ + columns;
    for (index_t i = 0; i < 2 * columns; ++i) bias_[i] = 0;
    for (index_t g = 0; g < G; ++g)
      for (index_t unit = 0; unit < hidden_; ++unit) {
        auto const from = static_cast<std::size_t>(g * hidden_ + unit);
        f32 const x = s.b_input.empty() ? 0.0F : s.b_input[from];
        f32 const h = s.b_recurrent.empty() ? 0.0F : s.b_recurrent[from];
        index_t const column = (unit / nr * G + g) * nr + unit % nr;
        bool const apart = traits::recurrent_bias(static_cast<int>(g));
        bias_[column] = apart ? x : x + h;
        if (apart) recurrent[column] = h;
      }
  }

  // ---- backward ---------------------------------------------------------------------------------
  matrix const& back_recurrent() const noexcept { return back_recurrent_; }
  matrix const& back_late() const noexcept { return back_late_; }
  matrix const& back_projection() const noexcept { return back_projection_; }
  index_t back_bytes() const noexcept {
    return back_recurrent_.bytes() + back_late_.bytes() + back_projection_.bytes() + vector_bytes();
  }
  void place_back(std::byte* at) noexcept {
    for (matrix* m : {&back_recurrent_, &back_late_, &back_projection_})
      m->place(at), at += m->bytes();
    place_vectors(at);
  }
  void pack_back(rnn_source const& s, int part, int of) const noexcept {
    static constexpr int gates[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    f32 const* const u = s.w_recurrent.data();
    back_recurrent_.pack_rows(u, gates, traits::early, hidden_, part, of);
    if constexpr (traits::late > 0)
      back_late_.pack_rows(u + traits::early * hidden_ * hidden_, gates, traits::late, hidden_,
                           part, of);
    if (projects_) back_projection_.pack_rows(s.projection.data(), gates, 1, output_, part, of);
    if (part == 0) pack_parameters(s);
  }

private:
  index_t vector_bytes() const noexcept {
    return round_up((2 * input_matrix_.columns() + Cell::parameters * blocks() * nr) * 4, 64);
  }
  void place_vectors(std::byte* at) noexcept {
    bias_ = reinterpret_cast<f32*>(at);
    parameters_ = bias_ + 2 * input_matrix_.columns();
  }
  void pack_parameters(rnn_source const& s) const noexcept {
    index_t const padded = blocks() * nr;
    for (index_t p = 0; p < Cell::parameters; ++p)
      for (index_t unit = 0; unit < padded; ++unit)
        parameters_[p * padded + unit] =
            unit < hidden_ ? s.parameters[static_cast<std::size_t>(p * hidden_ + unit)] : 0.0F;
  }

  [[no_unique_address]] Cell cell_;
  index_t input_, hidden_, output_;
  bool projects_;
  matrix input_matrix_, recurrent_, late_, projection_;
  matrix back_recurrent_, back_late_, back_projection_;
  f32* bias_ = nullptr; ///< of the input part, then what the recurrent part keeps to itself
  f32* parameters_ = nullptr;
};

} // namespace detail

IA_NN_END
