// SPDX-License-Identifier: Apache-2.0
//
// A user's first program: no flags but the language standard.
#include <ia_nn/ia_nn.hpp>

#include <cstdio>

#if defined(CONSUMER_HAS_ONEDNN)
bool runs_on_onednn();
#else
static bool runs_on_onednn() { return true; }
#endif

int main() {
  using rows_of_4 = ia_nn::shape<ia_nn::dyn, 4>;
  ia_nn::tensor<ia_nn::f32, rows_of_4> x(rows_of_4(3));
  for (ia_nn::index_t i = 0; i < 12; ++i) x.data()[i] = static_cast<float>(i);
  float sum = 0;
  for (ia_nn::index_t r = 0; r < 3; ++r) sum += x(r, 3);
  std::printf("ia_nn %d.%d.%d: %g\n", IA_NN_VERSION_MAJOR, IA_NN_VERSION_MINOR,
              IA_NN_VERSION_PATCH, static_cast<double>(sum));
  return sum == 3.0F + 7.0F + 11.0F && runs_on_onednn() ? 0 : 1;
}
