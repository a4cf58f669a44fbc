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

// Every sample has a scale of its own, in streams and in sequences.
TEST_CASE("8-bit streams, dynamic, give the same bits", "[rnn][stream]") {
  random r(195);
  rnn_quantization const q = given_quantization(true);
  for (index_t hidden : {3, 17, 35, 64}) {
    check_stream<rnn_weights<native, lstm, u8, s8>, lstm>(sized(hidden, 2), r, {0, 0}, q);
    check_stream<rnn_weights<native, lstm, u8, s8>, lstm>(sized(hidden, 2, 7), r, {0, 0}, q);
    using relu = ia_nn::vanilla<activation::relu>;
    check_stream<rnn_weights<native, relu, s8, s8>, relu>(sized(hidden, 2), r, {0, 0}, q);
  }
}

TEST_CASE("8-bit streams hand infinities and NaN on as sequences do", "[rnn][stream]") {
  random r(197);
  for (bool const dynamic : {true, false})
    for (index_t const projected : {0, 4})
      for (f32 const special : {INFINITY, -INFINITY, std::nanf("")}) {
        rnn_problem<lstm> p(sized(21, 2, projected), r);
        rnn_quantization q = given_quantization(dynamic);
        auto const model = p.model<rnn_weights<native, lstm, u8, s8>>(q);
        p.x[at(4 * p.c.input + 3)] = special;
        rnn_output const got = streamed(p, model);
        REQUIRE(got == p.run_on(model));
        index_t const R = p.c.size();
        for (index_t t = 0; t < p.c.time; ++t)
          for (index_t j = 0; j < R; ++j)
            CHECK(std::isnan(got.y[at(t * R + j)]) == (std::isnan(special) && t >= 4));
        // A copy and a state that is set go on as the stream does, a reset forgets.
        rnn_stream first(model), second(model);
        exact_buffer<f32> y(R), z(R);
        std::vector<f32> state(at(first.state_size())), x(at(p.c.input), 0.5F);
        first.run(0, p.x.data(), y.data());
        for (index_t t = 0; t < 6; ++t) first.step(p.x.data() + t * p.c.input, y.data());
        rnn_stream copy = first;
        first.get_state(state.data());
        second.set_state(state.data());
        copy.step(x.data(), y.data()), second.step(x.data(), z.data());
        for (index_t j = 0; j < R; ++j) CHECK((y[j] == z[j] || (std::isnan(y[j]) && std::isnan(z[j]))));
        CHECK(std::isnan(y[0]) == std::isnan(special));
        copy.reset();
        copy.step(x.data(), y.data());
        CHECK(std::isfinite(y[0]));
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
