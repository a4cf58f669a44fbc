// SPDX-License-Identifier: Apache-2.0
//
// A sequence pass: one direction of one layer over all times. What it reads and writes, and the
// memory that it needs; recurrence.hpp runs it.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/rnn/cache_use.hpp>
#include <ia_nn/rnn/convert.hpp>
#include <ia_nn/core/any_executor.hpp>
#include <ia_nn/rnn/lanes.hpp>
#include <ia_nn/rnn/sequence.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// What a sequence pass reads and writes. Strides in elements, of time and of the batch.
template <element X, element Y> struct sequence_pass {
  sequence_rows rows;
  X const* src;
  index_t src_t, src_n;
  Y* dst; ///< of this direction's columns; may be null
  index_t dst_t, dst_n;
  bool add;          ///< dst += h: the second direction of a sum
  X const* residual; ///< dst = h + residual, of the strides of src; or null
  f32 const* attention;
  index_t attention_t, attention_n;
  f32 const* initial_hidden; ///< (N, R); null: zeros
  f32 const* initial_state;  ///< (states, N, H), state_stride elements from state to state
  f32* final_hidden;
  f32* final_state;
  index_t state_stride;
  f32* reserve = nullptr;  ///< [step - first_step][row][block][value][nr]: what cells record
  index_t first_step = 0;  ///< where the pass begins, with the initial states,
  index_t steps_end = -1;  ///< and before which it ends; -1: with the longest sequence
};

/// Input part of a product: sum * scale + bias; of bytes sum * (scale * scale of the row) + bias.
template <bool Bytes> struct input_stage {
  f32 const* scale;
  f32 const* bias;
  f32 const* rows;
  template <vector_register V, class At> IA_NN_INLINE auto operator()(V v, At at) const noexcept {
    using F = decltype(as_f32(v));
    F const b = at.template columns<F>(bias);
    if (!scale) return as_f32(v) + b;
    F const s = at.template columns<F>(scale);
    if constexpr (Bytes) return fma(as_f32(v), s * F::broadcast(rows[at.row]), b);
    else return fma(as_f32(v), s, b);
  }
};

/// Sizes of what a sequence pass keeps in the workspace, for at most `batch` sequences and `chunk` steps at a time.
template <class W> struct sequence_pass_layout {
  using matrix = typename W::matrix;
  using A = typename W::operand_type;
  using main = operand_rows<A, typename matrix::main_kernel, matrix::parts>;
  using few = operand_row<A, typename matrix::few_kernel, matrix::parts>;
  /// AMX finishes the sums of a block while it makes those of the next.
  static constexpr int cell_buffers = matrix::main_kernel::is_amx ? 2 : 1;
  static constexpr index_t max_gates = max_of(W::traits::early, max_of(W::traits::late, 1));

  index_t states, operand, other, x, gates_x, gates_h, scales, region, cells, total;
  index_t slot;      ///< elements of one slot of states
  index_t padded;    ///< units of a row of states
  index_t row_block; ///< rows of a buffer of sums, the last tile's beyond the batch included
  index_t x_stride;  ///< elements of a converted row
  int members;

  sequence_pass_layout(W const& w, index_t batch, index_t chunk, int workers) noexcept
      : members(workers) {
    padded = max_of(w.blocks(), w.output_blocks()) * W::nr;
    slot = batch * padded;
    states = bytes_of(W::traits::slots * slot, 4);
    bool const one = batch == 1 && W::records == 0;
    auto const rows = [&](index_t k) {
      return max_of(few::bytes(k), one ? 0 : main::bytes(k, batch));
    };
    operand = 2 * rows(w.output());
    bool const second = W::traits::late > 0 || w.projects();
    other = second ? rows(w.hidden()) : 0;
    x_stride = round_up(w.input(), 64 / static_cast<index_t>(sizeof(A)));
    x = bytes_of(batch * chunk * x_stride * matrix::parts, sizeof(A));
    gates_x = bytes_of(batch * chunk * w.input_matrix().columns(), 4);
    gates_h = W::traits::by_row ? bytes_of((batch + 1) * w.recurrent().columns(), 4) : 0;
    // Of the rows of a chunk; of h(t-1), and what is left of a NaN, of each sequence.
    scales = bytes_of(W::quantized ? batch * (chunk + 2) : 0, 4);
    region = gemm_bytes(w, batch * chunk);
    row_block = min_of(round_up(batch, 2), rows_at_once) + max_tile_rows;
    cells = bytes_of(cell_buffers * row_block * max_gates * W::nr, 4);
    total = states + operand + other + x + gates_x + gates_h + scales + members * (region + cells);
  }

  template <class Kernel> static blocking blocks_of(W const& w, index_t rows) noexcept {
    return choose_blocking(
        rows, w.input_matrix().blocks() * w.input_matrix().gates(), group_count<Kernel>(w.input()),
        Kernel::kr_a * static_cast<index_t>(sizeof(typename Kernel::packed_a)) * matrix::parts,
        Kernel::kr_a * W::nr * static_cast<index_t>(sizeof(typename matrix::b_type)) *
            matrix::parts,
        Kernel::max_rows, Kernel::rows_step, Kernel::few_rows, 1,
        matrix::parts > 1 ? cut_k::never : Kernel::is_amx ? cut_k::chunks : cut_k::blocks);
  }

private:
  static index_t bytes_of(index_t count, index_t size) noexcept {
    return round_up(count * size, 64);
  }
  static index_t gemm_bytes(W const& w, index_t rows) noexcept {
    using main_kernel = typename matrix::main_kernel;
    using few_kernel = typename matrix::few_kernel;
    gemm_options const o;
    index_t const few_rows = max_of(1, few_kernel::few_rows);
    return max_of(
        region_bytes<few_kernel, matrix::parts>(blocks_of<few_kernel>(w, few_rows), w.input(), o),
        region_bytes<main_kernel, matrix::parts>(blocks_of<main_kernel>(w, max_of(rows, 4)),
                                                 w.input(), o));
  }
};

} // namespace detail

IA_NN_END
