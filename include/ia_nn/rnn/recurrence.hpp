// SPDX-License-Identifier: Apache-2.0
//
// One direction of one layer over all times: the persistent recurrence.
//
//   for each chunk of steps                         its input part stays in cache
//     convert x of the chunk                        rows are divided among the members; barrier
//     input part = x W + b                          tiles are divided among the members; barrier
//     for each step
//       for each own block of units                 forward in even steps, backward in odd ones, so
//         gates = h(t-1) U    register tiles        that the weights touched last are still in cache
//         h(t) = cell.step    own rows of h, c      when the next step begins with them
//       barrier                                     h(t) is complete
//
// Of 8-bit layers every row of x has a scale, and h of every row: what one sequence holds changes no
// other one, and later inputs change no earlier result.
//
// A member owns blocks of units for the whole sequence, so that their weights stay in its L2 where
// they fit. The block at the border of two members is divided by rows, a tile each: 25 blocks of two
// tiles are 25 and 25 tiles for two members, not 13 and 12 blocks. h is in two buffers that take
// turns: one barrier a step. Cells with a second product (reset-before GRU, projections, layer
// normalization) have a second barrier.
//
// Every sum runs over k in order inside one member: the same bits for any number of members.
#pragma once

#include <ia_nn/rnn/cache_use.hpp>
#include <ia_nn/rnn/recurrent_tiles.hpp>
#include <ia_nn/rnn/row_scales.hpp>
#include <ia_nn/rnn/row_step.hpp>
#include <ia_nn/rnn/work_division.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class W, element X, element Y> class recurrence {
  using M = any_member;
  using I = typename W::isa_type;
  using A = typename W::operand_type;
  using matrix = typename W::matrix;
  using traits = typename W::traits;
  using main_kernel = typename matrix::main_kernel;
  using few_kernel = typename matrix::few_kernel;
  using acc = typename main_kernel::acc;
  using V = vec<f32, I>;
  using layout = sequence_pass_layout<W>;
  static constexpr index_t nr = W::nr;
  static constexpr int vectors = static_cast<int>(nr) / V::size;

public:
  recurrence(W const& w, sequence_pass<X, Y> const& io, std::byte* memory, layout const& l,
             index_t chunk) noexcept
      : w_(w), io_(io), l_(l), chunk_(chunk), states_(reinterpret_cast<f32*>(memory)) {
    memory += l.states;
    operands_ = memory, memory += l.operand;
    other_ = memory, memory += l.other;
    x_ = reinterpret_cast<A*>(memory), memory += l.x;
    gates_x_ = reinterpret_cast<f32*>(memory), memory += l.gates_x;
    gates_h_ = reinterpret_cast<f32*>(memory), memory += l.gates_h;
    scales_ = {w, io, reinterpret_cast<f32*>(memory), chunk}, memory += l.scales;
    scratch_ = memory;
  }

  /// Every member of the team calls this. `buffers` of zeros are expected in operands.
  void run(M const& m) const noexcept {
    if constexpr (W::records == 0)
      if (io_.rows.batch == 1) return recur<few_kernel, true>(m);
    recur<main_kernel, false>(m);
  }

