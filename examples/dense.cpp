// SPDX-License-Identifier: Apache-2.0
//
// One fully connected layer with 800 inputs and 3200 outputs on 20 rows, on every instruction set
// that this CPU has: f32 weights, weights kept as bf16, and 8-bit integers. Prints the time of a
// call and the largest difference from plain loops in double.
#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ia_nn.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

using namespace ia_nn;

namespace {

constexpr index_t rows = 20, inputs = 800, outputs = 3200;

// Small reproducible values.
f32 value(index_t i) { return static_cast<f32>(i * 7919 % 255 - 127) / 128.0F; }

double milliseconds(auto const& call) {
  double best = 1e9;
  for (int i = 0; i < 20; ++i) {
    auto const start = std::chrono::steady_clock::now();
    call();
    std::chrono::duration<double, std::milli> const t = std::chrono::steady_clock::now() - start;
    best = std::min(best, t.count());
  }
  return best;
}

template <isa::tag I, element A, element B, element C> void time_product(thread_pool& threads) {
  tensor<A, shape<dyn, inputs>> x(rows);
  tensor<B, shape<inputs, outputs>> w;
  tensor<C, shape<dyn, outputs>> y(rows);
  constexpr f32 factor = byte_element<A> ? 127.0F : 1.0F;
  for (index_t i = 0; i < x.size(); ++i) x.data()[i] = A(std::fabs(value(i)) * factor);
  for (index_t i = 0; i < w.size(); ++i)
    w.data()[i] = B(value(3 * i + 1) * (byte_element<B> ? 127.0F : 1.0F));

  using plan_type = gemm<I, A, B, C, standard, dyn, outputs, inputs>; // set-up: may throw
  plan_type const plan(rows, outputs, inputs, threads.concurrency());
  typename plan_type::weights const packed(w.view());
  workspace scratch(plan.workspace_bytes());
  plan.check({x.data(), inputs, 1}, packed, y.data(), outputs, scratch);

  double const ms = milliseconds([&] { // run: noexcept, allocates nothing
    plan.run(x.data(), inputs, packed, y.data(), outputs, chain{activation::relu{}}, scratch, threads);
  });

  double error = 0, largest = 0;
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < outputs; j += 97) {
      double sum = 0;
      for (index_t k = 0; k < inputs; ++k)
        sum += static_cast<double>(static_cast<f32>(x(i, k))) * static_cast<double>(static_cast<f32>(w(k, j)));
      double const expected = std::max(sum, 0.0);
      largest = std::max(largest, expected);
      error = std::max(error, std::fabs(expected - static_cast<double>(y(i, j))));
    }
  std::printf("%-12s %4s x %-4s  %8.4f ms  %8.1f Gop/s  error %.1e of the largest value\n",
              isa::name<I>(), name_of<A>(), name_of<B>(), ms,
              2e-6 * rows * inputs * outputs / ms, error / largest);
}

} // namespace

int main() {
  thread_pool threads(1);
  std::printf("relu(x * w), x %td x %td, w %td x %td, one thread\n", rows, inputs, inputs, outputs);
  for_each_type(isa::compiled{}, [&]<class I>(I) {
    if (!isa::available<I>() || std::same_as<I, isa::scalar>) return;
    time_product<I, f32, f32, f32>(threads);
    time_product<I, f32, bf16, f32>(threads);
    time_product<I, bf16, bf16, f32>(threads);
    time_product<I, u8, s8, s32>(threads);
  });
}
