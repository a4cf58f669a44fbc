// SPDX-License-Identifier: Apache-2.0
//
// Training of recurrent layers with operands of bf16, on every instruction set that multiplies them.
// The oracle rounds what is multiplied. A number on the edge between two of bf16 may go the other way
// in f32 than in double, which moves a result by 2^-9 of one of its terms.
#include "rnn_support.hpp"

namespace ia_nn_test {
namespace {

template <rnn_kind K> void check_bf16(rnn_stack s, std::uint64_t stream) {
  s.kind = K, s.rounded = true;
  rnn_training_problem const p(s, stream);
  auto const want = p.expected();
  rnn_stack exact = s;
  exact.rounded = false;
  auto const unrounded = rnn_training_problem(exact, stream).expected();
  for_each_isa<ia_nn::isa::compiled>([&](auto tag) {
    using I = decltype(tag);
    rnn_got const one = p.run<I, K, bf16>();
    REQUIRE(verdict(one, want, 4e-3) == "");
    REQUIRE(verdict(one, unrounded, 1e-6) != ""); // it did round
    REQUIRE(bit_verdict(p.run<I, K, bf16>({.workers = 2}), one) == "");
  });
}

} // namespace

TEST_CASE("recurrent gradients with operands of bf16: LSTM", "[train][rnn]") {
  check_bf16<rnn_kind::lstm>(
      {.input = 9, .hidden = 33, .time = 5, .batch = 5, .lengths = {5, 1, 0, 3, 4}}, 600);
  check_bf16<rnn_kind::lstm>({.input = 3, .hidden = 64, .projected = 17, .layers = 2, .time = 3},
                             601);
}
TEST_CASE("recurrent gradients with operands of bf16: GRU", "[train][rnn]") {
  check_bf16<rnn_kind::gru>({.input = 9, .hidden = 21, .time = 5, .batch = 18, .both = true}, 602);
  check_bf16<rnn_kind::gru_reset_before>({.input = 9,
                                          .hidden = 33,
                                          .time = 5,
                                          .batch = 5,
                                          .reverse = true,
                                          .lengths = {5, 1, 0, 3, 4}},
                                         603);
}
TEST_CASE("recurrent gradients with operands of bf16: vanilla", "[train][rnn]") {
  check_bf16<rnn_kind::tanh>({.input = 1, .hidden = 1, .time = 5, .batch = 1}, 604);
  check_bf16<rnn_kind::tanh>({.input = 16, .hidden = 35, .time = 4, .batch = 33}, 605);
}

} // namespace ia_nn_test
