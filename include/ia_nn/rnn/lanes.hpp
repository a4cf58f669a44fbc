// SPDX-License-Identifier: Apache-2.0
//
// What a cell sees (cell.hpp): some units of one sequence as registers. `cell_lanes` reads the gates
// of a block from memory, where the register tiles left them; `row_lanes` holds them in registers.
#pragma once

#include <ia_nn/rnn/weights.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// What both have: parameters, states and elementary functions. Pointers are those of these units.
template <class W> struct cell_lanes_base {
  using vector = vec<f32, typename W::isa_type>;
  using V = vector;

  f32 const* parameters; ///< [parameter][padded units]
  index_t padded;
  f32* states;  ///< [slot][row][padded units]: h, the carried ones, the kept ones
  index_t slot; ///< elements from slot to slot
  f32 attention_weight;

  IA_NN_INLINE V hidden() const noexcept { return V::load(states); }
  IA_NN_INLINE V state(int k) const noexcept { return V::load(states + (1 + k) * slot); }
  IA_NN_INLINE void set_state(int k, V v) const noexcept { v.store(states + (1 + k) * slot); }
  IA_NN_INLINE V parameter(int k) const noexcept { return V::load(parameters + k * padded); }
  IA_NN_INLINE V attention() const noexcept { return V::broadcast(attention_weight); }
  static IA_NN_INLINE auto sigmoid(V v) noexcept { return math::sigmoid_quotient(v); }
  static IA_NN_INLINE auto tanh(V v) noexcept { return math::tanh_quotient(v); }
  template <class T> static IA_NN_INLINE void record(int, T const&) noexcept {}
};

/// A sum as f32, scaled where weights are s8. The product is an fma, because others add to it: GCC
/// would contract a plain one with that sum, here and not there, and bits would differ.
template <class W, class Acc>
IA_NN_INLINE auto real_sum(Acc sum, f32 const* scale, f32 factor) noexcept {
  using V = vec<f32, typename W::isa_type>;
  if constexpr (W::matrix::scaled)
    return fma(as_f32(sum), V::load(scale) * V::broadcast(factor), V::zero());
  else return as_f32(sum);
}

template <class W> struct cell_lanes : cell_lanes_base<W> {
  using V = typename cell_lanes_base<W>::V;
  using acc = typename W::matrix::main_kernel::acc;
  using traits = typename W::traits;
  static constexpr index_t nr = W::nr;

  f32 const* x_part;  ///< [gate][nr], bias included
  acc const* h_part;  ///< [gate][nr]: of the gates from `first_gate` on
  f32 const* h_scale; ///< [gate][nr], s8 weights
  f32 const* h_bias;  ///< [gate][nr] where a gate keeps its recurrent bias
  f32 factor;         ///< scale of h
  f32* reserve;       ///< [value][nr]: what the cell records, where W::records; may be null

  template <class T> IA_NN_INLINE void record(int k, T const& v) const noexcept {
    if constexpr (W::records > 0)
      if (reserve) math::register_of(v).store(reserve + k * nr);
  }
  IA_NN_INLINE V x(int g) const noexcept { return V::load(x_part + g * nr); }
  IA_NN_INLINE V h(int g) const noexcept {
    // A cell with late gates asks for its early ones in `prepare` and for the late ones in `step`.
    int const at = g >= traits::early ? g - traits::early : g;
    V const sum = real_sum<W>(vec<acc, typename W::isa_type>::load(h_part + at * nr),
                              h_scale + (W::matrix::scaled ? at * nr : 0), factor);
    return traits::recurrent_bias(g) ? sum + V::load(h_bias + g * nr) : sum;
  }
};

/// Zero in place of what is smaller than `tiny`: states that decay never become denormal.
template <class V> IA_NN_INLINE V without_tiny(V v, f32 tiny) noexcept {
  return select(abs(v) < V::broadcast(tiny), V::zero(), v);
}

/// One register of units of every gate.
template <class W, int Gates> struct row_lanes : cell_lanes_base<W> {
  using V = typename cell_lanes_base<W>::V;
  V xs[Gates], hs[Gates];
  f32 tiny; ///< states below it become zero
  IA_NN_INLINE V x(int g) const noexcept { return xs[g]; }
  IA_NN_INLINE V h(int g) const noexcept { return hs[g]; }
  IA_NN_INLINE void set_state(int k, V v) const noexcept {
    cell_lanes_base<W>::set_state(k, without_tiny(v, tiny));
  }
};

/// All units of one sequence, for cells with `step_row`. Register j holds units j * size on.
template <class W> struct row_view {
  using vector = vec<f32, typename W::isa_type>;
  using V = vector;
  static constexpr index_t nr = W::nr;
  static constexpr int gates = W::traits::gates;

  W const* weights;
  f32 const* x_part; ///< [block][gate][nr]
  f32 const* h_part; ///< the same
  f32* states;
  index_t slot;

  index_t units() const noexcept { return weights->hidden(); }
  index_t vectors() const noexcept { return ceil_div(units(), V::size); }
  IA_NN_INLINE V x(int g, index_t j) const noexcept { return V::load(x_part + column(g, j)); }
  IA_NN_INLINE V h(int g, index_t j) const noexcept {
    V const sum = V::load(h_part + column(g, j));
    return W::traits::recurrent_bias(g) ? sum + V::load(weights->recurrent_bias() + column(g, j))
                                        : sum;
  }
  V parameter(int k, index_t j) const noexcept {
    return V::load(weights->parameters() + k * weights->blocks() * nr + j * V::size);
  }
  V state(int k, index_t j) const noexcept {
    return V::load(states + (1 + k) * slot + j * V::size);
  }
  void set_state(int k, index_t j, V v) const noexcept {
    v.store(states + (1 + k) * slot + j * V::size);
  }
  void set_hidden(index_t j, V v) const noexcept { v.store(states + j * V::size); }
  /// v with zeros behind the last unit.
  V inside(index_t j, V v) const noexcept {
    static constexpr f32 ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    index_t const left = units() - j * V::size;
    return left >= V::size ? v : v * V::load(ones, left);
  }
  static f32 total(V v) noexcept { return sum(v); }
  static IA_NN_INLINE auto sigmoid(V v) noexcept { return math::sigmoid_quotient(v); }
  static IA_NN_INLINE auto tanh(V v) noexcept { return math::tanh_quotient(v); }

private:
  static index_t column(int g, index_t j) noexcept {
    index_t const unit = j * V::size;
    return (unit / nr * gates + g) * nr + unit % nr;
  }
};

} // namespace detail

IA_NN_END
