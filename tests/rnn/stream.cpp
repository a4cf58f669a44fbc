// SPDX-License-Identifier: Apache-2.0
//
// Streams against whole sequences; their state; silence.
#include "support.hpp"

#include <ia_nn/rnn/stream.hpp>

namespace ia_nn_test {
namespace {

using native = ia_nn::isa::native;
using ia_nn::rnn_stream;

rnn_case sized(index_t hidden, index_t layers = 1, index_t projected = 0, bool residual = false) {
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

rnn_quantization quantization(bool dynamic) {
  rnn_quantization q;
  q.input = {0.021F, 117}, q.hidden = {0.0071F, 140}, q.dynamic = dynamic;
  return q;
}

} // namespace

TEST_CASE("f32 streams give what whole sequences give", "[rnn][stream]") {
  for_each_isa<vector_isas>([&](auto tag) {
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

TEST_CASE("bf16 streams", "[rnn][stream]") {
  random r(193);
  using W = rnn_weights<native, lstm, bf16>;
  for (index_t hidden : edges_of_hidden(W::nr))
    for (index_t layers : {1, 2})
      check_stream<W, lstm>(sized(hidden, layers), r, bf16_tolerance(9));
}

// Sums of integers are exact, and so is the rest.
TEST_CASE("u8 streams, static, give the same bits", "[rnn][stream]") {
  random r(194);
  using W = rnn_weights<native, lstm, u8, s8>;
  for (index_t hidden : edges_of_hidden(W::nr))
    for (index_t layers : {1, 2}) {
      check_stream<W, lstm>(sized(hidden, layers), r, {0, 0}, quantization(false));
      check_stream<W, lstm>(sized(hidden, layers, hidden + 2), r, {0, 0}, quantization(false));
    }
}

// A stream knows the range of its sample: it is like sequences of one step.
TEST_CASE("8-bit streams, dynamic, give the bits of sequences of one step", "[rnn][stream]") {
  random r(195);
  auto const check = [&]<class Cell, element A>(Cell const&, A, rnn_case const& c) {
    INFO(Cell::name << ": " << c.text());
    using W = rnn_weights<native, Cell, A, s8>;
    rnn_problem<Cell> const p(c, r);
    auto const model = p.template model<W>(quantization(true));
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
      s.run(p.x.data() + from * I, y.data(), count);
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
  check(std::type_identity<Q>{}, quantization(false));
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
