// SPDX-License-Identifier: Apache-2.0
//
// One recurrent layer of Deep Speech 2 (300 steps of 20 sequences, 800 inputs, 800 hidden units),
// LSTM and GRU, in f32, bf16 and 8-bit integers calibrated on sample sequences. Prints the time of
// a call, sequences per second and the error of each precision against f32.
//   deepspeech_layer [steps]
#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ia_nn.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <thread>

using namespace ia_nn;

namespace {

constexpr index_t batch = 20, inputs = 800, units = 800;

// Reproducible values in [-limit, limit).
std::vector<f32> noise(index_t n, f32 limit, std::uint32_t seed) {
  std::vector<f32> v(static_cast<std::size_t>(n));
  for (f32& x : v) {
    seed = seed * 1664525U + 1013904223U;
    x = limit * (static_cast<f32>(seed >> 8) * 0x1p-23F - 1.0F);
  }
  return v;
}

template <class Model>
double milliseconds(Model const& model, rnn_call<f32, f32> const& call, thread_pool& pool) {
  workspace scratch(model.workspace_bytes());
  model.check(call, scratch);
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    auto const start = std::chrono::steady_clock::now();
    model.run(call, scratch, pool);
    best = std::min(
        best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                  .count());
  }
  return best;
}

template <class Cell> bool show(index_t steps, thread_pool& pool) {
  f32 const limit = 1.0F / std::sqrt(static_cast<f32>(units));
  auto const w = noise(Cell::gates * units * inputs, limit, 1),
             u = noise(Cell::gates * units * units, limit, 2);
  auto const b = noise(Cell::gates * units, limit, 3), x = noise(steps * batch * inputs, 1.7F, 4);
  std::vector<f32> y(x.size());
  rnn_source const source{
      .input = inputs, .hidden = units, .w_input = w, .w_recurrent = u, .b_input = b};
  rnn_options const options{.max_time = steps, .max_batch = batch, .workers = pool.concurrency()};
  rnn_call<f32, f32> const call{.src = x.data(), .dst = y.data(), .time = steps, .batch = batch};

  using I = isa::native;
  rnn<rnn_weights<I, Cell, f32>> const exact({gate_order::pytorch{}, source}, options);
  rnn<rnn_weights<I, Cell, bf16>> const half({gate_order::pytorch{}, source}, options);
  workspace scratch(std::max(exact.workspace_bytes(), half.workspace_bytes()));
  rnn_calibration seen(1);
  seen.observe(exact, call, scratch);
  rnn<rnn_weights<I, Cell, u8, s8>> const small(
      {gate_order::pytorch{}, source, Cell{}, seen.quantization<u8>(0)}, options);
  bool good = true;
  auto const line = [&](char const* type, auto const& model, f32 allowed) {
    double const ms = milliseconds(model, call, pool);
    f32 const error = compare_layers(exact, model, call, scratch)[0].relative;
    std::printf("%-5s %-5s %8.2f ms  %8.1f sequences/s  weights %5.1f MB  error %.4f\n", Cell::name,
                type, ms, 1000.0 * batch / ms, static_cast<double>(model.bytes()) / 1e6,
                static_cast<double>(error));
    good = good && error <= allowed;
  };
  line("f32", exact, 0);
  line("bf16", half, 0.02F);
  line("int8", small, 0.04F);
  return good;
}

} // namespace

int main(int argc, char** argv) {
  index_t const steps = argc > 1 ? std::max(1, std::atoi(argv[1])) : 300;
  thread_pool pool(
      static_cast<int>(std::min(2U, std::max(1U, std::thread::hardware_concurrency()))));
  std::printf("(T, N, I, H) = (%td, %td, %td, %td) on %s, %d threads\n", steps, batch, inputs,
              units, isa::name<isa::native>(), pool.concurrency());
  return show<lstm>(steps, pool) && show<gru>(steps, pool) ? 0 : 1;
}
