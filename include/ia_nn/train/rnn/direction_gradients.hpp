// SPDX-License-Identifier: Apache-2.0
//
// What is made of the gradients of the gates at all times, of one direction of one layer: gradients of
// the weights (row_products.hpp), and sums over rows, those of biases and of the cell's parameters.
#pragma once

#include <ia_nn/rnn/sequence.hpp>
#include <ia_nn/train/column_sums.hpp>
#include <ia_nn/train/rnn/cell_gradient.hpp>
#include <ia_nn/train/rnn/rnn_training_calls.hpp>
#include <ia_nn/train/rnn/row_products.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <isa::tag I, class Cell, element A> struct direction_gradients {
  using V = vec<f32, I>;
  using traits = cell_traits<Cell>;
  using derivative = cell_gradient<Cell>;
  using sums = row_products<I, A>;
  static constexpr int outputs = derivative::outputs;

  index_t input, hidden, output;
  int workers;
  sequence_rows rows;
  f32 const* src; ///< (T * N, input)
  f32 const* h;   ///< of this direction, h_ld elements from row to row
  index_t h_ld;
  A const* gates;            ///< (T * N, outputs * H)
  A const* kept;             ///< (T * N, H), as backward_pass.hpp wrote them
  f32* kept_f32;             ///< memory for them as f32 where A is not
  A const* diff_hidden;      ///< (T * N, R), or null
  f32 const* initial_hidden; ///< (N, R), or null
  f32 const* initial_cell;   ///< (N, H), or null
  f32 const* reserve;
  std::byte* scratch; ///< workspace_bytes

  static index_t workspace_bytes(index_t rows, index_t input, index_t hidden, index_t output,
                                 int workers) noexcept {
    index_t const all = sums::workspace_bytes(rows, input, output, workers);
    index_t const of_kept = sums::workspace_bytes(rows, hidden, 0, workers);
    return max_of(max_of(all, of_kept), f32_bytes(column_sum_cells(hidden)));
  }

  template <executor E> void run(rnn_gradients const& to, E& e) const noexcept {
    index_t const H = hidden, R = output, ld = outputs * H, count = rows.time * rows.batch;
    // All gates by x(t) and h(t-1); outputs that are neighbours in both matrices go together.
    row_part const by_x{
        {src, input, rows.time, rows.batch, rows.lengths}, input, static_cast<bool>(to.w_input)};
    row_part const by_h{{.data = h,
                         .ld = h_ld,
                         .time = rows.time,
                         .batch = rows.batch,
                         .lengths = rows.lengths,
                         .is_previous = true,
                         .reverse = rows.reverse,
                         .initial = initial_hidden,
                         .initial_ld = R},
                        R,
                        static_cast<bool>(to.w_recurrent)};
    auto const part = [](gradient g, index_t offset, int gate) {
      return g && gate >= 0 ? gradient{g.data + gate * offset, g.add} : not_wanted;
    };
    if (to.w_input || to.w_recurrent) {
      sums const all(count, by_x, by_h, workers, scratch);
      all.pack(e);
      for (int o = 0; o < outputs;) {
        int const x = gate_of(derivative::input_of, traits::gates, o);
        int const u = gate_of(derivative::recurrent_of, traits::early, o);
        int same = 1;
        while (o + same < outputs &&
               gate_of(derivative::input_of, traits::gates, o + same) == (x < 0 ? x : x + same) &&
               gate_of(derivative::recurrent_of, traits::early, o + same) == (u < 0 ? u : u + same))
          ++same;
        all.run(gates + o * H, ld, same * H, part(to.w_input, H * input, x),
                part(to.w_recurrent, H * R, u), e);
        o += same;
      }
    }
    if constexpr (traits::late > 0)
      if (to.w_recurrent) { // U_n is multiplied by r h(t-1)
        sums const late(count, {{kept_values(e), H}, H, true}, {}, workers, scratch);
        late.pack(e);
        late.run(gates + derivative::recurrent_of[traits::early] * H, ld, traits::late * H,
                 part(to.w_recurrent, H * R, traits::early), not_wanted, e);
      }
    if (to.projection && diff_hidden) {
      sums const projected(count, {{kept_values(e), H}, H, true}, {}, workers, scratch);
      projected.pack(e);
      projected.run(diff_hidden, R, R, to.projection, not_wanted, e);
    }
    for (int o = 0; o < outputs; ++o) bias_gradient(o, to, e);
    if constexpr (Cell::parameters > 0)
      if (to.parameters) parameter_gradients(to.parameters, e);
  }

