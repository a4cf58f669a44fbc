// SPDX-License-Identifier: Apache-2.0
//
// f32 by s8 weights, without scales and with scales per group of k.
#include "support.hpp"

namespace ia_nn_test {

TEST_CASE("f32 * s8 weights", "[gemm][weight_only]") {
  sweep<f32, s8, f32>(10);
  sweep_blocks<f32, s8, f32>(11);
}

TEST_CASE("f32 * s8 weights with a scale per column and group of k", "[gemm][weight_only]") {
  sweep<f32, s8, f32, grouped>(12);
  sweep_blocks<f32, s8, f32, grouped>(13);
}

TEST_CASE("every size of a group, whether or not it divides k", "[gemm][weight_only]") {
  random r(14);
  for (index_t k : {1, 7, 32, 50})
    for (index_t group = 1; group <= k; ++group)
      for (index_t m : {1, 3, 5}) {
        product_case p;
        p.m = m, p.n = 37, p.k = k, p.group = group;
        check_everywhere<f32, s8, f32, grouped>(p, r);
      }
}

} // namespace ia_nn_test
