// SPDX-License-Identifier: Apache-2.0
//
// One stack of recurrent layers with random weights and one call of it: what the oracle makes of
// it, and what a layer in some arithmetic on some instruction set does, in buffers of the exact
// size.
//
//   rnn_problem<lstm> const p({.input = 5, .hidden = 17, .time = 7, .batch = 3}, r);
//   rnn_output const got = p.run<rnn_weights<I, lstm>>();
//   REQUIRE(p.verdict_of(got) == "");
#pragma once

#include "describe.hpp"
#include "isa.hpp"
#include "random.hpp"
#include "results.hpp"

#include <ia_nn/rnn/rnn.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace ia_nn_test {

using ia_nn::quantization;
using ia_nn::element;
using ia_nn::gru;
using ia_nn::gru_reset_before;
using ia_nn::lstm;
using ia_nn::rnn;
using ia_nn::rnn_call;
using ia_nn::rnn_direction;
using ia_nn::rnn_layout;
using ia_nn::rnn_options;
using ia_nn::rnn_quantization;
using ia_nn::rnn_source;
using ia_nn::rnn_weights;
using ia_nn::standard;

/// Compiling a layer takes two seconds, and five under sanitizers: these get one set for each way of
/// addressing memory (vectors, tiles) of those that are compiled.
inline constexpr bool few_isas = under_asan && contains<ia_nn::isa::amx, ia_nn::isa::compiled>;
/// The sets whose registers differ.
using layer_isas = std::conditional_t<few_isas, ia_nn::type_list<ia_nn::isa::avx512>, vector_isas>;
/// Everything.
using swept_isas =
    std::conditional_t<few_isas, ia_nn::type_list<ia_nn::isa::amx, ia_nn::isa::avx512>,
                       ia_nn::isa::compiled>;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

struct rnn_case {
  index_t input = 3, hidden = 5, projected = 0, layers = 1, time = 2, batch = 3;
  rnn_direction direction = rnn_direction::forward;
  rnn_layout layout = rnn_layout::time_first;
  bool residual = false, biases = true, states = true, lengths = false;
  int workers = 1;
  ia_nn::denormals denormal = ia_nn::denormals::flush;

  index_t size() const { return projected ? projected : hidden; }
  index_t directions() const {
    return direction == rnn_direction::concat || direction == rnn_direction::sum ? 2 : 1;
  }
  index_t width() const { return direction == rnn_direction::concat ? 2 * size() : size(); }
  rnn_options options() const {
    return {std::max<index_t>(time, 1),
            std::max<index_t>(batch, 1),
            workers,
            direction,
            layout,
            residual,
            denormal};
  }
  std::string text() const {
    std::ostringstream s;
    s << "T " << time << " N " << batch << " I " << input << " H " << hidden << " P " << projected
      << " L " << layers << " direction " << static_cast<int>(direction)
      << (layout == rnn_layout::batch_first ? " batch first" : "") << (residual ? " residual" : "")
      << (biases ? "" : " no biases") << (states ? "" : " no states") << (lengths ? " lengths" : "")
      << " workers " << workers;
    return s.str();
  }
};

struct layer_weights {
  index_t input;
  std::vector<f32> w_input, w_recurrent, b_input, b_recurrent, parameters, projection;
};

