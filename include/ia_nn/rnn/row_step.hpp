// SPDX-License-Identifier: Apache-2.0
//
// One step of one sequence: the sums of all gates of some units stay in registers from the first
// product to the new state.
//
//   h[g][v] = sum over k of h(t-1)[k] * U[k][g][v]      G gates x Nv registers (LSTM, AVX-512: 8)
//   x[g][v] = b + sum over k of x(t)[k] * W[k][g][v], or what a product over all times computed
//   h(t)    = cell.step(x, h)
//
// Weights are read once per step and used once, so the step is as fast as memory gives them: beside
// the loads there is one multiply-add per register. Fewer than 8 sums would wait for each other, so
// that cells of few gates split k into chains that are added at the end.
//
//   k      0  1  2  3  4  5 ...
//   chain  0  1  2  3  0  1 ...      4 chains for G * Nv = 2: 8 sums
//
// The last block of units takes half its registers where the other half is empty. Extents known at
// compile time unroll the loop over k if it is short.
#pragma once

#include <ia_nn/core/executor.hpp>
#include <ia_nn/rnn/lanes.hpp>
#include <ia_nn/rnn/operand.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <class Dot, int G, int Nv> struct row_sums {
  static constexpr int chains = G * Nv >= 5 ? 1 : G * Nv >= 3 ? 2 : G * Nv == 2 ? 4 : 8;
  using acc = typename Dot::acc;
  acc c[G][Nv];
};

/// c[g][v] += sum over `groups` of a * b; panels of the gates lie `stride` elements apart. Groups is
/// their number where that is known and small, else 0.
template <class Dot, int G, int Nv, int Nr, int Groups, class A, class B>
IA_NN_INLINE void row_product(row_sums<Dot, G, Nv>& sums, index_t groups, A const* a, B const* b,
                              index_t stride) noexcept {
  using acc = typename Dot::acc;
  constexpr int kr = Dot::kr, width = Dot::width, chains = row_sums<Dot, G, Nv>::chains;
  acc c[chains][G][Nv];
  IA_NN_UNROLL
  for (int g = 0; g < G; ++g) IA_NN_UNROLL
  for (int v = 0; v < Nv; ++v) {
    c[0][g][v] = sums.c[g][v];
    IA_NN_UNROLL
    for (int i = 1; i < chains; ++i) c[i][g][v] = acc::zero();
  }
  auto const one = [&](acc(&to)[G][Nv], int i) IA_NN_LAMBDA {
    auto const x = Dot::load_a(a + i * kr);
    IA_NN_UNROLL
    for (int g = 0; g < G; ++g) IA_NN_UNROLL
    for (int v = 0; v < Nv; ++v)
      Dot::mac(to[g][v], x, Dot::load_b(b + g * stride + (i * Nr + v * width) * kr));
  };
  if constexpr (Groups > 0) {
    IA_NN_UNROLL
    for (int i = 0; i < Groups; ++i) one(c[i % chains], i);
  } else {
    index_t done = 0;
    IA_NN_ROLLED for (; done + chains <= groups; done += chains) {
      IA_NN_UNROLL
      for (int i = 0; i < chains; ++i) one(c[i], i);
      a += chains * kr;
      b += chains * Nr * kr;
    }
    if constexpr (chains > 1) IA_NN_ROLLED for (; done < groups; ++done) {
        one(c[0], 0);
        a += kr;
        b += Nr * kr;
      }
  }
  IA_NN_UNROLL
  for (int half = chains / 2; half > 0; half /= 2) IA_NN_UNROLL
  for (int i = 0; i < half; ++i) IA_NN_UNROLL
  for (int g = 0; g < G; ++g) IA_NN_UNROLL
  for (int v = 0; v < Nv; ++v) c[i][g][v] = c[i][g][v] + c[i + half][g][v];
  IA_NN_UNROLL
  for (int g = 0; g < G; ++g) IA_NN_UNROLL
  for (int v = 0; v < Nv; ++v) sums.c[g][v] = c[0][g][v];
}

