// SPDX-License-Identifier: Apache-2.0
//
// Streams of narrow types, and of sizes known to the compiler, against whole sequences.
#include "stream.hpp"

namespace ia_nn_test {
namespace {

using native = ia_nn::isa::native;

template <index_t Input, index_t Hidden> void check_static(random& r) {
  rnn_case c = sized(Hidden);
  c.input = Input;
  INFO(c.text());
  rnn_problem<lstm> const p(c, r);
  auto const known = p.model<rnn_weights<native, lstm, f32, f32, standard, Input, Hidden>>();
  auto const unknown = p.model<rnn_weights<native, lstm>>();
  rnn_output const got = streamed(p, known), want = streamed(p, unknown);
  REQUIRE(verdict(exactly(want), got, p.tolerance()) == "");
  REQUIRE(verdict(p.want(), got, p.tolerance()) == "");
  REQUIRE(verdict(p.want(), p.run_on(known), p.tolerance()) == "");
}

} // namespace

TEST_CASE("bf16 streams", "[rnn][stream]") {
  for_each_isa<ia_nn::type_list<native>>([](auto tag) {
    random r(193);
    using W = rnn_weights<decltype(tag), lstm, bf16>;
    for (index_t hidden : edges_of_hidden(W::nr))
      for (index_t layers : {1, 2})
        check_stream<W, lstm>(sized(hidden, layers), r, bf16_tolerance(9));
  });
}

// Sums of integers are exact, and so is the rest.
TEST_CASE("u8 streams, static, give the same bits", "[rnn][stream]") {
  for_each_isa<ia_nn::type_list<native>>([](auto tag) {
    random r(194);
    using W = rnn_weights<decltype(tag), lstm, u8, s8>;
    for (index_t hidden : edges_of_hidden(W::nr))
      for (index_t layers : {1, 2}) {
        check_stream<W, lstm>(sized(hidden, layers), r, {0, 0}, given_quantization(false));
        check_stream<W, lstm>(sized(hidden, layers, hidden + 2), r, {0, 0},
                              given_quantization(false));
      }
  });
}

// A stream knows the range of its sample: it is like sequences of one step.
TEST_CASE("8-bit streams, dynamic, give the bits of sequences of one step", "[rnn][stream]") {
  random r(195);
  auto const check = [&]<class Cell, element A>(Cell const&, A, rnn_case const& c) {
    INFO(Cell::name << ": " << c.text());
    using W = rnn_weights<native, Cell, A, s8>;
    rnn_problem<Cell> const p(c, r);
    auto const model = p.template model<W>(given_quantization(true));
    rnn_output const got = streamed(p, model);
    rnn_problem<Cell> one = p;
    one.c.time = 1;
    rnn_output want, last;
    for (index_t t = 0; t < c.time; ++t) {
      one.x = {p.x.begin() + t * c.input, p.x.begin() + (t + 1) * c.input};
      last = one.run_on(model);
      one.h0 = last.hn, one.c0 = last.cn;
      want.y.insert(want.y.end(), last.y.begin(), last.y.end());
    }
    want.hn = last.hn, want.cn = last.cn;
    REQUIRE(got == want);
  };
  for (index_t hidden : {3, 17, 35, 64}) {
    check(lstm{}, u8{}, sized(hidden, 2));
    check(lstm{}, u8{}, sized(hidden, 2, 7));
    check(ia_nn::vanilla<activation::relu>{}, s8{}, sized(hidden, 2));
  }
}

TEST_CASE("streams of sizes known to the compiler", "[rnn][stream]") {
  random r(196);
  check_static<1, 8>(r);
  check_static<3, 16>(r);
  check_static<40, 20>(r);
  check_static<5, 40>(r);
}

} // namespace ia_nn_test
