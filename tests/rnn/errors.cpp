// SPDX-License-Identifier: Apache-2.0
//
// What set-up refuses, each with its code and its words: weights, models, calls, streams.
#include "gemm/throws.hpp"
#include "support.hpp"

#include <ia_nn/rnn/stream.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::errc;
using I = ia_nn::isa::scalar;
using W = rnn_weights<I, lstm>;

/// A source of zeros that a test may spoil.
struct zeros {
  rnn_source s;
  std::vector<f32> data;
  zeros(index_t gates, index_t input, index_t hidden, index_t projected = 0, index_t parameters = 0)
      : data(10000) {
    index_t const R = projected ? projected : hidden;
    s.input = input, s.hidden = hidden, s.projected = projected;
    s.w_input = span(gates * hidden * input), s.w_recurrent = span(gates * hidden * R);
    s.b_input = s.b_recurrent = span(gates * hidden);
    s.parameters = span(parameters * hidden), s.projection = span(projected * hidden);
  }
  std::span<f32 const> span(index_t n) const { return {data.data(), at(n)}; }
};

template <class Weights, class Order = ia_nn::gate_order::pytorch>
auto packing(rnn_source const& s) {
  return [s] { static_cast<void>(Weights(Order{}, s, {}, {}, "voice")); };
}
template <class Weights = W>
Weights packed(index_t input, index_t hidden, char const* name, index_t projected = 0) {
  zeros const z(Weights::traits::gates, input, hidden, projected);
  return Weights(ia_nn::gate_order::pytorch{}, z.s, {}, {}, name);
}
auto modelling(std::vector<W> w, rnn_options const& o) {
  return [w = std::move(w), o]() mutable { static_cast<void>(rnn<W>(std::move(w), o)); };
}
template <class... Ws> std::vector<W> list(Ws&&... ws) {
  std::vector<W> v;
  (v.push_back(std::move(ws)), ...);
  return v;
}

} // namespace

TEST_CASE("weights of sizes that do not fit are refused", "[rnn][errors]") {
  zeros const good(4, 3, 5), p(4, 3, 5, 2);
  REQUIRE_NOTHROW(packing<W>(good.s)());
  REQUIRE_NOTHROW(packing<W>(p.s)());
  auto const spoilt = [](zeros const& z, auto change) {
    rnn_source s = z.s;
    change(s);
    return packing<W>(s);
  };
  REQUIRE_ERROR(spoilt(good, [](rnn_source& s) { s.input = 0; }), errc::bad_shape,
                "voice (lstm): I is 0 and H is 5, both must be at least 1");
  REQUIRE_ERROR(spoilt(good, [](rnn_source& s) { s.hidden = -1; }), errc::bad_shape,
                "voice (lstm): I is 3 and H is -1, both must be at least 1");
  REQUIRE_ERROR(spoilt(good, [&](rnn_source& s) { s.w_input = good.span(59); }), errc::bad_shape,
                "voice (lstm): w_input (20, 3) has 59 elements, expected 60");
  REQUIRE_ERROR(spoilt(good, [&](rnn_source& s) { s.w_input = {}; }), errc::bad_shape,
                "w_input (20, 3) has 0 elements");
  REQUIRE_ERROR(spoilt(good, [&](rnn_source& s) { s.w_recurrent = good.span(101); }),
                errc::bad_shape,
                "voice (lstm): w_recurrent (20, 5) has 101 elements, expected 100");
  REQUIRE_ERROR(spoilt(good, [&](rnn_source& s) { s.b_input = good.span(5); }), errc::bad_shape,
                "voice (lstm): b_input has 5 elements, expected 20");
  REQUIRE_ERROR(spoilt(good, [&](rnn_source& s) { s.b_recurrent = good.span(40); }),
                errc::bad_shape, "voice (lstm): b_recurrent has 40 elements, expected 20");
  REQUIRE_NOTHROW(spoilt(good, [](rnn_source& s) { s.b_input = s.b_recurrent = {}; })());
  REQUIRE_ERROR(spoilt(good, [&](rnn_source& s) { s.parameters = good.span(15); }), errc::bad_shape,
                "voice (lstm): parameters have 15 elements, expected 0");
  using peephole = rnn_weights<I, ia_nn::lstm_peephole>;
  REQUIRE_ERROR(packing<peephole>(good.s), errc::bad_shape,
                "voice (lstm_peephole): parameters have 0 elements, expected 15");
  REQUIRE_ERROR(spoilt(good, [](rnn_source& s) { s.projected = 2; }), errc::bad_shape,
                "voice (lstm): a projection needs its matrix and its size");
  REQUIRE_ERROR(spoilt(p, [](rnn_source& s) { s.projected = 0; }), errc::bad_shape,
                "voice (lstm): a projection needs its matrix and its size");
  REQUIRE_ERROR(spoilt(p, [](rnn_source& s) { s.projected = -2; }), errc::bad_shape,
                "voice (lstm): a projection needs its matrix and its size");
  REQUIRE_ERROR(spoilt(p, [&](rnn_source& s) { s.projection = p.span(11); }), errc::bad_shape,
                "voice (lstm): projection has 11 elements, expected 10");
  REQUIRE_ERROR(spoilt(p, [&](rnn_source& s) { s.w_recurrent = p.span(100); }), errc::bad_shape,
                "voice (lstm): w_recurrent (20, 2) has 100 elements, expected 40");
  index_t const big = index_t{1} << 40;
  REQUIRE_ERROR(spoilt(good, [&](rnn_source& s) { s.input = s.hidden = big; }), errc::bad_shape,
                "overflows");
  rnn_source transposed = good.s;
  transposed.w_input = good.span(7);
  REQUIRE_ERROR((packing<W, ia_nn::gate_order::keras>(transposed)), errc::bad_shape,
                "voice (lstm): w_input (3, 20) has 7 elements, expected 60");
}

