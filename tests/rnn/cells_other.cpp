// SPDX-License-Identifier: Apache-2.0
//
// Cells with other activations, layer normalization, and a cell of the user's, in f32.
#include "support.hpp"

namespace ia_nn_test {
namespace {

/// The cell that rnn/cell.hpp documents.
struct my_cell {
  static constexpr char const* name = "my_cell";
  static constexpr int gates = 2;
  static constexpr int states = 0;
  static constexpr int parameters = 0;
  static constexpr bool bounded = true;
  template <class At> auto step(At& at) const {
    auto const z = at.sigmoid(at.x(0) + at.h(0));
    return at.hidden() + z * (at.tanh(at.x(1) + at.h(1)) - at.hidden());
  }
};

// my_cell of one layer in double.
rnn_result my_reference(rnn_problem<my_cell> const& p) {
  rnn_case const& c = p.c;
  index_t const H = c.hidden;
  layer_weights const& w = p.layers[0];
  rnn_result out;
  out.hn.assign(at(c.batch * H), 0);
  if (!p.h0.empty()) std::copy(p.h0.begin(), p.h0.end(), out.hn.begin());
  for (index_t t = 0; t < c.time; ++t) {
    std::vector<double> const before = out.hn;
    auto const sum = [&](index_t n, index_t row) {
      double s = 0;
      for (auto const* b : {&w.b_input, &w.b_recurrent})
        if (!b->empty()) s += static_cast<double>((*b)[at(row)]);
      for (index_t i = 0; i < c.input; ++i)
        s += static_cast<double>(w.w_input[at(row * c.input + i)]) *
             static_cast<double>(p.x[at((t * c.batch + n) * c.input + i)]);
      for (index_t i = 0; i < H; ++i)
        s += static_cast<double>(w.w_recurrent[at(row * H + i)]) * before[at(n * H + i)];
      return s;
    };
    for (index_t n = 0; n < c.batch; ++n)
      for (index_t j = 0; j < H; ++j) {
        double const z = 1 / (1 + std::exp(-sum(n, j))), h = before[at(n * H + j)];
        out.hn[at(n * H + j)] = h + z * (std::tanh(sum(n, H + j)) - h);
      }
    out.y.insert(out.y.end(), out.hn.begin(), out.hn.end());
  }
  return out;
}

} // namespace

TEST_CASE("vanilla, relu", "[rnn][cells]") { check_cell<ia_nn::vanilla<activation::relu>>(120); }

TEST_CASE("lstm with activations of the user's choice", "[rnn][cells]") {
  check_cell<ia_nn::lstm_cell<activation::hard_sigmoid, activation::relu, ia_nn::default_tanh>>(
      121);
}

TEST_CASE("gru with activations of the user's choice", "[rnn][cells]") {
  check_cell<ia_nn::gru_cell<activation::hard_sigmoid, activation::relu>>(122);
}

// 1 / sqrt(variance + epsilon) multiplies errors: by at most 10 with this epsilon, where H is so
// small that the variance may vanish.
TEST_CASE("lstm with layer normalization", "[rnn][cells]") {
  ia_nn::lstm_layer_norm cell;
  cell.epsilon = 0.01F;
  check_cell<ia_nn::lstm_layer_norm>(123, cell, false, 10);
}

TEST_CASE("lstm with layer normalization and the usual epsilon", "[rnn][cells]") {
  random r(124);
  for_each_isa<layer_isas>([&](auto tag) {
    for (index_t batch : {1, 6}) {
      rnn_case c;
      c.batch = batch, c.hidden = 61, c.input = 40, c.time = 5;
      rnn_problem<ia_nn::lstm_layer_norm> const p(c, r);
      rnn_tolerance const t = p.tolerance();
      // c(t) varies by 0.2 at least with these weights.
      REQUIRE(verdict(p.want(),
                      p.template run<rnn_weights<decltype(tag), ia_nn::lstm_layer_norm>>(),
                      {5 * t.l2, 5 * t.largest}) == "");
    }
  });
}

// Gates whose sums are far from 0 and close together, or whose squares f32 does not hold: what is
// normalized comes from the biases alone, so that the product adds no error of its own.
TEST_CASE("lstm with layer normalization of sums of any size", "[rnn][cells]") {
  random r(127);
  for_each_isa<layer_isas>([&](auto tag) {
    for (f32 const size : {1e-3F, 1e-30F, 1e20F, 1e30F}) {
      INFO("deviation " << size);
      rnn_case c;
      c.batch = 1, c.hidden = 61, c.input = 3, c.time = 1;
      ia_nn::lstm_layer_norm cell;
      if (size < 1e-20F) cell.epsilon = 0;
      rnn_problem<ia_nn::lstm_layer_norm> p(c, r, cell);
      layer_weights& w = p.layers[0];
      std::fill(w.w_input.begin(), w.w_input.end(), 0.0F);
      std::fill(w.w_recurrent.begin(), w.w_recurrent.end(), 0.0F);
      for (auto* const b : {&w.b_input, &w.b_recurrent})
        for (f32& v : *b) v = size == 1e-3F ? 1e4F + size * r.normal() : size * r.normal();
      // Norms are off by some 20 * 2^-24 of numbers up to 10, gates and states by no more.
      REQUIRE(verdict(p.want(),
                      p.template run<rnn_weights<decltype(tag), ia_nn::lstm_layer_norm>>(),
                      {1e-4, 1e-4}) == "");
    }
  });
}

TEST_CASE("lstm with layer normalization and a projection", "[rnn][cells]") {
  ia_nn::lstm_layer_norm cell;
  cell.epsilon = 0.01F;
  check_cell<ia_nn::lstm_layer_norm>(125, cell, true, 10);
}

TEST_CASE("a cell of the user's", "[rnn][cells]") {
  for_each_isa<layer_isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), my_cell>;
    random r(126);
    for (index_t batch : {1, 4, 15})
      for (index_t hidden : edges_of_hidden(W::nr)) {
        rnn_case c;
        c.batch = batch, c.hidden = hidden, c.input = 6, c.time = 5;
        INFO(c.text());
        rnn_problem<my_cell> const p(c, r);
        REQUIRE(verdict(my_reference(p), p.template run<W>(), p.tolerance()) == "");
      }
  });
}

} // namespace ia_nn_test
