// SPDX-License-Identifier: Apache-2.0
//
// bf16 by bf16, and f32 as a sum of bf16 terms.
#include "support.hpp"

namespace ia_nn_test {

using ia_nn::bf16_terms;

TEST_CASE("bf16 * bf16 on all tile edges", "[gemm][bf16]") {
  sweep<bf16, bf16, f32>(20);
  sweep_blocks<bf16, bf16, f32>(21);
}

TEST_CASE("bf16 * bf16 -> bf16", "[gemm][bf16]") {
  random r(22);
  long index = 0;
  for (index_t m : {1, 2, 4, 6, 15, 33})
    for (index_t n : {1, 15, 16, 33, 70})
      for (index_t k : {1, 8, 31, 64})
        check_everywhere<bf16, bf16, bf16>(draw<bf16, bf16, bf16, standard>(m, n, k, r), r, index++);
}

TEST_CASE("f32 in two bf16 terms", "[gemm][terms]") {
  sweep<f32, f32, f32, bf16_terms<2>>(23);
  sweep_blocks<f32, f32, f32, bf16_terms<2>>(24);
}

TEST_CASE("f32 in three bf16 terms", "[gemm][terms]") {
  sweep<f32, f32, f32, bf16_terms<3>>(25);
  sweep_blocks<f32, f32, f32, bf16_terms<3>>(26);
}

TEST_CASE("terms are needed: fewer of them miss the bound of more", "[gemm][terms]") {
  // Guards the bounds above against being so wide that they prove nothing.
  if (!runnable<ia_nn::isa::amx>()) {
    WARN("no AMX here, neither in the CPU nor emulated: nothing checked");
    return;
  }
  random r(27);
  product_case p;
  p.m = 20, p.n = 40, p.k = 64;
  product<f32, f32, f32, bf16_terms<2>> const two(p, r);
  exact_buffer<f32> out(p.m * p.n);
  two.run<ia_nn::isa::amx>(out);
  REQUIRE(two.verdict<ia_nn::isa::amx>(two.reference(), out) == "");
  REQUIRE(compare(two.reference(), out.data(), p.n, {64 * 6, 4 * 0x1p-24}) == "");
  REQUIRE(compare(two.reference(), out.data(), p.n, {1}) != "");
}

} // namespace ia_nn_test