template <class Cell> struct rnn_problem {
  rnn_case c;
  Cell cell;
  std::vector<layer_weights> layers; ///< [layer][direction]
  std::vector<f32> x, h0, c0, attention;
  std::vector<s32> lengths;

  rnn_problem(rnn_case const& the_case, random& r, Cell const& the_cell = {})
      : c(the_case), cell(the_cell) {
    auto const draw = [&](index_t n, f32 scale) {
      std::vector<f32> v(at(n));
      for (f32& e : v) e = scale * r.normal();
      return v;
    };
    constexpr index_t G = Cell::gates;
    index_t const H = c.hidden, R = c.size();
    auto const per = [](index_t k) { return 0.9F / std::sqrt(static_cast<f32>(k)); };
    for (index_t l = 0; l < c.layers; ++l)
      for (index_t d = 0; d < c.directions(); ++d) {
        index_t const I = l == 0 ? c.input : c.width();
        layers.push_back({I, draw(G * H * I, per(I)), draw(G * H * R, per(R)),
                          draw(c.biases ? G * H : 0, 0.3F), draw(c.biases ? G * H : 0, 0.3F),
                          draw(Cell::parameters * H, 0.5F), draw(c.projected * H, per(H))});
      }
    x = draw(c.time * c.batch * c.input, 1);
    index_t const states = c.states ? c.layers * c.directions() * c.batch : 0;
    h0 = draw(states * R, 0.4F);
    c0 = draw(Cell::states ? states * H : 0, 0.5F);
    if (ia_nn::detail::cell_traits<Cell>::attends) {
      attention = draw(c.time * c.batch, 0);
      for (f32& a : attention) a = r.uniform(0, 1);
    }
    if (c.lengths)
      for (index_t n = 0; n < c.batch; ++n) // 0 and T are among them
        lengths.push_back(static_cast<s32>(n == 1 ? 0 : n == 2 ? c.time : r.between(0, c.time)));
  }

  index_t input_of(index_t l) const { return layers[at(l * c.directions())].input; }
  rnn_source source(index_t l, index_t d = 0) const {
    layer_weights const& w = layers[at(l * c.directions() + d)];
    return {w.input,       c.hidden,     w.w_input,    w.w_recurrent, w.b_input,
            w.b_recurrent, w.parameters, w.projection, c.projected};
  }
  rnn_tolerance tolerance() const { return f32_tolerance((c.input + c.hidden) * c.layers, c.time); }
  /// "" if f32 results are near enough to the oracle's: within `tolerance`, which takes errors to be
  /// random and damped. Of many units they are. Few units may amplify them: then each result may be off
  /// by what errors of that size in all sums and states before it can add up to.
  std::string verdict_of(rnn_output const& got, double slack = 1) const {
    rnn_result const wanted = want();
    rnn_tolerance const t = tolerance();
    std::string const said = verdict(wanted, got, {slack * t.l2, slack * t.largest});
    if (said.empty() || c.hidden > 8) return said;
    std::vector<double> const base = joined(wanted), grown = amplification(base);
    std::vector<double> const mine = joined(exactly(got));
    for (std::size_t i = 0; i < mine.size(); ++i)
      if (!(std::fabs(mine[i] - base[i]) <= t.l2 * grown[i])) return said;
    return {};
  }
  /// For each result the sum of its absolute derivatives by all sums and states: how errors grow.
  std::vector<double> amplification(std::vector<double> const& base) const {
    constexpr double by = 1e-6;
    rnn_stack_reference stack = reference();
    rnn_input const in = oracle_input();
    std::vector<double> grown(base.size());
    for (auto& layer : stack.layers)
      for (rnn_reference& one : layer)
        for (auto const where : {rnn_nudge::input_sum, rnn_nudge::recurrent_sum, rnn_nudge::cell,
                                 rnn_nudge::hidden}) {
          index_t const count = where == rnn_nudge::cell     ? c.hidden
                                : where == rnn_nudge::hidden ? one.size()
                                                             : one.gates() * c.hidden;
          for (index_t step = 0; step < c.time; ++step)
            for (index_t i = 0; i < count; ++i) {
              one.nudge = {where, step, i, by};
              std::vector<double> const v = joined(stack.run(in));
              for (std::size_t k = 0; k < v.size(); ++k) grown[k] += std::fabs(v[k] - base[k]) / by;
              one.nudge = {};
            }
        }
    return grown;
  }
  static std::vector<double> joined(rnn_result r) {
    r.y.insert(r.y.end(), r.hn.begin(), r.hn.end());
    if (Cell::states) r.y.insert(r.y.end(), r.cn.begin(), r.cn.end());
    return r.y;
  }

  rnn_stack_reference reference(bool bf16_weights = false, bool bf16_operands = false) const {
    rnn_stack_reference stack;
    stack.sum = c.direction == rnn_direction::sum, stack.residual = c.residual;
    stack.layers.resize(at(c.layers));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      layer_weights const& w = layers[i];
      rnn_reference one;
      describe(one, cell);
      one.input = w.input, one.hidden = c.hidden, one.projected = c.projected;
      one.w_input = w.w_input, one.w_recurrent = w.w_recurrent;
      one.b_input = w.b_input, one.b_recurrent = w.b_recurrent;
      one.parameters = w.parameters, one.projection = w.projection;
      one.bf16_weights = bf16_weights, one.bf16_operands = bf16_operands;
      one.reverse = c.direction == rnn_direction::reverse || (c.directions() == 2 && i % 2 == 1);
      stack.layers[i / at(c.directions())].push_back(one);
    }
    return stack;
  }
  rnn_input oracle_input() const {
    return {c.time,
            c.batch,
            {x.begin(), x.end()},
            {h0.begin(), h0.end()},
            {c0.begin(), c0.end()},
            lengths,
            {attention.begin(), attention.end()}};
  }
  rnn_result want(bool bf16_weights = false, bool bf16_operands = false) const {
    return reference(bf16_weights, bf16_operands).run(oracle_input());
  }

  template <class W> std::vector<W> weights(rnn_quantization const& q = {}) const {
    std::vector<W> all;
    for (index_t l = 0; l < c.layers; ++l)
      for (index_t d = 0; d < c.directions(); ++d)
        all.push_back(
            W(ia_nn::gate_order::pytorch{}, source(l, d), cell, q, "layer" + std::to_string(l)));
    return all;
  }
  template <class W> rnn<W> model(rnn_quantization const& q = {}) const {
    return rnn<W>(weights<W>(q), c.options());
  }

  template <class W, element X = f32, element Y = f32, class E = ia_nn::sequential>
  rnn_output run(E&& e = {}, rnn_quantization const& q = {}) const {
    return run_on<X, Y>(model<W>(q), e);
  }
  /// On a model that may have been made for more. The workspace starts full of NaNs.
  template <element X = f32, element Y = f32, class W, class E = ia_nn::sequential>
  rnn_output run_on(rnn<W> const& m, E&& e = {}) const {
    index_t const rows = c.time * c.batch, states = c.layers * c.directions() * c.batch;
    exact_buffer<X> src(rows * c.input);
    exact_buffer<Y> dst(rows * c.width());
    exact_buffer<f32> a(static_cast<index_t>(attention.size()));
    exact_buffer<f32> h_in(static_cast<index_t>(h0.size())), c_in(static_cast<index_t>(c0.size()));
    exact_buffer<f32> hn(states * c.size()), cn(Cell::states * states * c.hidden);
    exact_buffer<s32> len(static_cast<index_t>(lengths.size()));
    std::copy(h0.begin(), h0.end(), h_in.begin());
    std::copy(c0.begin(), c0.end(), c_in.begin());
    std::copy(lengths.begin(), lengths.end(), len.begin());
    std::memset(static_cast<void*>(dst.data()), 0xee, at(dst.size()) * sizeof(Y));
    for (index_t t = 0; t < c.time; ++t)
      for (index_t n = 0; n < c.batch; ++n) {
        for (index_t i = 0; i < c.input; ++i)
          src[place(t, n) * c.input + i] = static_cast<X>(x[at((t * c.batch + n) * c.input + i)]);
        if (a.size()) a[place(t, n)] = attention[at(t * c.batch + n)];
      }
    rnn_call<X, Y> call;
    call.src = src.data(), call.dst = dst.data(), call.time = c.time, call.batch = c.batch;
    if (h_in.size()) call.initial_hidden = h_in.data();
    if (c_in.size()) call.initial_cell = c_in.data();
    call.final_hidden = hn.data();
    if (cn.size()) call.final_cell = cn.data();
    if (len.size()) call.lengths = len.data();
    if (ia_nn::detail::cell_traits<Cell>::attends) call.attention = a.data();
    exact_buffer<std::byte> scratch(m.workspace_bytes());
    std::memset(scratch.data(), 0xff, at(scratch.size()));
    ia_nn::workspace_view const memory{scratch.data(), scratch.size()};
    m.check(call, memory);
    m.run(call, memory, e);
    rnn_output out{
        std::vector<f32>(at(dst.size())), {hn.begin(), hn.end()}, {cn.begin(), cn.end()}};
    for (index_t t = 0; t < c.time; ++t)
      for (index_t n = 0; n < c.batch; ++n)
        for (index_t i = 0; i < c.width(); ++i)
          out.y[at((t * c.batch + n) * c.width() + i)] =
              static_cast<f32>(dst[place(t, n) * c.width() + i]);
    return out;
  }
  index_t place(index_t t, index_t n) const {
    return c.layout == rnn_layout::time_first ? t * c.batch + n : n * c.time + t;
  }
};