private:
  // The gate whose gradient is output o, or -1.
  template <int Count>
  static constexpr int gate_of(int const (&outputs_of_gates)[Count], int gate_count,
                               int o) noexcept {
    for (int g = 0; g < gate_count; ++g)
      if (outputs_of_gates[g] == o) return g;
    return -1;
  }

  template <executor E> f32 const* kept_values(E& e) const noexcept {
    if constexpr (std::same_as<A, f32>) return kept;
    else {
      each_register_parallel<I>(e, rows.time * rows.batch * hidden,
                                [&](index_t i, auto at) IA_NN_LAMBDA {
                                  at.store(at.template load<V>(kept + i), kept_f32 + i);
                                });
      return kept_f32;
    }
  }

  template <executor E> void bias_gradient(int o, rnn_gradients const& to, E& e) const noexcept {
    index_t const H = hidden, ld = outputs * H;
    gradient by_input{}, by_hidden{};
    for (index_t g = 0; g < traits::gates; ++g) {
      if (to.b_input && derivative::input_of[g] == o)
        by_input = {to.b_input.data + g * H, to.b_input.add};
      if (to.b_recurrent && derivative::recurrent_of[g] == o)
        by_hidden = {to.b_recurrent.data + g * H, to.b_recurrent.add};
    }
    if (!by_input && !by_hidden) return;
    auto const add = [&](index_t r, index_t column, auto at, V(&s)[1]) IA_NN_LAMBDA {
      s[0] = s[0] + at.template load<V>(gates + r * ld + o * H + column);
    };
    auto const finish = [&](index_t column, auto at, V const(&total)[1]) IA_NN_LAMBDA {
      if (by_input) deliver(at, total[0], by_input, column);
      if (by_hidden) deliver(at, total[0], by_hidden, column);
    };
    sum_columns<I, 1>(rows.time * rows.batch, H, add, finish, reinterpret_cast<f32*>(scratch), e);
  }

  // Peepholes: of i and f by c(t-1), of o by c(t), which the reserve holds.
  template <executor E> void parameter_gradients(gradient const& to, E& e) const noexcept {
    index_t const H = hidden, ld = outputs * H, N = rows.batch;
    constexpr index_t nr = kernel_for<I, A, A, standard>::main::panel_type::nr;
    index_t const blocks = ceil_div(H, nr);
    auto const state = [&](index_t step, index_t row, index_t unit) {
      index_t const cell = (step * N + row) * blocks + unit / nr;
      return reserve + (cell * derivative::slots + derivative::state_slot) * nr + unit % nr;
    };
    static constexpr int gate_of_parameter[] = {0, 1, 3};
    for (index_t k = 0; k < Cell::parameters; ++k) {
      auto const add = [&](index_t r, index_t unit, auto at, V(&s)[1]) IA_NN_LAMBDA {
        index_t const step = r / N, row = r % N;
        if (step >= rows.length(row)) return;
        index_t const t = rows.time_of(step, row), n = rows.sequence(row);
        V const a = at.template load<V>(gates + (t * N + n) * ld + gate_of_parameter[k] * H + unit);
        if (k == 2) s[0] = fma(a, at.template load<V>(state(step, row, unit)), s[0]);
        else if (step > 0) s[0] = fma(a, at.template load<V>(state(step - 1, row, unit)), s[0]);
        else if (initial_cell)
          s[0] = fma(a, at.template load<V>(initial_cell + n * H + unit), s[0]);
      };
      gradient const part{to.data + k * H, to.add};
      auto const finish = [&](index_t unit, auto at, V const(&total)[1])
                              IA_NN_LAMBDA { deliver(at, total[0], part, unit); };
      sum_columns<I, 1>(rows.time * N, H, add, finish, reinterpret_cast<f32*>(scratch), e);
    }
  }
};

} // namespace detail

IA_NN_END
