// SPDX-License-Identifier: Apache-2.0
//
// A model run sample by sample, to be compared with what whole sequences give.
#pragma once

#include "support.hpp"

#include <ia_nn/rnn/stream.hpp>

namespace ia_nn_test {

using ia_nn::rnn_stream;

inline rnn_case sized(index_t hidden, index_t layers = 1, index_t projected = 0,
                      bool residual = false) {
  rnn_case c;
  c.batch = 1, c.time = 9, c.input = 6, c.hidden = hidden, c.layers = layers,
  c.projected = projected;
  c.residual = residual, c.states = false;
  return c;
}

// The outputs and final states of the whole sequence, sample by sample.
template <class Cell, class W>
rnn_output streamed(rnn_problem<Cell> const& p, rnn<W> const& model) {
  rnn_stream<W> s(model);
  exact_buffer<f32> x(p.c.input), y(p.c.size());
  rnn_output out;
  for (index_t t = 0; t < p.c.time; ++t) {
    std::copy_n(p.x.begin() + t * p.c.input, p.c.input, x.begin());
    s.step(x.data(), y.data());
    out.y.insert(out.y.end(), y.begin(), y.end());
  }
  std::vector<f32> state(at(s.state_size()));
  s.get_state(state.data());
  index_t from = 0;
  for (index_t l = 0; l < p.c.layers; ++l) {
    out.hn.insert(out.hn.end(), state.begin() + from, state.begin() + from + p.c.size());
    from += p.c.size();
    out.cn.insert(out.cn.end(), state.begin() + from,
                  state.begin() + from + Cell::states * p.c.hidden);
    from += Cell::states * p.c.hidden;
  }
  REQUIRE(from == s.state_size());
  return out;
}

template <class W, class Cell>
void check_stream(rnn_case const& c, random& r, rnn_tolerance bound,
                  rnn_quantization const& q = {}) {
  INFO(Cell::name << ": " << c.text());
  rnn_problem<Cell> const p(c, r);
  auto const model = p.template model<W>(q);
  rnn_output const got = streamed(p, model), want = p.run_on(model);
  if (bound.l2 == 0) REQUIRE(got == want);
  else REQUIRE(verdict(exactly(want), got, bound) == "");
}

inline rnn_quantization given_quantization(bool dynamic) {
  rnn_quantization q;
  q.input = {0.021F, 117}, q.hidden = {0.0071F, 140}, q.dynamic = dynamic;
  return q;
}

} // namespace ia_nn_test