TEST_CASE("weights of cells that take less are refused", "[rnn][errors]") {
  using fixed = rnn_weights<I, lstm, f32, f32, standard, 3, 5>;
  REQUIRE_NOTHROW(packing<fixed>(zeros(4, 3, 5).s)());
  REQUIRE_ERROR(packing<fixed>(zeros(4, 4, 5).s), errc::bad_shape,
                "voice (lstm): the weights have I = 4, expected 3");
  REQUIRE_ERROR(packing<fixed>(zeros(4, 3, 6).s), errc::bad_shape,
                "voice (lstm): the weights have H = 6, expected 5");
  REQUIRE_ERROR(packing<fixed>(zeros(4, 3, 5, 2).s), errc::bad_shape,
                "voice (lstm): a projection needs H that is not fixed at compile time");
  using reset = rnn_weights<I, gru_reset_before>;
  REQUIRE_ERROR(
      packing<reset>(zeros(3, 3, 5, 2).s), errc::bad_shape,
      "voice (gru_reset_before): this cell combines h with its units, so h cannot be projected");
  using linear = rnn_weights<I, gru>;
  REQUIRE_ERROR(packing<linear>(zeros(3, 3, 5, 2).s), errc::bad_shape,
                "voice (gru): this cell combines h with its units, so h cannot be projected");
  // 4 H biases are an lbr_gru's; no other cell's.
  zeros z(3, 3, 5);
  z.s.b_input = z.span(20), z.s.b_recurrent = {};
  REQUIRE_NOTHROW(packing<linear>(z.s)());
  REQUIRE_ERROR(packing<reset>(z.s), errc::bad_shape,
                "voice (gru_reset_before): b_input has 20 elements, expected 15");
}

TEST_CASE("weights from the smallest to the largest f32 are quantized, others refused",
          "[rnn][errors]") {
  using matrix = ia_nn::detail::gate_matrix<I, u8, s8, standard>;
  constexpr f32 largest = std::numeric_limits<f32>::max();
  auto const scale_of = [](f32 weight) {
    matrix const m(2, 1, 1, [&](index_t k, int, index_t) { return k == 0 ? weight : 0; });
    return m.scale()[0];
  };
  CHECK(scale_of(0) == 1);
  CHECK(scale_of(0x1p-149F) == 0x1p-126F); // max |w| / 127 is 0
  CHECK(scale_of(-largest) == largest / 127);
  for (f32 const bad : {HUGE_VALF, -HUGE_VALF, std::nanf("")})
    REQUIRE_ERROR([&] { static_cast<void>(scale_of(bad)); }, errc::bad_parameter,
                  "a weight that is to be quantized is not finite");
}

TEST_CASE("models of layers that do not fit are refused", "[rnn][errors]") {
  auto const two = rnn_direction::concat;
  REQUIRE_NOTHROW(modelling(list(packed(3, 5, "a"), packed(5, 5, "b")), {})());
  REQUIRE_ERROR(modelling({}, {}), errc::bad_shape, "rnn: no layers");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a")), {.max_time = 0}), errc::bad_shape,
                "rnn: max_time is 0 and max_batch is 1, both must be at least 1");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a")), {.max_time = 2, .max_batch = -1}),
                errc::bad_shape, "rnn: max_time is 2 and max_batch is -1, both must be at least 1");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a")), {.workers = 0}), errc::bad_parameter,
                "rnn: workers is 0, must be at least 1");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a")), {.direction = two}), errc::bad_shape,
                "rnn: 1 weights for layers of two directions");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a"), packed(6, 5, "b")), {}), errc::bad_shape,
                "b: layer 1 has I = 6, the layer before it gives 5");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a"), packed(4, 5, "b")), {.direction = two}),
                errc::bad_shape, "b: layer 0 has I = 4, the layer before it gives 3");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a"), packed(3, 6, "b")), {.direction = two}),
                errc::bad_shape, "b: the directions of layer 0 differ in size");
  REQUIRE_ERROR(
      modelling(list(packed(3, 5, "a"), packed(5, 6, "b")), {}), errc::bad_shape,
      "b: layer 1 has H = 6, the first one 5: states are one array, chain two models instead");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a", 4), packed(4, 5, "b")), {}), errc::bad_shape,
                "b: layer 1 has H = 5, the first one 5: states are one array");
  REQUIRE_ERROR(modelling(list(packed(3, 5, "a")), {.max_time = INT64_MAX / 4, .max_batch = 9}),
                errc::bad_shape, "overflows");
}

