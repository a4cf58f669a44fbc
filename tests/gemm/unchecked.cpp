// SPDX-License-Identifier: Apache-2.0
//
// What `run` checks though nobody asked for checks: weights of another product, too many rows and a
// workspace that is too small end the program, nothing is read or written beyond its end.
#undef IA_NN_CHECKED
#undef IA_NN_EMULATED // part of the library's name: this file shares no code with the others
#include "../catch.hpp"

#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/int8/s4.hpp>
#include <ia_nn/ops/deconv.hpp>
#include <ia_nn/ops/dense.hpp>
#include <ia_nn/train/batch_norm.hpp>
#include <ia_nn/train/dense.hpp>
#include <ia_nn/train/loss.hpp>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using ia_nn::f32;
using ia_nn::index_t;
using product = ia_nn::gemm<ia_nn::isa::scalar, f32, f32, f32>;
using weights = product::weights;

/// The signal that ends `f` in a child, or 0.
template <class F> int signal_in(F const& f) {
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL); // not Catch2's
    f();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/// Of a run with such weights.
int signal_of(weights const& w) {
  constexpr index_t m = 2, n = 9, k = 5;
  product const plan(m, n, k);
  ia_nn::workspace scratch(plan.workspace_bytes());
  f32 const a[m * k] = {};
  f32 c[m * n];
  return signal_in([&] { plan.run(a, k, w, c, n, ia_nn::chain<>{}, scratch); });
}

TEST_CASE("a dense layer refuses what does not fit it, checked or not", "[gemm][errors]") {
  using ia_nn::dyn, ia_nn::shape, ia_nn::tensor, ia_nn::workspace;
  tensor<f32, shape<dyn, dyn>> const w(200, 9);
  tensor<f32, shape<dyn>> const bias(9);
  ia_nn::dense const layer(w, bias, {.max_rows = 40});
  auto const run = [&](index_t rows, index_t columns, index_t results, index_t bytes) {
    tensor<f32, shape<dyn, dyn>> const x(rows, columns);
    tensor<f32, shape<dyn, dyn>> y(rows, results);
    workspace scratch(bytes);
    return signal_in([&] { layer.run(x, y, scratch); });
  };
  index_t const enough = layer.workspace_bytes();
  REQUIRE(enough > 0);
  CHECK(run(40, 200, 9, enough) == 0);
  CHECK(run(1, 200, 9, enough) == 0);
  CHECK(run(41, 200, 9, enough) == SIGABRT);
  CHECK(run(40, 200, 9, enough - 1) == SIGABRT);
  CHECK(run(40, 200, 9, 0) == SIGABRT);
  CHECK(run(40, 199, 9, enough) == SIGABRT);
  CHECK(run(40, 200, 8, enough) == SIGABRT);
}

TEST_CASE("layers made of a product refuse rows and workspaces, checked or not", "[gemm][errors]") {
  using scalar = ia_nn::isa::scalar;
  std::vector<f32> const w(8 * 16, 0.5F), x(5 * 16);
  std::vector<f32> y(5 * 8), z(8 * 16);
  auto const check = [](auto const& layer, auto const& run) {
    index_t const enough = layer.workspace_bytes();
    auto const signal = [&](index_t rows, index_t bytes) {
      ia_nn::workspace scratch(bytes);
      return signal_in([&] { run(rows, scratch); });
    };
    REQUIRE(enough > 0);
    CHECK(signal(4, enough) == 0);
    CHECK(signal(5, enough) == SIGABRT);
    CHECK(signal(4, enough - 1) == SIGABRT);
  };
  ia_nn::dynamic_dense<scalar> const dynamic(ia_nn::quantize_weights(w, 8), {}, {.max_rows = 4});
  check(dynamic, [&](index_t rows, ia_nn::workspace_view v) {
    dynamic.run(rows, x.data(), 16, y.data(), 8, v);
  });
  ia_nn::s4_dense<scalar> const nibbles(ia_nn::quantize_s4<scalar>(w, 8, 16), {.max_rows = 4});
  check(nibbles, [&](index_t rows, ia_nn::workspace_view v) {
    nibbles.run(rows, x.data(), 16, y.data(), 8, ia_nn::chain<>{}, v);
  });
  ia_nn::dense_training<scalar> const training({.inputs = 16, .outputs = 8, .max_rows = 4});
  check(training, [&](index_t rows, ia_nn::workspace_view v) {
    training.backward({.rows = rows,
                       .src = x.data(),
                       .diff_dst = y.data(),
                       .weights = w.data(),
                       .diff_weights = ia_nn::write_to(z.data()),
                       .diff_bias = ia_nn::write_to(y.data())},
                      v);
  });
}

