// SPDX-License-Identifier: Apache-2.0
//
// bf16 layers against an oracle that rounds what they round: weights, inputs and h.
#include "support.hpp"

namespace ia_nn_test {
namespace {

template <class Cell, class Isas>
void check_bf16(std::uint64_t stream, bool projected = false, Cell const& cell = {},
                double slack = 1) {
  random r(stream);
  index_t index = 0;
  for (index_t batch : {1, 2, 3, 5, 15, 31})
    for (index_t hidden : {1, 3, 5, 16, 17, 35, 67}) {
      constexpr index_t inputs[] = {1, 3, 2, 33, 64, 7};
      rnn_case c;
      c.batch = batch, c.hidden = hidden, c.input = inputs[index % 5], c.time = 1 + index % 3;
      if (projected) c.projected = index % 2 ? hidden + 3 : (hidden + 1) / 2;
      c.lengths = index % 5 == 2, c.states = index % 3 != 1;
      ++index;
      INFO(Cell::name << ": " << c.text());
      rnn_problem<Cell> const p(c, r, cell);
      rnn_result const want = p.want(true, true);
      // Second products round what fast activations made, from the first step on.
      bool const flips = projected || ia_nn::detail::cell_traits<Cell>::late > 0;
      rnn_tolerance const t = bf16_tolerance(flips ? 2 : c.time);
      for_each_isa<Isas>([&](auto tag) {
        using I = decltype(tag);
        if (!ia_nn::isa::available<I>() && index % 3 != 0) return; // emulation takes its time
        rnn_output const got = p.template run<rnn_weights<I, Cell, bf16>>();
        REQUIRE(verdict(want, got, {slack * t.l2, slack * t.largest}) == "");
      });
    }
}

} // namespace

TEST_CASE("bf16 lstm", "[rnn][bf16]") { check_bf16<lstm, swept_isas>(200); }

TEST_CASE("bf16 lstm with a projection", "[rnn][bf16]") { check_bf16<lstm, swept_isas>(201, true); }

TEST_CASE("bf16 gru, reset before", "[rnn][bf16]") {
  check_bf16<gru_reset_before, tiles_and_native>(202);
}

// 1 / sqrt(variance + epsilon) is at most 3 here.
TEST_CASE("bf16 lstm with layer normalization", "[rnn][bf16]") {
  ia_nn::lstm_layer_norm cell;
  cell.epsilon = 0.1F;
  check_bf16<ia_nn::lstm_layer_norm, tiles_and_native>(203, false, cell, 3);
}

TEST_CASE("sources and destinations of bf16", "[rnn][bf16]") {
  for_each_isa<ia_nn::type_list<ia_nn::isa::native>>([](auto tag) {
    random r(204);
    using W = rnn_weights<decltype(tag), lstm, bf16>;
    for (index_t batch : {1, 6})
      for (rnn_direction d :
           {rnn_direction::forward, rnn_direction::reverse, rnn_direction::concat})
        for (rnn_layout layout : {rnn_layout::time_first, rnn_layout::batch_first})
          for (bool lengths : {false, true}) {
            rnn_case c;
            c.batch = batch, c.time = 5, c.hidden = 21, c.input = 9, c.direction = d,
            c.layout = layout;
            c.lengths = lengths;
            INFO(c.text());
            rnn_problem<lstm> const p(c, r);
            rnn_output const wide = p.template run<W>();
            REQUIRE((p.template run<W, bf16>()) == wide); // rounded by the caller or by the layer
            rnn_output rounded = wide;
            for (f32& y : rounded.y) y = static_cast<f32>(bf16(y));
            REQUIRE((p.template run<W, bf16, bf16>()) == rounded);
          }
  });
}

} // namespace ia_nn_test
