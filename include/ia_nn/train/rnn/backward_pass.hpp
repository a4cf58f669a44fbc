// SPDX-License-Identifier: Apache-2.0
//
// Backward through the time of one direction of one layer: rnn/recurrence.hpp run from its end.
//
//   for each step, the last one first
//     for each own block of units
//       dh(t) = dgates(t+1) U + diff_dst(t)    register tiles
//       dgates(t), dc(t-1) = derivative of the cell, while the sums are in L1:
//                                              to the operand of the next product, and to a matrix of
//                                              all times that the gradients of weights are made of
//     barrier
//
// Cells whose forward step has a second product have one here as well, with a barrier before it:
//
//   projection     dh -> P -> gradient of the units -> cell -> U
//   reset before   dh -> cell -> U_n -> rest of the cell -> U_r, U_z
//
// Rows are those of forward: sequences sorted by length, longest first. Step s begins with the rows
// that have step s+1, and the ones that end with step s join them with the gradient of their final
// state. Every sum runs over k in order inside one member: the same bits for any number of members.
#pragma once

#include <ia_nn/rnn/recurrent_tiles.hpp>
#include <ia_nn/rnn/row_step.hpp>
#include <ia_nn/rnn/sequence_pass.hpp>
#include <ia_nn/rnn/work_division.hpp>
#include <ia_nn/train/gradient.hpp>
#include <ia_nn/train/rnn/backward_lanes.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// What a backward pass reads and writes. A is the type of the operands.
template <element A> struct backward_io {
  sequence_rows rows;
  f32 const* dst = nullptr; ///< h of all times; strides in elements, of time and of the batch
  index_t dst_t = 0, dst_n = 0;
  f32 const* diff_dst = nullptr; ///< null: zeros
  index_t diff_t = 0, diff_n = 0;
  f32 const* reserve = nullptr;        ///< of the steps from first_step on
  f32 const* initial_hidden = nullptr; ///< (N, R) before step 0; null: zeros
  f32 const* initial_state = nullptr;  ///< (N, H) before first_step; null: zeros
  f32 const* diff_final_hidden = nullptr;
  f32 const* diff_final_state = nullptr;
  A* gates = nullptr;       ///< (T * N, outputs * H)
  A* kept = nullptr;        ///< (T * N, H): what the cell keeps
  A* diff_hidden = nullptr; ///< (T * N, R): dh of layers with a projection
  gradient diff_initial_hidden{}, diff_initial_state{};
  index_t first_step = 0, steps_end = 0; ///< the steps of this part of the pass
  bool begins = true, ends = true;       ///< this part holds the last step, the first one
};

/// What a backward pass keeps in the workspace.
template <class W> struct backward_layout {
  using A = typename W::operand_type;
  using kernel = typename W::matrix::main_kernel;
  using operand = operand_rows<A, kernel, W::matrix::parts>;
  static constexpr int cell_buffers = kernel::is_amx ? 2 : 1;

  index_t padded, slot, states, main, other, cells, row_block, total;

  backward_layout(W const& w, index_t batch, int workers) noexcept {
    padded = max_of(w.blocks(), w.output_blocks()) * W::nr;
    slot = batch * padded;
    states = round_up(4 * slot * 4, 64); // carried dh, dc, and the states before the first step
    main = operand::bytes(w.back_recurrent().k(), batch);
    other = w.back_late().k() + w.back_projection().k() > 0
                ? operand::bytes(max_of(w.back_late().k(), w.back_projection().k()), batch)
                : 0;
    row_block = min_of(round_up(batch, 2), rows_at_once) + max_tile_rows;
    cells = round_up(cell_buffers * row_block * W::nr * 4, 64);
    total = states + 2 * main + other + workers * cells;
  }
};

