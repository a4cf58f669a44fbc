// SPDX-License-Identifier: Apache-2.0
//
// f32 layers whose weights are narrow, and f32 products of bf16 terms on AMX.
#include "support.hpp"

namespace ia_nn_test {
namespace {

// Weights as 8 bits hold them: multiples of max |w| / 127 of a row.
void quantize_rows(std::vector<f32>& w, index_t k) {
  for (std::size_t row = 0; row < w.size(); row += at(k)) {
    f32 most = 0;
    for (std::size_t i = row; i < row + at(k); ++i) most = std::max(most, std::fabs(w[i]));
    f32 const scale = most / 127.0F;
    for (std::size_t i = row; i < row + at(k); ++i) w[i] = scale * std::rint(w[i] / scale);
  }
}

// Activations are fast ones, within 2^-15.7, where weights are narrow.
constexpr rnn_tolerance fast_activations{0x1p-13, 0x1p-12};

template <class F> void each_case(std::uint64_t stream, F const& f) {
  random r(stream);
  index_t index = 0;
  for (index_t batch : {1, 2, 3, 5, 15, 31})
    for (index_t hidden : {1, 3, 5, 16, 17, 35, 67}) {
      constexpr index_t inputs[] = {1, 3, 2, 33, 64, 7};
      rnn_case c;
      c.batch = batch, c.hidden = hidden, c.input = inputs[index % 5], c.time = 1 + index % 4;
      c.lengths = index % 5 == 2, c.states = index % 3 != 1;
      if (index % 2) c.projected = hidden + 3;
      ++index;
      INFO(c.text());
      f(rnn_problem<lstm>(c, r), index);
    }
}

// bf16_terms<2> drops what lies below 2^-16 of a product, three times; bf16_terms<3> keeps all that
// f32 has but four roundings.
template <int Parts> void check_parts(std::uint64_t stream) {
  each_case(stream, [&](rnn_problem<lstm> const& p, index_t index) {
    rnn_result const want = p.want();
    for_each_isa<tiles_and_native>([&](auto tag) {
      using I = decltype(tag);
      if (!ia_nn::isa::available<I>() && index % 3 != 0) return;
      using W = rnn_weights<I, lstm, f32, f32, ia_nn::bf16_terms<Parts>>;
      rnn_tolerance t = p.tolerance();
      if (ia_nn::isa::has<I, ia_nn::isa::amx>) {
        if (Parts == 2) t.l2 += 3 * 0x1p-16, t.largest += 8 * 3 * 0x1p-16;
        else t.l2 += 8 * 0x1p-24;
      }
      REQUIRE(verdict(want, p.template run<W>(), t) == "");
    });
  });
}

} // namespace

TEST_CASE("lstm of f32 with weights of bf16", "[rnn][weight_only]") {
  each_case(210, [&](rnn_problem<lstm> const& p, index_t) {
    rnn_result const want = p.want(true);
    for_each_isa<layer_isas>([&](auto tag) {
      using W = rnn_weights<decltype(tag), lstm, f32, bf16>;
      REQUIRE(verdict(want, p.template run<W>(), fast_activations) == "");
    });
  });
}

TEST_CASE("lstm of f32 with weights of s8", "[rnn][weight_only]") {
  each_case(211, [&](rnn_problem<lstm> const& p, index_t) {
    rnn_problem<lstm> rounded = p;
    layer_weights& w = rounded.layers[0];
    quantize_rows(w.w_input, p.c.input);
    quantize_rows(w.w_recurrent, p.c.size());
    quantize_rows(w.projection, p.c.hidden);
    rnn_result const want = rounded.want();
    for_each_isa<layer_isas>([&](auto tag) {
      using W = rnn_weights<decltype(tag), lstm, f32, s8>;
      REQUIRE(verdict(want, p.template run<W>(), fast_activations) == "");
    });
  });
}

TEST_CASE("gru, reset before, with weights of s8", "[rnn][weight_only]") {
  random r(212);
  for (index_t batch : {1, 7}) {
    rnn_case c;
    c.batch = batch, c.hidden = 37, c.input = 10, c.time = 4;
    rnn_problem<gru_reset_before> const p(c, r);
    rnn_problem<gru_reset_before> rounded = p;
    quantize_rows(rounded.layers[0].w_input, c.input);
    quantize_rows(rounded.layers[0].w_recurrent, c.hidden);
    using W = rnn_weights<ia_nn::isa::native, gru_reset_before, f32, s8>;
    REQUIRE(verdict(rounded.want(), p.run<W>(), fast_activations) == "");
  }
}

TEST_CASE("lstm of f32 by two bf16 terms", "[rnn][parts]") { check_parts<2>(213); }

TEST_CASE("lstm of f32 by three bf16 terms", "[rnn][parts]") { check_parts<3>(214); }

} // namespace ia_nn_test
