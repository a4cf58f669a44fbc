// SPDX-License-Identifier: Apache-2.0
//
// What `run` checks though nobody asked for checks: weights of another product end the program, they
// are not read beyond their end.
#undef IA_NN_CHECKED
#undef IA_NN_EMULATED // part of the library's name: this file shares no code with the others
#include "../catch.hpp"

#include <ia_nn/gemm/gemm.hpp>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using ia_nn::f32;
using ia_nn::index_t;
using product = ia_nn::gemm<ia_nn::isa::scalar, f32, f32, f32>;
using weights = product::weights;

/// The signal that ends a run with such weights, or 0.
int signal_of(weights const& w) {
  constexpr index_t m = 2, n = 9, k = 5;
  product const plan(m, n, k);
  ia_nn::workspace scratch(plan.workspace_bytes());
  f32 const a[m * k] = {};
  f32 c[m * n];
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL); // not Catch2's
    plan.run(a, k, w, c, n, ia_nn::chain<>{}, scratch);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
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
