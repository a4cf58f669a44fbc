// SPDX-License-Identifier: Apache-2.0
//
// f32 by f32, bf16 and s8 weights: every tile edge on every instruction set.
#include "support.hpp"

namespace ia_nn_test {

TEST_CASE("f32 * f32 on all tile edges", "[gemm][f32]") {
  sweep<f32, f32, f32>(1);
}

TEST_CASE("f32 * f32 stored as other types", "[gemm][f32]") {
  random r(2);
  for (index_t m : {1, 2, 4, 6, 15})
    for (index_t n : {1, 15, 16, 33, 70})
      for (index_t k : {1, 8, 31}) {
        check_everywhere<f32, f32, bf16, standard, vector_isas>(draw<f32, f32, bf16, standard>(m, n, k, r), r);
        check_everywhere<f32, f32, u8, standard, vector_isas>(draw<f32, f32, u8, standard>(m, n, k, r), r);
        check_everywhere<f32, f32, s8, standard, vector_isas>(draw<f32, f32, s8, standard>(m, n, k, r), r);
      }
}

TEST_CASE("f32 * f32 with k cut and many blocks", "[gemm][f32]") {
  sweep_blocks<f32, f32, f32>(3);
}

TEST_CASE("f32 * bf16 weights", "[gemm][f32]") {
  sweep<f32, bf16, f32>(4);
  sweep_blocks<f32, bf16, f32>(5);
}

} // namespace ia_nn_test
