// SPDX-License-Identifier: Apache-2.0
//
// LSTM cells in f32 against the oracle.
#include "support.hpp"

namespace ia_nn_test {

TEST_CASE("lstm", "[rnn][cells]") { check_cell<lstm>(100); }

TEST_CASE("lstm with a projection", "[rnn][cells]") { check_cell<lstm>(101, {}, true); }

TEST_CASE("lstm with a limit of the cell state and of the gates' inputs", "[rnn][cells]") {
  lstm cell;
  cell.clip = 0.25F;
  check_cell<lstm>(102, cell);
  cell.clip = 0, cell.clip_input = 0.4F;
  check_cell<lstm>(103, cell);
  cell.clip = 0.3F;
  check_cell<lstm>(104, cell, true);
}

TEST_CASE("lstm with peepholes", "[rnn][cells]") { check_cell<ia_nn::lstm_peephole>(105); }

TEST_CASE("lstm with peepholes and limits", "[rnn][cells]") {
  ia_nn::lstm_peephole cell;
  cell.clip = 0.5F, cell.clip_input = 0.7F;
  check_cell<ia_nn::lstm_peephole>(106, cell);
}

TEST_CASE("lstm with coupled gates", "[rnn][cells]") { check_cell<ia_nn::lstm_coupled>(107); }

TEST_CASE("a NaN in the input comes out of a cell with limits", "[rnn][cells]") {
  random r(108);
  lstm cell;
  cell.clip = 0.25F, cell.clip_input = 0.4F;
  for_each_isa<layer_isas>([&](auto tag) {
    rnn_case c;
    c.batch = 3, c.hidden = 9, c.time = 3;
    rnn_problem<lstm> p(c, r, cell);
    p.x[at((1 * 3 + 2) * c.input)] = std::nanf(""); // time 1, sequence 2
    rnn_output const got = p.template run<rnn_weights<decltype(tag), lstm>>();
    for (index_t t = 0; t < 3; ++t)
      for (index_t n = 0; n < 3; ++n)
        for (index_t i = 0; i < c.hidden; ++i)
          REQUIRE(std::isnan(got.y[at((t * 3 + n) * c.hidden + i)]) == (n == 2 && t >= 1));
  });
}

TEST_CASE("lstm, 300 steps", "[rnn][cells]") { check_long<lstm>(192); }

} // namespace ia_nn_test