private:
  template <class Kernel> using operand = operand_rows<A, Kernel, matrix::parts>;
  using single_operand = operand_row<A, few_kernel, matrix::parts>;

  template <class Kernel, bool Single> void recur(M const& m) const noexcept {
    sequence_rows const& rows = io_.rows;
    index_t const l2 = l2_kept() * m.size();
    index_t const read = w_.recurrent_bytes();
    index_t const made = chunk_ * rows.batch * w_.input_matrix().columns() * 4;
    work_division work{m.rank(),
                       m.size(),
                       block_of(w_.blocks(), m.size(), m.rank()),
                       block_of(w_.output_blocks(), m.size(), m.rank()),
                       read > l2,
                       read + made > l2};
    index_t const half = l_.operand / 2;
    auto const buffer = [&](std::byte* at) {
      if constexpr (Single) return single_operand(at, w_.output());
      else return operand<Kernel>(at, w_.output(), rows.batch);
    };
    decltype(buffer(nullptr)) h[2] = {buffer(operands_), buffer(operands_ + half)};
    index_t active = rows.active(io_.first_step, rows.batch), now = 0;
    h[0].set_rows(active);
    clear_padding(work);
    clear_operands(work);
    begin(work);
    scales_.begin(work);
    m.barrier();
    if (w_.follows_range()) settle_range(m, work, h[0]);
    else put_h(work, h[0]);
    m.barrier();

    index_t const steps =
        io_.steps_end < 0 ? rows.steps() : min_of(rows.steps(), io_.steps_end);
    for (index_t step = io_.first_step; step < steps;) {
      index_t const end = min_of(steps, step + chunk_);
      input_part(m, work, step, end, active);
      typename Kernel::context state;
      index_t row = io_.rows.reverse && reads_in_place() ? (end - step - 1) * rows.batch : 0;
      for (; step < end; ++step) {
        index_t const next = rows.active(step + 1, active);
        h[1 - now].set_rows(max_of(next, 1));
        if constexpr (Single) single_step(m, work, step, row, h[now], h[1 - now]);
        else batch_step<Kernel>(m, work, state, step, row, active, next, h[now], h[1 - now]);
        if (w_.follows_range()) settle_range(m, work, h[1 - now]);
        m.barrier();
        row += rows.reverse && reads_in_place() ? -rows.batch : active;
        active = next;
        now = 1 - now;
      }
    }
    finish(work);
  }

  // ---- before and after -------------------------------------------------------------------------
  f32* states_of(index_t row, index_t block) const noexcept {
    return states_ + row * l_.padded + block * nr;
  }

  // Outputs behind the end of a sequence are zero.
  void clear_padding(work_division const& work) const noexcept {
    if (!io_.rows.lengths || !io_.dst || io_.add) return;
    block const mine = block_of(io_.rows.batch, work.size, work.rank);
    for (index_t n = mine.begin; n < mine.end; ++n)
      for (index_t t = io_.rows.lengths[n]; t < io_.rows.time; ++t)
        for (index_t i = 0; i < w_.output(); ++i)
          io_.dst[t * io_.dst_t + n * io_.dst_n + i] = Y(0.0F);
  }

  // Rows and units that are never written are multiplied by zeros: they must be finite.
  void clear_operands(work_division const& work) const noexcept {
    block const mine = block_of(l_.operand + l_.other, work.size, work.rank, 64);
    __builtin_memset(operands_ + mine.begin, 0, static_cast<std::size_t>(mine.size()));
  }

  template <class F> void for_states(work_division const& work, F&& f) const noexcept {
    for (index_t row = 0; row < io_.rows.batch; ++row) {
      index_t const n = io_.rows.sequence(row);
      for (index_t b = work.own_output.begin; b < work.own_output.end; ++b)
        f(states_of(row, b), io_.initial_hidden, io_.final_hidden, n * w_.output() + b * nr,
          min_of(nr, w_.output() - b * nr));
      for (int k = 0; k < W::cell_type::states; ++k)
        for (index_t b = work.own.begin; b < work.own.end; ++b)
          f(states_of(row, b) + (1 + k) * l_.slot, io_.initial_state, io_.final_state,
            k * io_.state_stride + n * w_.hidden() + b * nr, min_of(nr, w_.hidden() - b * nr));
    }
  }
  void begin(work_division const& work) const noexcept {
    for_states(work, [](f32* state, f32 const* from, f32*, index_t at, index_t n) {
      for (index_t i = 0; i < nr; ++i) state[i] = from && i < n ? from[at + i] : 0.0F;
    });
  }
  void finish(work_division const& work) const noexcept {
    for_states(work, [](f32* state, f32 const*, f32* to, index_t at, index_t n) {
      if (to) __builtin_memcpy(to + at, state, static_cast<std::size_t>(n) * sizeof(f32));
    });
  }
  // h of own units as the operand of the next step.
  template <class Operand> void put_h(work_division const& work, Operand const& to) const noexcept {
    for (index_t row = 0; row < to.rows(); ++row) {
      quantizer const q(scales_.h(row));
      for (index_t b = work.own_output.begin; b < work.own_output.end; ++b) {
        V h[vectors];
        for (int v = 0; v < vectors; ++v) h[v] = V::load(states_of(row, b) + v * V::size);
        to.put(row, b * nr, min_of(nr, w_.output() - b * nr), h, q);
      }
    }
  }

  // The scale of each row of h(t) from its largest value, where nothing else bounds it; then own
  // units are quantized. Two barriers more.
  template <class Operand>
  void settle_range(M const& m, work_division const& work, Operand const& to) const noexcept {
    if constexpr (W::quantized) {
      m.barrier(); // h(t) is complete
      for (index_t row = work.rank; row < to.rows(); row += work.size)
        scales_.follow(row, states_of(row, 0));
      m.barrier();
      put_h(work, to);
    }
  }

  // ---- the input part ---------------------------------------------------------------------------
  bool reads_in_place() const noexcept {
    return std::same_as<X, A> && !io_.rows.lengths &&
           (io_.rows.batch == 1 || io_.src_t == io_.rows.batch * io_.src_n);
  }

  // A row of inputs to row `count` of the chunk. Its scale is NaN from the first NaN of the sequence on,
  // because bytes have none.
  void convert(X const* from, index_t count, index_t row) const noexcept {
    quantization const a = scales_.of_input(from);
    bool const has_nan = convert_row<I>(w_.input(), from, x_ + count * l_.x_stride, quantizer(a));
    scales_.converted(count, row, a.scale, has_nan);
  }

  void input_part(M const& m, work_division const& work, index_t step, index_t end,
                  index_t active) const noexcept {
    sequence_rows const& rows = io_.rows;
    a_source<A> a{x_, l_.x_stride, 1};
    index_t count = 0;
    if (reads_in_place()) {
      count = (end - step) * rows.batch;
      if constexpr (std::same_as<X, A>) {
        index_t const first = rows.reverse ? rows.time - end : step;
        a = {io_.src + first * io_.src_t, rows.batch == 1 ? io_.src_t : io_.src_n, 1};
      }
    } else {
      for (index_t t = step; t < end; ++t) {
        active = rows.active(t, active);
        for (index_t row = 0; row < active; ++row, ++count)
          if (row % work.size ==
              work.rank) // a sequence is one member's, who sees its times in order
            convert(io_.src + rows.time_of(t, row) * io_.src_t + rows.sequence(row) * io_.src_n,
                    count, row);
      }
      m.barrier();
    }
    matrix const& in = w_.input_matrix();
    gemm_options o;
    if (W::quantized) o.a_zero_point = scales_.input_zero();
    gemm_task<A, f32, typename matrix::view_type> t{};
    t.a = a;
    t.b = in.view();
    t.c = gates_x_;
    t.ldc = in.columns();
    t.k = w_.input();
    t.scratch = scratch_ + work.rank * (l_.region + l_.cells);
    chain const finish{input_stage<W::quantized>{in.scale(), w_.bias(), scales_.x()}};
    bool const few = count <= few_kernel::few_rows;
    blocking const plan = few ? layout::template blocks_of<few_kernel>(w_, count)
                              : layout::template blocks_of<main_kernel>(w_, count);
    tile_division const mine(in.blocks(), count, plan.height, work);
    block const blocks = mine.blocks();
    for (index_t b = blocks.begin; b < blocks.end;) {
      t.rows = mine.rows_of(b);
      index_t next = b + 1; // neighbours with the same rows go together
      while (next < blocks.end && mine.rows_of(next) == t.rows) ++next;
      t.panels = {b * in.gates(), next * in.gates()};
      if (few) run_region<I, few_kernel>(t, plan, o, finish);
      else run_region<I, main_kernel>(t, plan, o, finish);
      b = next;
    }
    m.barrier();
  }

  // ---- a step -----------------------------------------------------------------------------------
  // New h of some units of a row: to the states, to the operand of the next step, to the
  // destination.
  template <class Operand, int Count>
  IA_NN_INLINE void emit(index_t step, index_t row, index_t unit, V const (&h)[Count], bool goes_on,
                         Operand const& next) const noexcept {
    index_t const n = min_of(Count * V::size, w_.output() - unit);
    f32* const state = states_of(row, 0) + unit;
    IA_NN_UNROLL
    for (int v = 0; v < Count; ++v) h[v].store(state + v * V::size);
    if (goes_on && !w_.follows_range()) next.put(row, unit, n, h, quantizer(scales_.h(row)));
    if (!io_.dst) return;
    index_t const t = io_.rows.time_of(step, row), seq = io_.rows.sequence(row);
    Y* const to = io_.dst + t * io_.dst_t + seq * io_.dst_n + unit;
    X const* const plus =
        io_.residual ? io_.residual + t * io_.src_t + seq * io_.src_n + unit : nullptr;
    IA_NN_UNROLL
    for (int v = 0; v < Count; ++v) {
      index_t const left = n - v * V::size;
      if (left <= 0) break;
      V y = h[v];
      if (plus) y = y + V::load(plus + v * V::size, left);
      if (io_.add) y = y + V::load(to + v * V::size, left);
      if (left >= V::size) y.store(to + v * V::size);
      else y.store(to + v * V::size, left);
    }
  }
  f32 attention(index_t step, index_t row) const noexcept {
    if constexpr (traits::attends)
      return io_.attention[io_.rows.time_of(step, row) * io_.attention_t +
                           io_.rows.sequence(row) * io_.attention_n];
    else return 0;
  }

  // Sums of own blocks, each finished while it is in L1: finish(block, row, cells). `x` is what it will
  // read of the input part, null where it reads none. What does not stay in L2 AMX fetches ahead: the
  // input part while the product of the same rows runs, weights by a panel. Vectors fetch the next
  // panel always and the input part never: such rules gain them nothing (Zen 5: 0.98 to 1.02).
  template <class Kernel, class Finish>
  void product(work_division const& work, typename Kernel::context& state, matrix const& u,
               s32 const* start, operand<Kernel> const& a, index_t step, index_t active,
               f32 const* x, Finish const& finish) const noexcept {
    acc* const cells =
        reinterpret_cast<acc*>(scratch_ + work.rank * (l_.region + l_.cells) + l_.region);
    index_t turn = 0;
    index_t const most = max_of(1, rows_at_once / a.height()) * a.height();
    index_t const width = traits::gates * nr, columns = w_.input_matrix().columns();
    tile_division const mine(u.blocks(), active, a.height(), work);
    // Backward, the next block does not lie behind this one: the last panel fetches nothing.
    int const fetch = !Kernel::is_amx     ? u.gates()
                      : !work.far_weights ? 0
                      : step % 2 == 0     ? u.gates()
                                          : u.gates() - 1;
    sweep(mine.blocks(), step, [&](index_t b) {
      block const own = mine.rows_of(b);
      for (index_t row = own.begin; row < own.end; row += most) {
        index_t const rows = min_of(most, own.end - row);
        for (index_t r = 0; Kernel::is_amx && x && work.far_input && r < rows; ++r)
          for (index_t i = 0; i < width; i += 16)
            __builtin_prefetch(x + (row + r) * columns + b * width + i, 0, 3);
        recurrent_tiles<W, Kernel>::run(
            state, u, start, a, {b, row, rows, cells + turn * l_.cells / 4 / layout::cell_buffers},
            row == 0 ? fetch : 0, finish);
        if (Kernel::is_amx) turn = 1 - turn; // the sums before these are not finished yet
      }
    });
    if constexpr (Kernel::is_amx) state.drain();
  }

  IA_NN_INLINE cell_lanes<W> lanes_at(index_t b, index_t row, f32 const* x, acc const* cells,
                                 matrix const& u, f32 factor, f32 attention_weight, int v,
                                 [[maybe_unused]] index_t step) const noexcept {
    cell_lanes<W> at;
    index_t const offset = v * V::size;
    at.parameters = w_.parameters() + b * nr + offset;
    at.padded = w_.blocks() * nr;
    at.states = states_of(row, b) + offset;
    at.slot = l_.slot;
    at.attention_weight = attention_weight;
    at.x_part = x + b * traits::gates * nr + offset;
    at.h_part = cells + offset;
    at.h_scale = matrix::scaled ? u.scale() + b * u.gates() * nr + offset : nullptr;
    at.h_bias = traits::any_recurrent_bias ? w_.recurrent_bias() + b * traits::gates * nr + offset
                                           : nullptr;
    at.factor = factor;
    if constexpr (W::records > 0) {
      index_t const cell = ((step - io_.first_step) * io_.rows.batch + row) * w_.blocks() + b;
      at.reserve = io_.reserve ? io_.reserve + cell * W::records * nr + offset : nullptr;
    }
    return at;
  }

  template <class Kernel>
  void batch_step(M const& m, work_division const& work, typename Kernel::context& state,
                  index_t step, index_t first_row, index_t active, index_t next_rows,
                  operand<Kernel> const& h, operand<Kernel> const& next) const noexcept {
    constexpr bool few = std::same_as<Kernel, few_kernel>;
    index_t const columns = w_.input_matrix().columns();
    f32 const* const x = gates_x_ + first_row * columns;
    operand<Kernel> other(other_, w_.hidden(), io_.rows.batch);
    other.set_rows(active);
    auto const deliver = [&](index_t b, index_t row, V const(&v)[vectors]) IA_NN_LAMBDA {
      if (w_.projects())
        other.put(row, b * nr, min_of(nr, w_.hidden() - b * nr), v, quantizer(scales_.second(row)));
      else emit(step, row, b * nr, v, row < next_rows, next);
    };
    auto const cells_to = [&](matrix const& u, auto const& function) {
      return [&, function](index_t b, index_t row, acc const* cells) {
        f32 const a = attention(step, row), factor = scales_.factor(row);
        V v[vectors];
        IA_NN_UNROLL
        for (int i = 0; i < vectors; ++i) {
          auto at = lanes_at(b, row, x + row * columns, cells, u, factor, a, i, step);
          v[i] = function(at);
        }
        return deliver(b, row, v);
      };
    };
    s32 const* const start = w_.recurrent_start(few);
    if constexpr (traits::by_row) {
      product<Kernel>(work, state, w_.recurrent(), start, h, step, active, nullptr,
                      [&](index_t b, index_t row, acc const* cells) {
                        raw_sums(b, cells, scales_.factor(row), gates_h_ + row * columns);
                      });
      m.barrier();
      for (index_t row = work.rank; row < active; row += work.size) {
        whole_row(row, x + row * columns, gates_h_ + row * columns);
        for (index_t b = 0; b < w_.blocks(); ++b) {
          V v[vectors];
          for (int i = 0; i < vectors; ++i) v[i] = V::load(states_of(row, b) + i * V::size);
          deliver(b, row, v);
        }
      }
    } else if constexpr (traits::late > 0) {
      product<Kernel>(work, state, w_.recurrent(), start, h, step, active, x,
                      [&](index_t b, index_t row, acc const* cells) {
                        f32 const a = attention(step, row), factor = scales_.factor(row);
                        V v[vectors];
                        IA_NN_UNROLL
                        for (int i = 0; i < vectors; ++i) {
                          auto at = lanes_at(b, row, x + row * columns, cells, w_.recurrent(),
                                             factor, a, i, step);
                          v[i] = w_.cell().prepare(at);
                        }
                        other.put(row, b * nr, min_of(nr, w_.hidden() - b * nr), v,
                                  quantizer(scales_.second(row)));
                      });
      m.barrier();
      product<Kernel>(
          work, state, w_.late(), w_.late_start(few), other, step, active, x,
          cells_to(w_.late(), [&](auto& at) IA_NN_LAMBDA { return w_.cell().step(at); }));
    } else {
      product<Kernel>(
          work, state, w_.recurrent(), start, h, step, active, x,
          cells_to(w_.recurrent(), [&](auto& at) IA_NN_LAMBDA { return w_.cell().step(at); }));
    }
    if (w_.projects()) {
      m.barrier();
      product<Kernel>(work, state, w_.projection(), w_.projection_start(few), other, step, active,
                      nullptr, [&](index_t b, index_t row, acc const* cells) {
                        V v[vectors];
                        f32 const factor = scales_.projected(row, first_row + row);
                        for (int i = 0; i < vectors; ++i) v[i] = projected(b, cells, factor, i);
                        emit(step, row, b * nr, v, row < next_rows, next);
                      });
    }
  }
  V projected(index_t b, acc const* cells, f32 factor, int i) const noexcept {
    index_t const at = i * V::size;
    return real_sum<W>(vec<acc, I>::load(cells + at),
                       matrix::scaled ? w_.projection().scale() + b * nr + at : nullptr, factor);
  }
  // Recurrent sums of a block as f32, for cells that look at whole rows.
  void raw_sums(index_t b, acc const* cells, f32 factor, f32* to) const noexcept {
    for (index_t i = 0; i < traits::gates * nr; i += V::size) {
      index_t const column = b * traits::gates * nr + i;
      real_sum<W>(vec<acc, I>::load(cells + i),
                  matrix::scaled ? w_.recurrent().scale() + column : nullptr, factor)
          .store(to + column);
    }
  }
  void whole_row(index_t row, f32 const* x, f32 const* h) const noexcept {
    row_view<W> view{&w_, x, h, states_of(row, 0), l_.slot};
    w_.cell().step_row(view);
  }

  // One sequence: gates stay in registers (row_step.hpp).
  void single_step(M const& m, work_division const& work, index_t step, index_t x_row,
                   single_operand const& h, single_operand const& next) const noexcept {
    single_operand const other(other_, w_.hidden());
    row_step_call<W> call{};
    call.x_part = gates_x_ + x_row * w_.input_matrix().columns();
    call.h = h.data();
    call.factor = scales_.factor(0);
    call.projected_factor = scales_.projected(0, x_row);
    call.states = states_;
    call.slot = l_.slot;
    call.attention = attention(step, 0);
    row_step(w_, m, call, gates_h_, other, scales_.second(0), work.own, work.own_output, step,
             [&](index_t unit, V value) IA_NN_LAMBDA {
               V const one[1] = {value};
               emit(step, 0, unit, one, true, next);
             });
  }

  W const& w_;
  sequence_pass<X, Y> const& io_;
  layout const& l_;
  index_t chunk_;
  f32* states_;
  std::byte* operands_;
  std::byte* other_;
  A* x_;
  f32* gates_x_;
  f32* gates_h_;
  row_scales<W, X, Y> scales_;
  std::byte* scratch_;
};

} // namespace detail

IA_NN_END
