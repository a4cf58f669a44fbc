// SPDX-License-Identifier: Apache-2.0
//
// u8 by s8: layers give the bits of the integer reference; extremes.
#include "quantized.hpp"

#include <ia_nn/rnn/calibrate.hpp>

namespace ia_nn_test {

TEST_CASE("u8 lstm, bit by bit", "[rnn][quantized]") { check_integers<u8, lstm>(140); }

// Sums of a block are finished while those of the next are made, by rows of a tile: one, two and four
// tiles of rows, and more rows than one block of sums has room for.
TEST_CASE("u8 lstm of many rows, bit by bit", "[rnn][quantized]") {
  random r(141);
  for (index_t batch : {32, 33, 49, 101}) {
    rnn_case c;
    c.batch = batch, c.hidden = 68, c.input = 3, c.time = 2, c.lengths = batch == 49;
    require_exact<u8, lstm, swept_isas>(rnn_problem<lstm>(c, r), dynamic_quantization());
  }
}

TEST_CASE("u8 lstm with a projection, bit by bit", "[rnn][quantized]") {
  check_integers<u8, lstm>(141, true);
  random r(142);
  rnn_case c;
  c.hidden = 9, c.projected = 4, c.time = 3;
  rnn_quantization q = some_static<u8>();
  q.unprojected = {0.006F, 99};
  require_exact<u8, lstm, swept_isas>(rnn_problem<lstm>(c, r), q);
}

TEST_CASE("u8 gru, bit by bit", "[rnn][quantized]") {
  check_integers<u8, gru, swept_isas>(143);
}

TEST_CASE("u8: an infinity or a NaN stays in its sequence", "[rnn][quantized]") {
  check_contained<u8, lstm>(147);
  check_contained<u8, gru>(148);
}

// 255 * 127 * 2 is more than 16 bits hold.
TEST_CASE("u8: inputs far beyond the range, weights all at the limit", "[rnn][quantized]") {
  random r(144);
  for (index_t batch : {1, 3, 14})
    for (bool positive : {false, true}) {
      rnn_case c;
      c.batch = batch, c.hidden = 18, c.input = 37, c.time = 2;
      rnn_problem<lstm> p(c, r);
      for (auto* w : {&p.layers[0].w_input, &p.layers[0].w_recurrent})
        for (f32& e : *w) e = positive || r.coin() ? 0.5F : -0.5F;
      for (f32& e : p.x) e = positive || r.coin() ? 1e30F : -1e30F;
      for (f32& e : p.h0) e = positive || r.coin() ? 1e30F : -1e30F;
      rnn_quantization q = some_static<u8>();
      q.input.zero_point = positive ? 0 : 255, q.hidden.zero_point = positive ? 0 : 255;
      require_exact<u8, lstm, swept_isas>(p, q, batch == 1);
      p.x[0] = std::nanf(""), p.x[1] = INFINITY, p.x[2] = -INFINITY, p.x[3] = 0x1p-140F;
      require_exact<u8, lstm, swept_isas>(p, q, batch == 1);
    }
}

TEST_CASE("u8: inputs and states of zeros, dynamic", "[rnn][quantized]") {
  random r(145);
  rnn_case c;
  c.hidden = 9;
  rnn_problem<lstm> p(c, r);
  for (auto* v : {&p.x, &p.h0, &p.layers[0].w_input})
    for (f32& e : *v) e = 0;
  require_exact<u8, lstm, swept_isas>(p, dynamic_quantization());
}

TEST_CASE("calibration passes NaN and infinities over, a comparison of layers does not",
          "[rnn][quantized]") {
  random r(149);
  using I = ia_nn::isa::native;
  rnn_case c;
  c.states = false;
  rnn_problem<lstm> p(c, r);
  for (f32& x : p.x) x = std::fmin(1.0F, std::fmax(-1.0F, x));
  p.x[0] = 1, p.x[1] = -1, p.x[4] = INFINITY, p.x[8] = -INFINITY, p.x.back() = std::nanf("");
  auto const exact = p.model<rnn_weights<I, lstm>>();
  ia_nn::workspace scratch(exact.workspace_bytes());
  std::vector<f32> y(at(c.time * c.batch * c.hidden));
  rnn_call<f32, f32> const call{.src = p.x.data(), .dst = y.data(), .time = c.time, .batch = c.batch};
  ia_nn::rnn_calibration seen(1);
  seen.observe(exact, call, scratch);
  rnn_quantization const q = seen.quantization<u8>(0);
  CHECK(q.input == ia_nn::rnn_quantization_of<u8>({-1, 1}));
  CHECK((q.hidden.scale > 0 && q.hidden.scale <= 2.0F / 255));
  auto const bytes = p.model<rnn_weights<I, lstm, u8, s8>>(q);
  ia_nn::workspace more(std::max(exact.workspace_bytes(), bytes.workspace_bytes()));
  CHECK(std::isnan(compare_layers(exact, bytes, call, more).at(0).largest));
}

// u8 inputs are taken as they are, whether their rows lie as the product reads them or not.
TEST_CASE("u8: inputs that are quantized already", "[rnn][quantized]") {
  random r(146);
  for_each_isa<ia_nn::type_list<ia_nn::isa::native, ia_nn::isa::scalar>>([&](auto tag) {
    using W = rnn_weights<decltype(tag), lstm, u8, s8>;
    for (index_t batch : {1, 5})
      for (bool lengths : {false, true})
        for (rnn_direction d : {rnn_direction::forward, rnn_direction::reverse})
          for (rnn_layout layout : {rnn_layout::time_first, rnn_layout::batch_first}) {
            rnn_case c;
            c.batch = batch, c.hidden = 19, c.input = 33, c.time = 6, c.direction = d;
            c.layout = layout, c.lengths = lengths;
            INFO(c.text());
            rnn_problem<lstm> p(c, r), q = p;
            rnn_quantization const s = some_static<u8>();
            for (std::size_t i = 0; i < p.x.size(); ++i) {
              f32 const v = static_cast<f32>(r.between(0, 255));
              q.x[i] = v, p.x[i] = s.input.scale * (v - static_cast<f32>(s.input.zero_point));
            }
            rnn_output const want = p.run<W>(ia_nn::sequential{}, s);
            REQUIRE((q.run<W, u8>(ia_nn::sequential{}, s)) == want);
          }
  });
}

} // namespace ia_nn_test
