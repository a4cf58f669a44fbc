// SPDX-License-Identifier: Apache-2.0
//
// The body of one half; the including file names the function.
#include "two_flags.hpp"

#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/tensor.hpp>

#include <typeinfo>

two_flags_result IA_NN_TEST_HALF() {
  using matrix = ia_nn::tensor<ia_nn::f32, ia_nn::shape<ia_nn::dyn, 8>>;
  matrix t(ia_nn::shape<ia_nn::dyn, 8>(5));
  for (ia_nn::index_t i = 0; i < 40; ++i) t.data()[i] = static_cast<float>(i) * 0.5F;
  float sum = 0;
  for (ia_nn::index_t r = 0; r < 5; ++r)
    for (ia_nn::index_t c = 0; c < 8; ++c) sum += t(r, c);
  return {sum, typeid(matrix).name()};
}
