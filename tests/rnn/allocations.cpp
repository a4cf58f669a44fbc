// SPDX-License-Identifier: Apache-2.0
//
// `run` and `step` allocate nothing, in no thread: operator new of the whole test executable
// counts. Not under sanitizers, which bring an operator new of their own.
#include "support.hpp"
#include "support/allocations.hpp"

#if IA_NN_TEST_COUNTS_ALLOCATIONS

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/rnn/stream.hpp>

namespace ia_nn_test {
namespace {

template <class W, class Cell>
long allocations_of(index_t batch, rnn_direction direction, rnn_quantization const& q = {}) {
  random r(230);
  rnn_case c;
  c.batch = batch, c.hidden = 257, c.time = 4, c.layers = 2, c.lengths = true, c.workers = 3;
  c.direction = direction;
  rnn_problem<Cell> const p(c, r);
  auto const model = p.template model<W>(q);
  ia_nn::thread_pool pool(3);
  ia_nn::workspace scratch(model.workspace_bytes());
  std::vector<f32> y(at(c.time * c.batch * c.width()));
  rnn_call<f32, f32> call;
  call.src = p.x.data(), call.dst = y.data(), call.time = c.time, call.batch = c.batch;
  call.lengths = p.lengths.data();
  model.check(call, scratch);
  long const before = allocations;
  for (int i = 0; i < 5; ++i) {
    model.run(call, scratch);
    model.run(call, scratch, pool);
  }
  if (direction != rnn_direction::forward) return allocations - before;
  long const runs = allocations - before;
  ia_nn::rnn_stream<W> s(model);
  std::vector<f32> state(at(s.state_size()));
  long const between = allocations;
  for (int i = 0; i < 5; ++i) {
    s.step(p.x.data(), y.data());
    s.run(3, p.x.data(), y.data());
    s.get_state(state.data());
    s.reset();
    s.set_state(state.data());
  }
  return runs + allocations - between;
}

} // namespace

TEST_CASE("runs and steps allocate nothing", "[rnn][allocation]") {
  long const before = allocations;
  delete[] new int[10]; // the counter counts
  auto* volatile kept = new std::vector<int>(10);
  delete kept;
  REQUIRE(allocations >= before + 2);

  rnn_quantization q;
  q.dynamic = true;
  for_each_isa<ia_nn::type_list<ia_nn::isa::native>>([&](auto tag) {
    using I = decltype(tag);
    for (index_t batch : {1, 6})
      for (rnn_direction d : {rnn_direction::forward, rnn_direction::concat}) {
        REQUIRE(allocations_of<rnn_weights<I, lstm>, lstm>(batch, d) == 0);
        REQUIRE(allocations_of<rnn_weights<I, gru_reset_before, u8, s8>, gru_reset_before>(batch, d,
                                                                                           q) == 0);
      }
  });
}

} // namespace ia_nn_test

#endif
