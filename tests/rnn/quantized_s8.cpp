// SPDX-License-Identifier: Apache-2.0
//
// s8 by s8: layers give the bits of the integer reference; what quantization refuses.
#include "gemm/throws.hpp"
#include "quantized.hpp"

namespace ia_nn_test {

TEST_CASE("s8 lstm, bit by bit", "[rnn][quantized]") {
  check_integers<s8, lstm, swept_isas>(150);
}

TEST_CASE("s8 gru, reset before, bit by bit", "[rnn][quantized]") {
  check_integers<s8, gru_reset_before, swept_isas>(151);
}

// h is not bounded: its scale follows the largest value, step by step.
TEST_CASE("s8 vanilla relu, bit by bit", "[rnn][quantized]") {
  check_integers<s8, ia_nn::vanilla<activation::relu>>(152);
}

TEST_CASE("s8: an infinity or a NaN stays in its sequence", "[rnn][quantized]") {
  check_contained<s8, lstm>(156);
  check_contained<s8, gru_reset_before>(157);
  check_contained<s8, ia_nn::vanilla<activation::relu>>(158);
}

// Bit by bit, with infinities and NaN in inputs and states, and projections, which follow ranges.
TEST_CASE("s8: infinities and NaN, bit by bit", "[rnn][quantized]") {
  random r(159);
  auto const check = [&]<class Cell>(Cell const&, index_t projected) {
    for (index_t batch : {1, 5})
      for (int round = 0; round < 3; ++round) {
        rnn_case c;
        c.batch = batch, c.hidden = 19, c.input = 5, c.time = 5, c.projected = projected;
        rnn_problem<Cell> p(c, r);
        auto const spoil = [&](std::vector<f32>& v, f32 x) {
          if (!v.empty()) v[at(r.between(0, static_cast<index_t>(v.size()) - 1))] = x;
        };
        spoil(p.x, round % 2 ? INFINITY : -INFINITY);
        spoil(round == 0 ? p.x : round == 1 ? p.h0 : p.c0, std::nanf(""));
        require_exact<s8, Cell, swept_isas>(p, dynamic_quantization());
        if (!projected && Cell::bounded) require_exact<s8, Cell, swept_isas>(p, some_static<s8>());
      }
  };
  check(lstm{}, 0);
  check(lstm{}, 7);
  check(gru_reset_before{}, 0);
  using relu = ia_nn::vanilla<activation::relu>;
  check(relu{}, 0);
  // Many sequences: a chunk of inputs is two steps, and a NaN outlives it.
  rnn_case c;
  c.batch = 300, c.hidden = 3, c.input = 2, c.time = 5;
  rnn_problem<relu> p(c, r);
  p.x[at((1 * 300 + 17) * 2)] = std::nanf("");
  require_exact<s8, relu, ia_nn::type_list<ia_nn::isa::native>>(p, dynamic_quantization());
}

TEST_CASE("s8: inputs far beyond the range, weights all at the limit", "[rnn][quantized]") {
  random r(153);
  for (index_t batch : {1, 3, 14})
    for (bool positive : {false, true}) {
      rnn_case c;
      c.batch = batch, c.hidden = 18, c.input = 37, c.time = 2;
      rnn_problem<lstm> p(c, r);
      for (auto* w : {&p.layers[0].w_input, &p.layers[0].w_recurrent})
        for (f32& e : *w) e = positive || r.coin() ? 0.5F : -0.5F;
      for (f32& e : p.x) e = positive || r.coin() ? 1e30F : -1e30F;
      for (f32& e : p.h0) e = positive || r.coin() ? 1e30F : -1e30F;
      rnn_quantization q = some_static<s8>();
      q.input.zero_point = positive ? -128 : 127, q.hidden.zero_point = positive ? -128 : 127;
      require_exact<s8, lstm, swept_isas>(p, q, batch == 1);
      p.x[0] = std::nanf(""), p.x[1] = INFINITY, p.x[2] = -INFINITY, p.x[3] = 0x1p-140F;
      require_exact<s8, lstm, swept_isas>(p, q, batch == 1);
    }
}

// Units that pad the last block do not exist: f(0) of theirs must not enter the range of h.
TEST_CASE("s8: the scale of h comes from units that there are", "[rnn][quantized]") {
  using cell = ia_nn::vanilla<activation::sigmoid<ia_nn::precise>>;
  random r(154);
  for (index_t batch : {1, 3}) {
    rnn_case c;
    c.batch = batch, c.hidden = 5, c.time = 3, c.biases = true;
    rnn_problem<cell> p(c, r);
    for (f32& b : p.layers[0].b_input) b = -4; // every h far below sigmoid(0)
    rnn_output const want = integer_reference<s8, cell>(p, dynamic_quantization()).run();
    for_each_isa<layer_isas>([&](auto tag) {
      using W = rnn_weights<decltype(tag), cell, s8, s8>;
      rnn_output const got = p.template run<W>(ia_nn::sequential{}, dynamic_quantization());
      REQUIRE(near("y", exactly(want).y, got.y, {0x1p-20, 0x1p-20}) == "");
    });
  }
}

TEST_CASE("quantization that cannot work is refused", "[rnn][quantized][errors]") {
  using I = ia_nn::isa::scalar;
  random r(155);
  rnn_case c;
  auto const make = [&]<element A, class Cell>(A, Cell cell, rnn_quantization q,
                                               index_t projected = 0) {
    rnn_case d = c;
    d.projected = projected;
    rnn_problem<Cell> const p(d, r, cell);
    return [p, q, cell] {
      rnn_weights<I, Cell, A, s8>(ia_nn::gate_order::pytorch{}, p.source(0), cell, q, "voice");
    };
  };
  using ia_nn::errc;
  rnn_quantization const good = some_static<u8>();
  REQUIRE_NOTHROW(make(u8{}, lstm{}, good)());
  REQUIRE_ERROR(make(u8{}, lstm{}, {}), errc::bad_parameter,
                "voice: the scale of inputs is 0, it must be positive and finite; calibrate the "
                "layer or choose dynamic quantization");
  for (f32 bad : {0.0F, -1.0F, INFINITY, std::nanf(""), 0x1p-140F}) {
    rnn_quantization q = good;
    q.hidden.scale = bad;
    REQUIRE_ERROR(make(u8{}, lstm{}, q), errc::bad_parameter,
                  "voice: the scale of hidden states is");
    q = good, q.input.scale = bad;
    REQUIRE_ERROR(make(u8{}, lstm{}, q), errc::bad_parameter, "voice: the scale of inputs is");
    q = good, q.unprojected.scale = bad;
    if (bad != 0) // 0: not given, 1/127 is taken
      REQUIRE_ERROR(make(u8{}, lstm{}, q, 3), errc::bad_parameter,
                    "voice: the scale of unprojected states is");
    else REQUIRE_NOTHROW(make(u8{}, lstm{}, q, 3)());
  }
  for (s32 bad : {-1, 256}) {
    rnn_quantization q = good;
    q.input.zero_point = bad;
    REQUIRE_ERROR(make(u8{}, lstm{}, q), errc::bad_parameter,
                  "voice: the zero point of inputs is " + std::to_string(bad) + ", outside of u8");
  }
  for (s32 bad : {-129, 128}) {
    rnn_quantization q = good;
    q.input.zero_point = 0, q.hidden.zero_point = bad;
    REQUIRE_ERROR(make(s8{}, lstm{}, q), errc::bad_parameter,
                  "voice: the zero point of hidden states is " + std::to_string(bad) +
                      ", outside of s8");
  }
  REQUIRE_ERROR(make(s8{}, ia_nn::vanilla<activation::relu>{}, dynamic_quantization(), 3),
                errc::bad_parameter,
                "voice: an 8-bit layer with a projection needs a cell that is bounded");
  for (f32 bad : {std::nanf(""), INFINITY}) {
    rnn_problem<lstm> p(c, r);
    p.layers[0].w_recurrent[7] = bad;
    REQUIRE_ERROR(([&] { static_cast<void>(p.weights<rnn_weights<I, lstm, u8, s8>>(good)); }),
                  errc::bad_parameter,
                  "layer0 (lstm): a weight that is to be quantized is not finite");
  }
  rnn_problem<lstm> p(c, r);
  p.layers[0].b_input[3] = std::nanf("");
  REQUIRE_ERROR(([&] { static_cast<void>(p.weights<rnn_weights<I, lstm, u8, s8>>(good)); }),
                errc::bad_parameter, "layer0 (lstm): a bias or a parameter of an 8-bit layer is NaN");
}

TEST_CASE("ranges become scales and zero points", "[rnn][quantized]") {
  using ia_nn::rnn_quantization_of;
  REQUIRE(rnn_quantization_of<s8>({-2, 1}).scale == 2 / 127.0F);
  REQUIRE(rnn_quantization_of<s8>({-1, 254}).scale == 2);
  REQUIRE(rnn_quantization_of<s8>({-1, 2}).zero_point == 0);
  REQUIRE(rnn_quantization_of<s8>({0, 0}).scale == 1);
  REQUIRE(rnn_quantization_of<u8>({0, 255}).scale == 1);
  REQUIRE(rnn_quantization_of<u8>({0, 255}).zero_point == 0);
  REQUIRE(rnn_quantization_of<u8>({-255, 0}).zero_point == 255);
  REQUIRE(rnn_quantization_of<u8>({-100, 155}).zero_point == 100);
  REQUIRE(rnn_quantization_of<u8>({0, 0}).scale == 1);
}

} // namespace ia_nn_test