/// What one step of one sequence works on. Rows of operands are padded to whole groups.
template <class W> struct row_step_call {
  using packed = typename W::matrix::few_kernel::packed_a;
  f32 const* x_part; ///< [block][gate][nr]; null: computed from x
  packed const* x;
  f32 x_factor;       ///< scale of x
  s32 const* x_start; ///< where its sums start: zero points
  packed const* h;    ///< operand of the early gates
  f32 factor;         ///< scale of h
  f32 projected_factor; ///< scale of the operand of a projection
  f32* states;        ///< [slot][padded units]
  index_t slot;
  f32 attention;
  f32 tiny; ///< states below it become zero
};

/// The Count gates of `matrix` from `panel` on, Nv registers each.
template <class W, int Count, int Nv, index_t K, class Acc>
IA_NN_INLINE void row_gates(typename W::matrix const& matrix, index_t panel,
                            typename row_step_call<W>::packed const* a, s32 const* start,
                            Acc (&out)[Count][Nv]) noexcept {
  using kernel = typename W::matrix::few_kernel;
  using dot_type = typename kernel::dot_type;
  constexpr int nr = static_cast<int>(W::nr), width = dot_type::width, kr = kernel::kr;
  constexpr int parts = W::matrix::parts;
  // Loops of known and small length are unrolled.
  constexpr index_t short_k = K == dyn ? 0 : ceil_div(K, kr);
  constexpr int known = short_k * Count * Nv <= 160 && parts == 1 ? static_cast<int>(short_k) : 0;
  auto const view = matrix.view();
  row_sums<dot_type, Count, Nv> s;
  IA_NN_UNROLL
  for (int g = 0; g < Count; ++g) IA_NN_UNROLL
  for (int v = 0; v < Nv; ++v) {
    if constexpr (std::same_as<typename Acc::value_type, s32>)
      s.c[g][v] = Acc::load(start + (panel + g) * nr + v * width);
    else s.c[g][v] = Acc::zero();
  }
  index_t const groups = K == dyn ? ceil_div(view.k, kr) : ceil_div(K, kr);
  index_t const stride =
      K == dyn ? view.stride()
               : W::matrix::panel_type::template stride<typename W::matrix::b_type>(K);
  if constexpr (parts == 1) {
    row_product<dot_type, Count, Nv, nr, known>(s, groups, a, view.data + panel * stride, stride);
  } else {
    index_t const part = round_up(view.k, 64 / static_cast<index_t>(sizeof(*a)));
    for (int i = 0; i < term_pair_count(parts); ++i) {
      term_pair const pair = term_pairs(parts)[i];
      row_product<dot_type, Count, Nv, nr, 0>(
          s, groups, a + pair.a * part, view.data + pair.b * view.term_stride() + panel * stride,
          stride);
    }
  }
  IA_NN_UNROLL
  for (int g = 0; g < Count; ++g) IA_NN_UNROLL
  for (int v = 0; v < Nv; ++v) out[g][v] = s.c[g][v];
}

/// The input part of gates First .. First + Count - 1 of block b.
template <class W, int First, int Count, int Nv, class V>
IA_NN_INLINE void row_input(W const& w, index_t b, row_step_call<W> const& call,
                            V (&xs)[Count][Nv]) noexcept {
  constexpr int G = W::traits::gates, nr = static_cast<int>(W::nr), width = V::size;
  using acc = typename W::matrix::few_kernel::dot_type::acc;
  index_t const column = (b * G + First) * nr;
  if (call.x_part) {
    IA_NN_UNROLL
    for (int g = 0; g < Count; ++g) IA_NN_UNROLL
    for (int v = 0; v < Nv; ++v) xs[g][v] = V::load(call.x_part + column + g * nr + v * width);
    return;
  }
  acc c[Count][Nv];
  row_gates<W, Count, Nv, W::static_input>(w.input_matrix(), b * G + First, call.x, call.x_start,
                                           c);
  IA_NN_UNROLL
  for (int g = 0; g < Count; ++g) IA_NN_UNROLL
  for (int v = 0; v < Nv; ++v) {
    index_t const at = column + g * nr + v * width;
    V const bias = V::load(w.bias() + at);
    if constexpr (W::matrix::scaled)
      xs[g][v] = fma(as_f32(c[g][v]),
                     V::load(w.input_matrix().scale() + at) * V::broadcast(call.x_factor), bias);
    else xs[g][v] = as_f32(c[g][v]) + bias;
  }
}