/// Hidden units around the bounds of a block of nr.
inline std::vector<index_t> edges_of_hidden(index_t nr) {
  return {1, nr / 2, nr - 1, nr, nr + 1, 2 * nr + 3}; // all different from nr = 4 on
}

/// A cell in f32 against the oracle: every N with every H, T and I in turn.
template <class Cell, class Isas = layer_isas>
void check_cell(std::uint64_t stream, Cell const& cell = {}, bool projected = false,
                double slack = 1) {
  for_each_isa<Isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), Cell>;
    random r(stream);
    index_t index = 0;
    for (index_t batch : {1, 2, 3, 4, 5, 13, 14, 15, 20, 31})
      for (index_t hidden : edges_of_hidden(W::nr)) {
        constexpr index_t times[] = {1, 2, 0, 7, 3};
        index_t const inputs[] = {1, 3, 4, W::nr + 1, 2, 2 * W::nr, 7};
        rnn_case c;
        c.batch = batch, c.hidden = hidden, c.time = times[index % 5], c.input = inputs[index % 7];
        if (c.input == hidden) ++c.input;
        if (projected) c.projected = index % 3 == 0 ? hidden + 2 : (hidden + 1) / 2;
        c.biases = index % 4 != 3, c.states = index % 3 != 1;
        ++index;
        INFO(Cell::name << ": " << c.text());
        rnn_problem<Cell> const p(c, r, cell);
        REQUIRE(p.verdict_of(p.template run<W>(), slack) == "");
      }
  });
}

/// 300 steps: errors must not grow with time.
template <class Cell> void check_long(std::uint64_t stream) {
  for_each_isa<layer_isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), Cell>;
    random r(stream);
    rnn_case c;
    c.time = 300, c.batch = 5, c.input = 11, c.hidden = W::nr + 1;
    rnn_problem<Cell> const p(c, r);
    REQUIRE(verdict(p.want(), p.template run<W>(), {1e-5, 1e-5}) == "");
  });
}

} // namespace ia_nn_test