TEST_CASE("layers with a workspace refuse a batch and a workspace that do not fit, checked or not",
          "[gemm][errors]") {
  using I = ia_nn::isa::scalar;
  // run(batch or rows, workspace) is planned for two.
  auto const check = [](index_t enough, auto const& run) {
    REQUIRE(enough > 0);
    auto const signal = [&](index_t batch, index_t bytes) {
      return signal_in([&] {
        ia_nn::workspace scratch(bytes);
        run(batch, scratch);
      });
    };
    CHECK(signal(2, enough) == 0);
    CHECK(signal(3, enough) == SIGABRT);
    CHECK(signal(-1, enough) == SIGABRT);
    CHECK(signal(2, enough - 1) == SIGABRT);
    CHECK(signal(2, 0) == SIGABRT);
  };
  std::vector<f32> const filter(9, 1.0F), src(400, 1.0F);
  std::vector<f32> dst(2000);
  ia_nn::window const win{.kernel = {1, 3, 3}};
  ia_nn::spatial const in{1, 4, 4};
  ia_nn::conv<I, f32, f32, f32> const conv({.in = in, .win = win}, filter, {.max_batch = 2});
  check(conv.workspace_bytes(), [&](index_t batch, ia_nn::workspace_view scratch) {
    conv.run(batch, src.data(), dst.data(), ia_nn::chain<>{}, scratch);
  });
  ia_nn::deconv<I, f32, f32, f32> const deconv({.in = in, .win = win}, filter, {.max_batch = 2});
  check(deconv.workspace_bytes(), [&](index_t batch, ia_nn::workspace_view scratch) {
    deconv.run(batch, src.data(), dst.data(), ia_nn::chain<>{}, scratch);
  });
  ia_nn::cross_entropy<I> const loss({.classes = 5, .max_rows = 2});
  int const labels[3] = {};
  f32 total = 0;
  check(loss.workspace_bytes(), [&](index_t rows, ia_nn::workspace_view scratch) {
    loss.run(ia_nn::cross_entropy_call<int>{.rows = rows, .src = src.data(), .labels = labels, .loss = &total},
             scratch);
  });
  ia_nn::batch_norm_training<I> const norm({.channels = 5});
  f32 mean[5], deviation[5];
  check(norm.workspace_bytes(), [&](index_t rows, ia_nn::workspace_view scratch) {
    // Any number of rows fits, but none.
    norm.forward(rows == 3 ? 0 : rows, src.data(), dst.data(), {.mean = mean, .inv_std = deviation}, scratch);
  });
}

TEST_CASE("run refuses weights of another product, checked or not", "[gemm][errors]") {
  f32 const numbers[100] = {};
  auto const packed = [&](index_t k, index_t n) { return weights(ia_nn::matrix(numbers, k, n)); };
  CHECK(signal_of(packed(5, 9)) == 0);
  CHECK(signal_of(packed(4, 9)) == SIGABRT);
  CHECK(signal_of(packed(5, 8)) == SIGABRT);
  CHECK(signal_of(packed(9, 5)) == SIGABRT);
  CHECK(signal_of(weights()) == SIGABRT);
  weights moved = packed(5, 9);
  weights const taken = static_cast<weights&&>(moved);
  CHECK(signal_of(taken) == 0);
  CHECK(signal_of(moved) == SIGABRT);
}

} // namespace