/// Gates First .. First + Count - 1 of block b, Nv registers each, whose recurrent part
/// comes from `matrix` and the operand `a`; calls finish(unit, lanes) for each register.
template <class W, int First, int Count, int Nv, class Finish>
IA_NN_INLINE void row_block(W const& w, typename W::matrix const& matrix, s32 const* start,
                            typename row_step_call<W>::packed const* a, index_t b,
                            row_step_call<W> const& call, Finish&& finish) noexcept {
  using V = vec<f32, typename W::isa_type>;
  using acc = typename W::matrix::few_kernel::dot_type::acc;
  constexpr int G = W::traits::gates, nr = static_cast<int>(W::nr), width = V::size;
  V xs[Count][Nv];
  row_input<W, First, Count, Nv>(w, b, call, xs);
  acc c[Count][Nv];
  row_gates<W, Count, Nv, W::static_hidden>(matrix, b * Count, a, start, c);
  IA_NN_UNROLL
  for (int v = 0; v < Nv; ++v) {
    row_lanes<W, G> at;
    index_t const unit = b * nr + v * width;
    at.parameters = w.parameters() + unit;
    at.padded = w.blocks() * nr;
    at.states = call.states + unit;
    at.tiny = call.tiny;
    at.slot = call.slot;
    at.attention_weight = call.attention;
    IA_NN_UNROLL
    for (int g = 0; g < Count; ++g) {
      index_t const column = (b * G + First + g) * nr + v * width;
      at.xs[First + g] = xs[g][v];
      V const s = real_sum<W>(
          c[g][v], matrix.scale() + (W::matrix::scaled ? (b * Count + g) * nr + v * width : 0),
          call.factor);
      at.hs[First + g] =
          W::traits::recurrent_bias(First + g) ? s + V::load(w.recurrent_bias() + column) : s;
    }
    finish(unit, at);
  }
}

/// f(i) for the elements of a range, in alternating direction.
template <class F> IA_NN_INLINE void sweep(block own, index_t step, F&& f) noexcept {
  if (step % 2 == 0)
    for (index_t b = own.begin; b < own.end; ++b) f(b);
  else
    for (index_t b = own.end - 1; b >= own.begin; --b) f(b);
}

/// Gates First .. First + Count - 1 of own blocks, in alternating direction: what was touched last
/// is touched first, and still in cache (LSTM, H 64, on Zen 4: from 683 to 590 ns a step).
/// finish(unit, lanes) as in row_block.
template <class W, int First, int Count, class Finish>
IA_NN_INLINE void row_units(W const& w, typename W::matrix const& u, s32 const* start,
                            typename row_step_call<W>::packed const* a,
                            row_step_call<W> const& call, block own, index_t step,
                            Finish&& finish) noexcept {
  constexpr int all = static_cast<int>(W::nr) / vec<f32, typename W::isa_type>::size;
  constexpr bool one_half = W::static_hidden != dyn && W::static_hidden <= W::nr / 2;
  sweep(own, step, [&](index_t b) IA_NN_LAMBDA {
    index_t const units = w.hidden() - b * W::nr;
    if constexpr (one_half) {
      row_block<W, First, Count, all / 2>(w, u, start, a, b, call, finish);
    } else {
      if ((W::static_hidden == dyn || W::static_hidden % W::nr != 0) && units <= W::nr / 2)
        row_block<W, First, Count, all / 2>(w, u, start, a, b, call, finish);
      else row_block<W, First, Count, all>(w, u, start, a, b, call, finish);
    }
  });
}

