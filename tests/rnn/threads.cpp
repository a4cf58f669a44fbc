// SPDX-License-Identifier: Apache-2.0
//
// The same bits for any number of workers, planned or there.
//
// A layer takes no more members than there are tiles, blocks of units times rows, and none for less
// than 100 KB of weights times sequences in a step: 257 units are 9 blocks of 32, and their weights
// 1 MB in f32.
#include "support.hpp"

#include <ia_nn/exec/thread_pool.hpp>

namespace ia_nn_test {
namespace {

using native = ia_nn::type_list<ia_nn::isa::native>;

struct pools {
  ia_nn::thread_pool one{1}, two{2}, three{3}, eight{8};
  ia_nn::thread_pool* all[4] = {&one, &two, &three, &eight};
};
pools& some_pools() {
  static pools p;
  return p;
}

rnn_case sized(index_t batch, index_t hidden, index_t projected = 0) {
  rnn_case c;
  c.batch = batch, c.hidden = hidden, c.projected = projected, c.time = 3, c.input = 11;
  return c;
}

template <class Cell, element A, element B, class Isas, element X = f32>
void same_bits(rnn_case c, std::uint64_t stream, rnn_quantization const& q = {}) {
  random r(stream);
  // Of two directions, members may take one each.
  for (rnn_direction d : {rnn_direction::forward, rnn_direction::concat, rnn_direction::sum}) {
    bool const both = d != rnn_direction::forward;
    c.direction = d, c.layers = both ? 2 : 1, c.lengths = both;
    rnn_problem<Cell> p(c, r);
    if constexpr (!std::same_as<X, f32>)
      for (f32& x : p.x) x = static_cast<f32>(r.between(0, 127));
    for_each_isa<Isas>([&](auto tag) {
      using W = rnn_weights<decltype(tag), Cell, A, B>;
      bool const emulated = !ia_nn::isa::available<decltype(tag)>();
      p.c.workers = 1;
      rnn_output const first = p.template run<W, X>(ia_nn::sequential{}, q);
      for (int workers : {2, 3, 8}) {
        p.c.workers = workers;
        auto const model = p.template model<W>(q);
        REQUIRE(p.template run_on<X>(model) == first);
        for (ia_nn::thread_pool* pool : some_pools().all) {
          if (emulated && pool->concurrency() != workers) continue;
          INFO(Cell::name << " " << ia_nn::name_of<A>() << ": " << p.c.text() << ", pool of "
                          << pool->concurrency());
          REQUIRE(p.template run_on<X>(model, *pool) == first);
        }
      }
    });
  }
}

rnn_quantization fixed() {
  rnn_quantization q;
  q.input = {0.02F, 117}, q.hidden = {0.0075F, 140};
  return q;
}
rnn_quantization following() {
  rnn_quantization q;
  q.dynamic = true, q.input = {0.02F, 0};
  return q;
}

} // namespace

TEST_CASE("f32 lstm has the same bits for any number of workers", "[rnn][threads]") {
  same_bits<lstm, f32, f32, layer_isas>(sized(1, 257), 160);
  same_bits<lstm, f32, f32, layer_isas>(sized(5, 257), 161);
  same_bits<lstm, f32, f32, layer_isas>(sized(40, 70), 162); // blocks divided by rows
  same_bits<lstm, f32, f32, layer_isas>(sized(4, 150), 187); // 5 blocks of 32, 8 workers
}

TEST_CASE("a projection has the same bits for any number of workers", "[rnn][threads]") {
  same_bits<lstm, f32, f32, native>(sized(1, 257, 20),
                                    163); // outputs are fewer blocks than workers
  same_bits<lstm, f32, f32, native>(sized(6, 257, 130), 164);
}

TEST_CASE("bf16 lstm has the same bits for any number of workers", "[rnn][threads]") {
  same_bits<lstm, bf16, bf16, tiles_and_native>(sized(1, 257), 165);
  same_bits<lstm, bf16, bf16, tiles_and_native>(sized(5, 257), 166);
}

TEST_CASE("u8 lstm has the same bits for any number of workers", "[rnn][threads]") {
  same_bits<lstm, u8, s8, tiles_and_native>(sized(1, 257), 167, fixed());
  same_bits<lstm, u8, s8, tiles_and_native>(sized(5, 257), 168, fixed());
  same_bits<lstm, u8, s8, native>(sized(5, 257), 169, following());
}

// Members find the range of h together, step by step.
TEST_CASE("s8 vanilla relu has the same bits for any number of workers", "[rnn][threads]") {
  using cell = ia_nn::vanilla<activation::relu>;
  same_bits<cell, s8, s8, native>(sized(1, 513), 170, following());
  same_bits<cell, s8, s8, native>(sized(9, 257), 171, following());
  for (std::uint64_t i = 0; i < 10; ++i) // inputs need no conversion
    same_bits<cell, s8, s8, native, s8>(sized(9, 257), 172 + i, following());
}

TEST_CASE("cells of two products have the same bits for any number of workers", "[rnn][threads]") {
  same_bits<gru_reset_before, f32, f32, native>(sized(1, 257), 182);
  same_bits<gru_reset_before, f32, f32, native>(sized(5, 257), 183);
  same_bits<ia_nn::lstm_layer_norm, f32, f32, native>(sized(1, 257), 184);
  same_bits<ia_nn::lstm_layer_norm, f32, f32, native>(sized(5, 257), 185);
}

TEST_CASE("one model runs in several threads at once", "[rnn][threads]") {
  using W = rnn_weights<ia_nn::isa::native, lstm>;
  random r(186);
  rnn_problem<lstm> const p(sized(4, 70), r);
  auto const model = p.model<W>();
  rnn_output const want = p.run_on(model);
  std::vector<rnn_output> got(4);
  some_pools().three.parallel_for(4, [&](index_t task, int) { got[at(task)] = p.run_on(model); });
  for (rnn_output const& g : got) REQUIRE(g == want);
}

} // namespace ia_nn_test
