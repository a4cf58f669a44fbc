// SPDX-License-Identifier: Apache-2.0
//
// GRU and vanilla cells in f32 against the oracle.
#include "support.hpp"

namespace ia_nn_test {

TEST_CASE("gru", "[rnn][cells]") { check_cell<gru>(110); }

TEST_CASE("gru, reset before", "[rnn][cells]") { check_cell<gru_reset_before>(111); }

TEST_CASE("gru with a limit of the activations' inputs", "[rnn][cells]") {
  gru cell;
  cell.clip_input = 0.4F;
  check_cell<gru>(112, cell);
  gru_reset_before other;
  other.clip_input = 0.4F;
  check_cell<gru_reset_before>(113, other);
}

TEST_CASE("gru with attention", "[rnn][cells]") { check_cell<ia_nn::augru>(114); }

TEST_CASE("gru with attention, reset before", "[rnn][cells]") {
  check_cell<ia_nn::augru_reset_before>(115);
}

TEST_CASE("vanilla, tanh", "[rnn][cells]") {
  check_cell<ia_nn::vanilla<>>(116);
  check_cell<ia_nn::vanilla<>>(117, {}, true);
  ia_nn::vanilla<> limited;
  limited.clip_input = 0.5F;
  check_cell<ia_nn::vanilla<>>(118, limited);
}

TEST_CASE("gru, 300 steps", "[rnn][cells]") { check_long<gru>(190); }

TEST_CASE("gru, reset before, 300 steps", "[rnn][cells]") { check_long<gru_reset_before>(191); }

} // namespace ia_nn_test
