// SPDX-License-Identifier: Apache-2.0
//
// A user's source, compiled once per instruction set.
#include "shared.hpp"

#include <ia_nn/core/tensor.hpp>

#include <algorithm>
#include <functional>
#include <stdexcept>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern "C" variant_report odr_entry(bool fail) {
  if (fail) throw std::runtime_error(TEXT(IA_NN_VARIANT));
  int const calls = ++common_counter<float>();
  using rows_of_8 = ia_nn::shape<ia_nn::dyn, 8>;
  ia_nn::tensor<ia_nn::f32, rows_of_8> t(rows_of_8(5));
  std::vector<float> values;
  for (int i = 0; i < 40; ++i) values.push_back(static_cast<float>(i) * 0.5F);
  std::sort(values.begin(), values.end(), std::greater<>());
  std::copy(values.begin(), values.end(), t.data());
  float sum = 0;
  for (ia_nn::index_t r = 0; r < 5; ++r) sum += t(r, 7);
#if defined(__AVX512F__)
  constexpr int flags = 2;
#elif defined(__AVX2__)
  constexpr int flags = 1;
#else
  constexpr int flags = 0;
#endif
  return {flags, flags_of_the_compiled_copy(values), calls, sum, TEXT(IA_NN_VARIANT)};
}
