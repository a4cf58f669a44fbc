// SPDX-License-Identifier: Apache-2.0
//
// Training of recurrent layers: sizes around every bound of a tile, stacks, both directions, projections,
// dropout, checkpoints, calls smaller than planned, bits for any number of workers, and those of inference.
#include "rnn_support.hpp"

namespace ia_nn_test {
namespace {

template <rnn_kind K, class A = f32>
void check_workers(rnn_stack s, std::uint64_t stream, double tolerance, rnn_way way = {},
                   bool states = true) {
  s.kind = K;
  INFO("I " << s.input << ", H " << s.hidden << ", R " << s.projected << ", L " << s.layers
            << ", T " << s.time << ", N " << s.batch << ", reverse " << s.reverse << ", both "
            << s.both);
  rnn_training_problem const p(s, stream, states);
  auto const want = p.expected();
  using I = ia_nn::isa::native;
  rnn_got const one = p.run<I, K, A>(way);
  auto shifted = want;
  if (way.add)
    for (std::size_t i = 3; i < shifted.size(); ++i)
      for (double& v : shifted[i]) v += 1;
  REQUIRE(verdict(one, shifted, tolerance) == "");
  for (int const workers : {2, 3}) {
    way.workers = workers;
    REQUIRE(bit_verdict(p.run<I, K, A>(way), one) == "");
  }
}

} // namespace

TEST_CASE("recurrent gradients around the bounds of tiles", "[train][rnn]") {
  std::uint64_t stream = 430;
  for (index_t const hidden : {1, 15, 16, 17, 31, 32, 33, 67})
    for (index_t const batch : {1, 2, 4, 7, 29}) {
      check_workers<rnn_kind::lstm>(
          {.input = hidden % 5 + 1, .hidden = hidden, .time = 3, .batch = batch}, ++stream, 4e-5);
      check_workers<rnn_kind::gru>({.input = 33, .hidden = hidden, .time = 2, .batch = batch},
                                   ++stream, 4e-5);
    }
  for (index_t const time : {1, 2, 31, 70})
    check_workers<rnn_kind::gru_reset_before>({.input = 4, .hidden = 19, .time = time, .batch = 3},
                                              ++stream, 1e-4);
}

TEST_CASE("recurrent gradients of stacks", "[train][rnn]") {
  for (rnn_stack s :
       {rnn_stack{.input = 5, .hidden = 9, .layers = 3},
        rnn_stack{.input = 5, .hidden = 9, .layers = 2, .both = true},
        rnn_stack{.input = 5, .hidden = 9, .layers = 3, .both = true, .lengths = {4, 0, 2}},
        rnn_stack{.input = 5, .hidden = 9, .layers = 2, .reverse = true, .lengths = {1, 3, 4}}}) {
    check_workers<rnn_kind::lstm>(s, 501, 6e-5);
    check_workers<rnn_kind::gru>(s, 502, 6e-5);
    check_workers<rnn_kind::gru_reset_before>(s, 503, 6e-5, {.add = true});
    check_workers<rnn_kind::tanh>(s, 504, 6e-5, {.add = true}, false);
  }
}

TEST_CASE("recurrent gradients of projections", "[train][rnn]") {
  check_workers<rnn_kind::lstm>(
      {.input = 5, .hidden = 33, .projected = 7, .layers = 2, .both = true}, 510, 6e-5);
  check_workers<rnn_kind::lstm>({.input = 3, .hidden = 9, .projected = 35, .lengths = {2, 4, 0}},
                                511, 6e-5, {.add = true});
  check_workers<rnn_kind::lstm_peephole>(
      {.input = 3, .hidden = 9, .projected = 4, .reverse = true, .lengths = {2, 4, 0}}, 512, 6e-5,
      {}, false);
}

TEST_CASE("recurrent gradients over many rows, and in calls that are smaller than planned",
          "[train][rnn]") {
  check_workers<rnn_kind::lstm>({.input = 40, .hidden = 70, .time = 37, .batch = 20}, 520, 1e-4);
  check_workers<rnn_kind::gru>({.input = 40, .hidden = 50, .time = 37, .batch = 20, .both = true},
                               521, 1e-4);
  check_workers<rnn_kind::lstm>({.input = 4, .hidden = 6, .time = 5, .batch = 3}, 522, 4e-5,
                                {.max_time = 40, .max_batch = 21});
  check_workers<rnn_kind::gru_reset_before>(
      {.input = 4, .hidden = 6, .layers = 2, .time = 5, .batch = 3, .lengths = {3, 5, 0}}, 523,
      4e-5, {.max_time = 6, .max_batch = 21});
}

TEST_CASE("recurrent layers that keep states every few steps have the same bits", "[train][rnn]") {
  auto const check = [](auto kind, rnn_stack s) {
    constexpr rnn_kind K = decltype(kind)::value;
    s.kind = K;
    using I = ia_nn::isa::native;
    rnn_training_problem const p(s, 530);
    rnn_got const all = p.run<I, K>();
    for (index_t const every : {1, 2, 3, 7, 50})
      REQUIRE(bit_verdict(p.run<I, K>({.workers = 2, .checkpoint = every}), all) == "");
    REQUIRE(bit_verdict(p.run<I, K>({.max_time = 12, .max_batch = 9, .checkpoint = 4}), all) == "");
  };
  using lstm = std::integral_constant<rnn_kind, rnn_kind::lstm>;
  using gru = std::integral_constant<rnn_kind, rnn_kind::gru>;
  using before = std::integral_constant<rnn_kind, rnn_kind::gru_reset_before>;
  check(lstm{}, {.input = 5, .hidden = 33, .layers = 2, .time = 7, .both = true});
  check(lstm{}, {.input = 5, .hidden = 33, .projected = 5, .time = 7, .lengths = {7, 0, 3}});
  check(gru{}, {.input = 5, .hidden = 17, .time = 7, .reverse = true, .lengths = {2, 0, 7}});
  check(before{}, {.input = 5, .hidden = 17, .layers = 2, .time = 7, .lengths = {2, 7, 4}});
  check(std::integral_constant<rnn_kind, rnn_kind::tanh>{}, {.input = 5, .hidden = 17, .time = 7});
}

TEST_CASE("dropout between recurrent layers", "[train][rnn]") {
  rnn_stack s{.kind = rnn_kind::gru, .input = 5, .hidden = 9, .layers = 3, .time = 4, .both = true};
  constexpr std::uint64_t round = 8;
  ia_nn::dropout<ia_nn::isa::native> const layer(0.4F, 5);
  index_t const n = s.time * s.batch * s.D() * s.R();
  int kept = 0;
  for (std::uint64_t l = 0; l < 2; ++l) {
    std::vector<u8> mask(at(n));
    layer.mask(n, mask.data(), round * 3 + l);
    doubles factor;
    for (u8 const m : mask) factor.push_back(m * static_cast<double>(layer.scale())), kept += m;
    s.dropped.push_back(factor);
  }
  REQUIRE((kept > n / 2 && kept < 2 * n));
  check_workers<rnn_kind::gru>(s, 540, 6e-5, {.dropout = 0.4F, .round = round});
  check_workers<rnn_kind::gru>(s, 540, 6e-5, {.checkpoint = 3, .dropout = 0.4F, .round = round});
}

TEST_CASE("recurrent layers in training give what inference gives", "[train][rnn]") {
  for_each_isa<vector_isas>([](auto tag) {
    using I = decltype(tag);
    constexpr index_t T = 6, N = 5, In = 7, H = 35;
    rnn_stack const s{.kind = rnn_kind::lstm, .input = In, .hidden = H, .time = T, .batch = N};
    rnn_training_problem const p(s, 550);
    rnn_got const got = p.run<I, rnn_kind::lstm>();
    auto const& w = p.numbers().weights[0];
    auto const span = [&](std::size_t i) {
      return std::span<f32 const>(w[i]->data(), at(w[i]->size()));
    };
    ia_nn::rnn_source const source{In, H, span(0), span(1), span(2), span(3), {}, {}, 0};
    ia_nn::rnn<ia_nn::rnn_weights<I, ia_nn::lstm>> const model(
        {ia_nn::gate_order::pytorch{}, source}, {.max_time = T, .max_batch = N});
    exact_buffer<f32> y(T * N * H), hn(N * H), cn(N * H);
    scratch work(model.workspace_bytes());
    model.run(ia_nn::rnn_call<f32, f32>{.src = p.numbers().x->data(),
                                        .dst = y.data(),
                                        .time = T,
                                        .batch = N,
                                        .initial_hidden = p.numbers().h0->data(),
                                        .initial_cell = p.numbers().c0->data(),
                                        .final_hidden = hn.data(),
                                        .final_cell = cn.data()},
              work);
    REQUIRE(same_bits(y, *got.all[0]));
    REQUIRE(same_bits(hn, *got.all[1]));
    REQUIRE(same_bits(cn, *got.all[2]));
  });
}

} // namespace ia_nn_test