/// Both parts of all gates of block b, to memory.
template <class W>
void row_sums_of(W const& w, index_t b, row_step_call<W> const& call, f32* x, f32* h) noexcept {
  using V = vec<f32, typename W::isa_type>;
  constexpr int vectors = static_cast<int>(W::nr) / V::size, G = W::traits::gates;
  V xs[G][vectors];
  row_input<W, 0, G, vectors>(w, b, call, xs);
  typename W::matrix::few_kernel::dot_type::acc c[G][vectors];
  row_gates<W, G, vectors, W::static_hidden>(w.recurrent(), b * G, call.h, w.recurrent_start(true),
                                             c);
  for (int g = 0; g < G; ++g)
    for (int i = 0; i < vectors; ++i) {
      index_t const column = (b * G + g) * W::nr + i * V::size;
      xs[g][i].store(x + column);
      real_sum<W>(c[g][i], W::matrix::scaled ? w.recurrent().scale() + column : nullptr,
                  call.factor)
          .store(h + column);
    }
}

/// The whole step, blocks `own` of units by this member. `other` takes the operand of a second
/// product, `gates` (2 rows) the sums of cells that look at whole rows. emit(unit, h) gets
/// registers of results.
template <class W, team_member M, class Operand, class Emit>
void row_step(W const& w, M const& m, row_step_call<W> const& call, f32* gates,
              Operand const& other, quantization const& second, block own, block own_output, index_t step,
              Emit&& emit) noexcept {
  using V = vec<f32, typename W::isa_type>;
  using traits = typename W::traits;
  constexpr int vectors = static_cast<int>(W::nr) / V::size, G = traits::gates;
  quantizer const q(second);
  auto const keep = [&](index_t unit, V h) IA_NN_LAMBDA {
    V const one[1] = {h};
    other.put(0, unit, w.hidden() - unit, one, q);
  };
  auto const deliver = [&](index_t unit, V h) IA_NN_LAMBDA {
    if (w.projects()) keep(unit, h);
    else emit(unit, h);
  };
  if constexpr (traits::by_row) {
    index_t const columns = w.recurrent().columns();
    sweep(own, step,
          [&](index_t b) IA_NN_LAMBDA { row_sums_of(w, b, call, gates, gates + columns); });
    m.barrier();
    if (m.rank() == 0) {
      row_view<W> row{&w, gates, gates + columns, call.states, call.slot};
      w.cell().step_row(row);
      for (index_t unit = 0; unit < w.hidden(); unit += V::size)
        deliver(unit, V::load(call.states + unit));
    }
  } else if constexpr (traits::late > 0) {
    row_units<W, 0, traits::early>(
        w, w.recurrent(), w.recurrent_start(true), call.h, call, own, step,
        [&](index_t unit, auto& at) IA_NN_LAMBDA { keep(unit, w.cell().prepare(at)); });
    m.barrier();
    row_units<W, traits::early, traits::late>(
        w, w.late(), w.late_start(true), other.data(), call, own, step,
        [&](index_t unit, auto& at) IA_NN_LAMBDA { deliver(unit, w.cell().step(at)); });
  } else {
    row_units<W, 0, G>(w, w.recurrent(), w.recurrent_start(true), call.h, call, own, step,
                       [&](index_t unit, auto& at)
                           IA_NN_LAMBDA { deliver(unit, w.cell().step(at)); });
  }
  if (w.projects()) {
    m.barrier();
    sweep(own_output, step, [&](index_t b) IA_NN_LAMBDA {
      typename W::matrix::few_kernel::dot_type::acc c[1][vectors];
      row_gates<W, 1, vectors, dyn>(w.projection(), b, other.data(), w.projection_start(true), c);
      for (int i = 0; i < vectors && b * W::nr + i * V::size < w.output(); ++i)
        emit(b * W::nr + i * V::size,
             real_sum<W>(c[0][i],
                         W::matrix::scaled ? w.projection().scale() + b * W::nr + i * V::size
                                           : nullptr,
                         call.projected_factor));
    });
  }
}

} // namespace detail

IA_NN_END
