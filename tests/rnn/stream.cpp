// SPDX-License-Identifier: Apache-2.0
//
// Streams of f32 against whole sequences; their state; silence.
#include "stream.hpp"

namespace ia_nn_test {
namespace {

using native = ia_nn::isa::native;

template <class Cell> void check_f32(std::uint64_t stream, double slack = 1) {
  random r(stream);
  using W = rnn_weights<native, Cell>;
  for (index_t hidden : edges_of_hidden(W::nr))
    for (index_t layers : {1, 3}) {
      rnn_tolerance const t = f32_tolerance(3 * (hidden + 6), 9);
      check_stream<W, Cell>(sized(hidden, layers, 0, layers > 1), r,
                            {slack * t.l2, slack * t.largest});
    }
}

} // namespace

TEST_CASE("f32 streams give what whole sequences give", "[rnn][stream]") {
  for_each_isa<layer_isas>([&](auto tag) {
    using W = rnn_weights<decltype(tag), lstm>;
    random r(190);
    for (index_t hidden : edges_of_hidden(W::nr))
      for (index_t layers : {1, 2, 3}) {
        rnn_tolerance const t = f32_tolerance(layers * (hidden + 6), 9);
        check_stream<W, lstm>(sized(hidden, layers, 0, layers == 3), r, t);
        check_stream<W, lstm>(sized(hidden, layers, (hidden + 1) / 2), r, t);
        check_stream<W, lstm>(sized(hidden, layers, hidden + 3), r, t);
      }
  });
  check_f32<gru_reset_before>(191);
}

TEST_CASE("f32 streams of layer normalization", "[rnn][stream]") {
  random r(192);
  rnn_tolerance const t = f32_tolerance(100, 9); // times 1 / deviation of c, at least 0.2 in mean
  check_stream<rnn_weights<native, ia_nn::lstm_layer_norm>, ia_nn::lstm_layer_norm>(
      sized(45), r, {8 * t.l2, 8 * t.largest});
}

TEST_CASE("states of streams: run, get, set, reset, copy", "[rnn][stream]") {
  random r(197);
  using W = rnn_weights<native, lstm>;
  using Q = rnn_weights<native, lstm, u8, s8>;
  auto const check = [&]<class T>(std::type_identity<T>, rnn_quantization const& q) {
    rnn_problem<lstm> const p(sized(19, 2), r);
    auto const model = p.template model<T>(q);
    index_t const I = p.c.input, R = p.c.size(), T_ = p.c.time;
    auto const run = [&](rnn_stream<T>& s, index_t from, index_t count) {
      exact_buffer<f32> y(count * R);
      s.run(count, p.x.data() + from * I, y.data());
      return std::vector<f32>(y.begin(), y.end());
    };
    rnn_stream<T> s(model);
    REQUIRE(s.input() == I);
    REQUIRE(s.output() == R);
    REQUIRE(s.state_size() == 2 * (R + p.c.hidden));
    std::vector<f32> const whole = run(s, 0, T_);
    REQUIRE(whole == streamed(p, model).y);
    s.reset();
    REQUIRE(run(s, 0, T_) == whole);
    s.reset();
    run(s, 0, 4);
    exact_buffer<f32> state(s.state_size());
    s.get_state(state.data());
    REQUIRE(std::any_of(state.begin(), state.end(), [](f32 v) { return v != 0; }));
    rnn_stream<T> const copy = s;
    std::vector<f32> const rest(whole.begin() + 4 * R, whole.end());
    REQUIRE(run(s, 4, T_ - 4) == rest);
    rnn_stream<T> again = copy; // was not touched by what its source did
    REQUIRE(run(again, 4, T_ - 4) == rest);
    again = copy;
    REQUIRE(run(again, 4, T_ - 4) == rest);
    rnn_stream<T> other(model);
    run(other, 2, 3); // an odd number of steps: operands take turns
    other.set_state(state.data());
    REQUIRE(run(other, 4, T_ - 4) == rest);
    rnn_stream<T> moved = std::move(other);
    moved.set_state(state.data());
    exact_buffer<f32> back(s.state_size());
    moved.get_state(back.data());
    REQUIRE(std::equal(back.begin(), back.end(), state.begin()));
    REQUIRE(run(moved, 4, T_ - 4) == rest);
  };
  check(std::type_identity<W>{}, {});
  check(std::type_identity<Q>{}, given_quantization(false));
}

TEST_CASE("denormal states after silence, where they are kept", "[rnn][stream][denormals]") {
  using W = rnn_weights<native, ia_nn::vanilla<>>;
  random r(198);
  auto const tiny = [](f32 v) { return std::fpclassify(v) == FP_SUBNORMAL; };
  for (auto mode : {ia_nn::denormals::keep, ia_nn::denormals::flush}) {
    rnn_case c = sized(3);
    c.biases = false, c.denormal = mode, c.time = 200;
    rnn_problem<ia_nn::vanilla<>> p(c, r);
    for (index_t i = 0; i < 9; ++i) p.layers[0].w_recurrent[at(i)] = i % 4 == 0 ? 0.5F : 0.0F;
    for (f32& x : p.x) x = 0;
    auto const model = p.model<W>();
    rnn_stream<W> s(model);
    f32 const start[3] = {1, -1, 0.3F};
    s.set_state(start);
    p.h0 = {1, -1, 0.3F};
    bool const keep = mode == ia_nn::denormals::keep;
    f32 y[3], state[3];
    bool seen = false;
    for (index_t t = 0; t < c.time; ++t) {
      s.step(p.x.data(), y);
      s.get_state(state);
      for (f32 const v : {y[0], y[1], y[2], state[0], state[1], state[2]}) seen = seen || tiny(v);
    }
    REQUIRE(seen == keep);
    REQUIRE(state[0] == 0);
    rnn_output const all = p.run_on(model);
    REQUIRE(std::any_of(all.y.begin(), all.y.end(), tiny) == keep);
    REQUIRE(all.hn[0] == 0);
  }
}

} // namespace ia_nn_test