template <class W> class backward_pass {
  using M = any_member;
  using I = typename W::isa_type;
  using A = typename W::operand_type;
  using matrix = typename W::matrix;
  using traits = typename W::traits;
  using cell_type = typename W::cell_type;
  using derivative = cell_gradient<cell_type>;
  using kernel = typename matrix::main_kernel;
  using layout = backward_layout<W>;
  using operand = typename layout::operand;
  using V = vec<f32, I>;
  using lanes = backward_lanes<W>;
  static constexpr index_t nr = W::nr;
  static constexpr int vectors = static_cast<int>(nr) / V::size;
  static constexpr int outputs = derivative::outputs;

public:
  backward_pass(W const& w, backward_io<A> const& io, std::byte* memory, layout const& l) noexcept
      : w_(w), io_(io), l_(l), states_(reinterpret_cast<f32*>(memory)),
        operands_(memory + l.states), other_(operands_ + 2 * l.main), cells_(other_ + l.other) {}

  /// Every member of the team calls this.
  void run(M const& m) const noexcept {
    sequence_rows const& rows = io_.rows;
    work_division const work{m.rank(),
                             m.size(),
                             block_of(w_.blocks(), m.size(), m.rank()),
                             block_of(w_.output_blocks(), m.size(), m.rank()),
                             w_.recurrent_bytes() > l2_kept() * m.size(),
                             false};
    operand d[2] = {main_operand(0), main_operand(1)};
    if (io_.begins) {
      clear(work);
      load_final(work);
    }
    load_initial(work);
    m.barrier();
    typename kernel::context state;
    index_t const end = min_of(rows.steps(), io_.steps_end);
    index_t before = running(end, 0);
    for (index_t step = end - 1; step >= io_.first_step; --step) {
      index_t const active = running(step, before);
      operand& from = d[(step + 1) % 2];
      operand& to = d[step % 2];
      from.set_rows(before);
      to.set_rows(active);
      operand other(other_, other_depth(), rows.batch);
      other.set_rows(active);
      one_step(m, work, state, step, before, active, from, to, other);
      m.barrier();
      before = active;
    }
    if (io_.ends) {
      d[0].set_rows(before);
      store_initial(work, state, before, d[0]);
    }
  }

private:
  index_t gate_rows() const noexcept { return matrix::row_padding(w_.hidden()); }
  index_t other_depth() const noexcept {
    return max_of(max_of(w_.back_late().k(), w_.back_projection().k()), 1);
  }
  operand main_operand(int i) const noexcept {
    return operand(operands_ + i * l_.main, w_.back_recurrent().k(), io_.rows.batch);
  }
  f32* slot(int which, index_t row, index_t b) const noexcept {
    return states_ + which * l_.slot + row * l_.padded + b * nr;
  }
  static constexpr int carried = 0, state_gradient = 1, initial_state = 2, initial_hidden = 3;

  // Rows that have this step, at least as many as a later step has.
  index_t running(index_t step, index_t before) const noexcept {
    if (!io_.rows.lengths) return step < io_.rows.time ? io_.rows.batch : 0;
    while (before < io_.rows.batch && io_.rows.length(before) > step) ++before;
    return before;
  }

  // ---- before and after -------------------------------------------------------------------------
  // Operands, whose padding must be finite, and the gradients of what lies behind the end of sequences.
  void clear(work_division const& work) const noexcept {
    block const mine = block_of(2 * l_.main + l_.other, work.size, work.rank, 64);
    __builtin_memset(operands_ + mine.begin, 0, static_cast<std::size_t>(mine.size()));
    if (!io_.rows.lengths) return;
    sequence_rows const& rows = io_.rows;
    block const own = block_of(rows.batch, work.size, work.rank);
    auto const zero = [](A* p, index_t n) {
      if (p) __builtin_memset(static_cast<void*>(p), 0, static_cast<std::size_t>(n) * sizeof(A));
    };
    for (index_t n = own.begin; n < own.end; ++n)
      for (index_t t = rows.lengths[n]; t < rows.time; ++t) {
        index_t const i = t * rows.batch + n, H = w_.hidden(), R = w_.output();
        zero(io_.gates + i * outputs * H, outputs * H);
        zero(io_.kept ? io_.kept + i * H : nullptr, H);
        zero(io_.diff_hidden ? io_.diff_hidden + i * R : nullptr, R);
      }
  }
  // Own blocks of all rows of a slot, from rows of `size` numbers of the caller.
  void load(int which, f32 const* from, index_t size, block blocks) const noexcept {
    for (index_t row = 0; row < io_.rows.batch; ++row) {
      f32 const* const p = from ? from + io_.rows.sequence(row) * size : nullptr;
      for (index_t b = blocks.begin; b < blocks.end; ++b) {
        f32* const to = slot(which, row, b);
        for (index_t i = 0; i < nr; ++i) to[i] = p && b * nr + i < size ? p[b * nr + i] : 0.0F;
      }
    }
  }
  void load_final(work_division const& work) const noexcept {
    load(carried, io_.diff_final_hidden, w_.output(), work.own_output);
    if (cell_type::states > 0) load(state_gradient, io_.diff_final_state, w_.hidden(), work.own);
  }
  void load_initial(work_division const& work) const noexcept {
    if (cell_type::states > 0) load(initial_state, io_.initial_state, w_.hidden(), work.own);
    if (derivative::carries) load(initial_hidden, io_.initial_hidden, w_.output(), work.own);
  }

  void hand_out(gradient const& to, index_t size, index_t row, index_t b, f32 const* sums,
                bool with_carry) const noexcept {
    index_t const at = io_.rows.sequence(row) * size + b * nr;
    for (index_t i = 0; i < min_of(nr, size - b * nr); ++i) {
      f32 const v = sums[i] + (with_carry ? slot(carried, row, b)[i] : 0.0F);
      to.data[at + i] = to.add ? to.data[at + i] + v : v;
    }
  }
  // Gradients of the initial states. Sequences of no steps pass those of their final states on.
  void store_initial(work_division const& work, typename kernel::context& state, index_t active,
                     operand const& d) const noexcept {
    if (io_.diff_initial_state)
      for (index_t row = 0; row < io_.rows.batch; ++row)
        for (index_t b = work.own.begin; b < work.own.end; ++b)
          hand_out(io_.diff_initial_state, w_.hidden(), row, b, slot(state_gradient, row, b),
                   false);
    if (!io_.diff_initial_hidden) return;
    if (active > 0)
      product(work, state, w_.back_recurrent(), d, 0, active,
              [&](index_t b, index_t row, f32 const* sums) {
                hand_out(io_.diff_initial_hidden, w_.output(), row, b, sums, derivative::carries);
              });
    for (index_t row = active; row < io_.rows.batch; ++row)
      for (index_t b = work.own_output.begin; b < work.own_output.end; ++b)
        hand_out(io_.diff_initial_hidden, w_.output(), row, b, slot(carried, row, b), false);
  }

  // ---- a step -----------------------------------------------------------------------------------
  // finish(block, row, sums) for own tiles of a * b, while the sums are in L1.
  template <class Finish>
  void product(work_division const& work, typename kernel::context& state, matrix const& b,
               operand const& a, index_t step, index_t active,
               Finish const& finish) const noexcept {
    f32* const cells = reinterpret_cast<f32*>(cells_ + work.rank * l_.cells);
    index_t turn = 0;
    index_t const most = max_of(1, rows_at_once / a.height()) * a.height();
    tile_division const mine(b.blocks(), active, a.height(), work);
    bool const ahead = step % 2 == 0 && (!kernel::is_amx || work.far_weights);
    sweep(mine.blocks(), step, [&](index_t i) {
      block const own = mine.rows_of(i);
      for (index_t row = own.begin; row < own.end; row += most) {
        recurrent_tiles<W, kernel>::run(state, b, nullptr, a,
                                        {i, row, min_of(most, own.end - row),
                                         cells + turn * l_.cells / 4 / layout::cell_buffers},
                                        row == 0 && ahead ? 1 : 0, finish);
        if (kernel::is_amx) turn = 1 - turn;
      }
    });
    if constexpr (kernel::is_amx) state.drain();
  }

  // One product where there are `before` rows, and the rows that end with this step.
  void one_step(M const& m, work_division const& work, typename kernel::context& state,
                index_t step, index_t before, index_t active, operand const& from,
                operand const& to, operand const& other) const noexcept {
    auto const each = [&](auto const& f, block blocks) {
      if (before > 0)
        product(work, state, w_.back_recurrent(), from, step, before,
                [&](index_t b, index_t row, f32 const* sums) { f(b, row, sums); });
      for (index_t row = before; row < active; ++row)
        for (index_t b = blocks.begin; b < blocks.end; ++b)
          f(b, row, static_cast<f32 const*>(nullptr));
    };
    if (w_.projects()) {
      each([&](index_t b, index_t row, f32 const* sums) { outputs_of(step, b, row, sums, other); },
           work.own_output);
      m.barrier();
      product(work, state, w_.back_projection(), other, step, active,
              [&](index_t b, index_t row, f32 const* sums) {
                V d[vectors];
                for (int v = 0; v < vectors; ++v) d[v] = V::load(sums + v * V::size);
                units(step, b, row, d, to, other);
              });
      return;
    }
    each(
        [&](index_t b, index_t row, f32 const* sums) {
          V d[vectors];
          total(step, b, row, sums, d);
          units(step, b, row, d, to, other);
        },
        work.own);
    if constexpr (traits::late > 0) {
      m.barrier();
      product(work, state, w_.back_late(), other, step, active,
              [&](index_t b, index_t row, f32 const* sums) { late(step, b, row, sums, to); });
    }
  }

  // dh: the product, or without one the gradient of the final state; what the cell carries; diff_dst.
  void total(index_t step, index_t b, index_t row, f32 const* sums,
             V (&d)[vectors]) const noexcept {
    index_t const t = io_.rows.time_of(step, row), n = io_.rows.sequence(row);
    f32 const* const diff =
        io_.diff_dst ? io_.diff_dst + t * io_.diff_t + n * io_.diff_n + b * nr : nullptr;
    f32 const* const carry = slot(carried, row, b);
    IA_NN_UNROLL
    for (int v = 0; v < vectors; ++v) {
      index_t const at = v * V::size;
      d[v] = V::load((sums ? sums : carry) + at);
      if (derivative::carries && sums) d[v] = d[v] + V::load(carry + at);
      if (diff) d[v] = d[v] + lanes::existing(diff + at, w_.output() - b * nr - at);
    }
  }
  // Numbers `count` of row t, n of a matrix, from `column` on.
  void put_plain(A* matrix_of, index_t width, index_t step, index_t row, index_t column,
                 index_t count, V const (&values)[vectors]) const noexcept {
    index_t const t = io_.rows.time_of(step, row), n = io_.rows.sequence(row);
    A* const to = matrix_of + (t * io_.rows.batch + n) * width + column;
    IA_NN_UNROLL
    for (int v = 0; v < vectors; ++v) {
      index_t const left = count - v * V::size;
      if (left >= V::size) values[v].store(to + v * V::size);
      else if (left > 0) values[v].store(to + v * V::size, left);
    }
  }
  void outputs_of(index_t step, index_t b, index_t row, f32 const* sums,
                  operand const& to) const noexcept {
    V d[vectors];
    total(step, b, row, sums, d);
    index_t const count = min_of(nr, w_.output() - b * nr);
    to.put(row, b * nr, count, d, quantizer{});
    put_plain(io_.diff_hidden, w_.output(), step, row, b * nr, count, d);
  }

  IA_NN_INLINE lanes lanes_at(index_t step, index_t b, index_t row, int v) const noexcept {
    lanes at;
    index_t const offset = v * V::size, unit = b * nr + offset;
    index_t const n = io_.rows.sequence(row), t = io_.rows.time_of(step, row);
    index_t const cell = ((step - io_.first_step) * io_.rows.batch + row) * w_.blocks() + b;
    at.reserve =
        derivative::slots > 0 ? io_.reserve + cell * derivative::slots * nr + offset : nullptr;
    if constexpr (cell_type::states > 0) {
      index_t const back = io_.rows.batch * w_.blocks();
      at.state = step > io_.first_step
                     ? io_.reserve +
                           ((cell - back) * derivative::slots + derivative::state_slot) * nr +
                           offset
                     : slot(initial_state, row, b) + offset;
      at.state_grad = slot(state_gradient, row, b) + offset;
    }
    f32 const* const h = io_.dst + t * io_.dst_t + n * io_.dst_n + unit;
    at.now = h;
    at.left = at.left_before = w_.output() - unit;
    if constexpr (derivative::carries) {
      at.before = step > 0 ? h + (io_.rows.reverse ? io_.dst_t : -io_.dst_t)
                           : slot(initial_hidden, row, b) + offset;
      if (step == 0) at.left_before = nr;
      at.carried = slot(carried, row, b) + offset;
    }
    at.parameters = w_.parameters() + unit;
    at.padded = w_.blocks() * nr;
    at.has_projection = w_.projects();
    at.kept = V::zero();
    return at;
  }

  // The derivative of the cell for a block of a row.
  void units(index_t step, index_t b, index_t row, V const (&d)[vectors], operand const& to,
             operand const& other) const noexcept {
    V out[outputs][vectors], kept[vectors];
    IA_NN_UNROLL
    for (int v = 0; v < vectors; ++v) {
      lanes at = lanes_at(step, b, row, v);
      at.total = d[v];
      derivative::step(w_.cell(), at);
      IA_NN_UNROLL
      for (int o = 0; o < outputs; ++o) out[o][v] = at.out[o];
      kept[v] = at.kept;
    }
    index_t const H = w_.hidden(), count = min_of(nr, H - b * nr);
    if (derivative::keeps || w_.projects()) put_plain(io_.kept, H, step, row, b * nr, count, kept);
    IA_NN_UNROLL
    for (int o = 0; o < outputs; ++o)
      if (traits::late == 0 || o >= 1)
        put_plain(io_.gates, outputs * H, step, row, o * H + b * nr, count, out[o]);
    if constexpr (traits::late > 0) {
      put_gate(1, row, b, count, out[1], to);
      other.put(row, b * nr, count, out[2], quantizer{});
    } else {
      IA_NN_UNROLL
      for (int g = 0; g < traits::gates; ++g)
        put_gate(g, row, b, count, out[derivative::recurrent_of[g]], to);
    }
  }
  void put_gate(int g, index_t row, index_t b, index_t count, V const (&values)[vectors],
                operand const& to) const noexcept {
    to.put(row, g * gate_rows() + b * nr, count, values, quantizer{});
  }
  // What follows the product with U_n.
  void late(index_t step, index_t b, index_t row, f32 const* sums,
            operand const& to) const noexcept {
    V out[vectors];
    IA_NN_UNROLL
    for (int v = 0; v < vectors; ++v) {
      lanes at = lanes_at(step, b, row, v);
      derivative::late(w_.cell(), at, V::load(sums + v * V::size));
      out[v] = at.out[0];
    }
    index_t const H = w_.hidden(), count = min_of(nr, H - b * nr);
    put_plain(io_.gates, outputs * H, step, row, b * nr, count, out);
    put_gate(0, row, b, count, out, to);
  }

  W const& w_;
  backward_io<A> const& io_;
  layout const& l_;
  f32* states_;
  std::byte* operands_;
  std::byte* other_;
  std::byte* cells_;
};

} // namespace detail

IA_NN_END