TEST_CASE("calls that do not fit are refused", "[rnn][errors]") {
  rnn<W> const model(packed(3, 5, "voice"), {.max_time = 4, .max_batch = 2});
  ia_nn::workspace scratch(model.workspace_bytes());
  ia_nn::workspace_view const ws = scratch;
  std::vector<f32> data(200);
  s32 lengths[] = {4, 0};
  rnn_call<f32, f32> const good{.src = data.data(), .dst = data.data() + 24, .time = 4, .batch = 2};
  auto const check = [&](auto change) {
    rnn_call<f32, f32> c = good;
    change(c);
    return [&model, ws, c] { model.check(c, ws); };
  };
  using call = rnn_call<f32, f32>;
  REQUIRE_NOTHROW(check([](call&) {})());
  REQUIRE_ERROR(check([](call& c) { c.time = 5; }), errc::bad_shape,
                "voice: T is 5 and N is 2, planned for at most 4 and 2");
  REQUIRE_ERROR(check([](call& c) { c.batch = 3; }), errc::bad_shape, "voice: T is 4 and N is 3");
  REQUIRE_ERROR(check([](call& c) { c.time = -1; }), errc::bad_shape, "voice: T is -1 and N is 2");
  REQUIRE_ERROR(check([](call& c) { c.batch = -1; }), errc::bad_shape, "voice: T is 4 and N is -1");
  REQUIRE_ERROR(check([](call& c) { c.src = nullptr; }), errc::bad_pointer, "voice: src is null");
  REQUIRE_NOTHROW(check([](call& c) { c.src = nullptr, c.time = 0; })());
  REQUIRE_ERROR(check([](call& c) { c.dst = nullptr; }), errc::bad_pointer,
                "voice: there is no destination");
  REQUIRE_NOTHROW(check([&](call& c) { c.dst = nullptr, c.final_hidden = data.data() + 90; })());
  REQUIRE_NOTHROW(check([&](call& c) { c.dst = nullptr, c.final_cell = data.data() + 90; })());
  REQUIRE_NOTHROW(check([&](call& c) { c.lengths = lengths; })());
  lengths[1] = 5;
  REQUIRE_ERROR(check([&](call& c) { c.lengths = lengths; }), errc::bad_shape,
                "voice: the length of sequence 1 is 5, must be in 0 .. 4");
  lengths[1] = 0, lengths[0] = -1;
  REQUIRE_ERROR(check([&](call& c) { c.lengths = lengths; }), errc::bad_shape,
                "voice: the length of sequence 0 is -1, must be in 0 .. 4");
  REQUIRE_ERROR(check([&](call& c) { c.dst = data.data() + 23; }), errc::overlap,
                "voice: dst overlaps src");
  REQUIRE_NOTHROW(check([&](call& c) { c.src = data.data() + 40, c.dst = data.data(); })());
  REQUIRE_ERROR(check([&](call& c) { c.src = data.data() + 39, c.dst = data.data(); }),
                errc::overlap, "voice: dst overlaps src");
  REQUIRE_ERROR(([&] { model.check(good, {ws.data, ws.size - 1}); }), errc::small_workspace,
                "the workspace holds " + std::to_string(ws.size - 1));
  REQUIRE_ERROR(([&] { model.check(good, {ws.data + 1, ws.size}); }), errc::bad_pointer,
                "not aligned to 64 bytes");

  using attending = rnn_weights<I, ia_nn::augru>;
  rnn<attending> const augru(packed<attending>(3, 5, "ears"), {.max_time = 4, .max_batch = 2});
  ia_nn::workspace more(augru.workspace_bytes());
  rnn_call<f32, f32> c = good;
  REQUIRE_ERROR(([&] { augru.check(c, more); }), errc::bad_pointer,
                "ears: this cell needs attention");
  c.attention = data.data() + 100;
  REQUIRE_NOTHROW(augru.check(c, more));
  c.attention = nullptr, c.time = 0;
  REQUIRE_NOTHROW(augru.check(c, more));
}

TEST_CASE("streams of models that do not go forward are refused", "[rnn][errors]") {
  auto const streaming = [](rnn_direction d) {
    return [d] {
      std::vector<W> w = list(packed(3, 5, "voice"));
      if (d != rnn_direction::reverse && d != rnn_direction::forward)
        w.push_back(packed(3, 5, "back"));
      rnn<W> const model(std::move(w), {.direction = d});
      static_cast<void>(ia_nn::rnn_stream<W>(model));
    };
  };
  REQUIRE_NOTHROW(streaming(rnn_direction::forward)());
  for (rnn_direction d : {rnn_direction::reverse, rnn_direction::concat, rnn_direction::sum})
    REQUIRE_ERROR(streaming(d), errc::bad_parameter,
                  "voice: a stream goes forward, the model does not");
}

} // namespace ia_nn_test
