// SPDX-License-Identifier: Apache-2.0
//
// Training of recurrent layers: every cell on every instruction set against the oracle, and the oracle
// against central differences.
#include "rnn_support.hpp"

namespace ia_nn_test {
namespace {

constexpr rnn_kind all_kinds[] = {
    rnn_kind::lstm, rnn_kind::lstm_peephole,    rnn_kind::lstm_coupled,
    rnn_kind::gru,  rnn_kind::gru_reset_before, rnn_kind::tanh,
    rnn_kind::relu};

// Every leaf of a stack, to be changed one number after the other.
std::vector<doubles*> parts_of(rnn_leaves& l) {
  std::vector<doubles*> p{&l.x, &l.h0, &l.c0};
  for (rnn_doubles& w : l.weights)
    for (doubles* v : {&w.w, &w.u, &w.b, &w.c, &w.parameters, &w.projection}) p.push_back(v);
  return p;
}

template <rnn_kind K> void check_cell(rnn_stack s, std::uint64_t stream, rnn_way const& way = {}) {
  s.kind = K;
  rnn_training_problem const p(s, stream);
  auto const want = p.expected();
  for_each_isa<vector_isas>(
      [&](auto tag) { REQUIRE(verdict(p.run<decltype(tag), K>(way), want, 4e-5) == ""); });
}

} // namespace

TEST_CASE("the oracle of recurrent gradients is their slope", "[train][rnn]") {
  for (rnn_kind const kind : all_kinds)
    for (int form = 0; form < 4; ++form) {
      rnn_stack s{.kind = kind, .input = 2, .hidden = 3, .time = 3, .batch = 2};
      if (form == 1) s.layers = 2, s.both = true;
      if (form == 2) s.reverse = true, s.lengths = {3, 1};
      if (form == 3 && !s.has_cell()) continue;
      if (form == 3) s.projected = 2, s.layers = 2;
      INFO("kind " << static_cast<int>(kind) << ", form " << form);
      rnn_training_problem const p(s, 400 + static_cast<std::uint64_t>(form));
      rnn_leaves in = p.leaves();
      rnn_results diff = p.diffs();
      for (double& v : diff.y) v = v == v ? v : 0; // behind the end of a sequence
      rnn_leaves g = rnn_oracle(s, in).backward(diff);
      auto const leaves = parts_of(in), slopes = parts_of(g);
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        auto const loss = [&](doubles const& v) {
          doubles const keep = *leaves[i];
          *leaves[i] = v;
          rnn_results const r = rnn_oracle(s, in).result();
          *leaves[i] = keep;
          return dot(r.y, diff.y) + dot(r.hn, diff.hn) + dot(r.cn, diff.cn);
        };
        // A relu has a kink, which a small step avoids.
        REQUIRE(difference(*slopes[i], central_differences(*leaves[i], loss, 1e-6), 1e-6) == "");
      }
    }
}

TEST_CASE("gradients of an LSTM", "[train][rnn]") {
  check_cell<rnn_kind::lstm>({.input = 3, .hidden = 5}, 410);
  check_cell<rnn_kind::lstm>({.input = 9,
                              .hidden = 33,
                              .time = 5,
                              .batch = 11,
                              .lengths = {5, 1, 0, 3, 5, 2, 4, 4, 1, 5, 3}},
                             411);
}
TEST_CASE("gradients of LSTMs with peepholes and coupled gates", "[train][rnn]") {
  check_cell<rnn_kind::lstm_peephole>({.input = 7, .hidden = 17, .time = 5, .lengths = {2, 5, 0}},
                                      412);
  check_cell<rnn_kind::lstm_coupled>({.input = 7, .hidden = 17, .time = 5, .reverse = true}, 413);
}
TEST_CASE("gradients of a GRU", "[train][rnn]") {
  check_cell<rnn_kind::gru>({.input = 3, .hidden = 5}, 414);
  check_cell<rnn_kind::gru>({.input = 9,
                             .hidden = 33,
                             .time = 5,
                             .batch = 5,
                             .reverse = true,
                             .lengths = {5, 1, 0, 3, 4}},
                            415);
}
TEST_CASE("gradients of a GRU that resets before", "[train][rnn]") {
  check_cell<rnn_kind::gru_reset_before>({.input = 3, .hidden = 5}, 416);
  check_cell<rnn_kind::gru_reset_before>({.input = 9,
                                          .hidden = 33,
                                          .time = 5,
                                          .batch = 5,
                                          .reverse = true,
                                          .lengths = {5, 1, 0, 3, 4}},
                                         417);
}
TEST_CASE("gradients of vanilla networks", "[train][rnn]") {
  check_cell<rnn_kind::tanh>(
      {.input = 9, .hidden = 33, .time = 5, .batch = 5, .lengths = {5, 1, 0, 3, 4}}, 418);
  check_cell<rnn_kind::relu>({.input = 3, .hidden = 31, .time = 5, .batch = 5, .reverse = true},
                             419);
}

} // namespace ia_nn_test
