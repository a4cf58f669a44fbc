// expect: ia_nn: packed_matrix: weights with scales are s8
#include <ia_nn/gemm/gemm.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::packed_matrix<ia_nn::f32, ia_nn::panel<4, 1>, ia_nn::packing{.scaled = true}> w;
#else
  ia_nn::packed_matrix<ia_nn::s8, ia_nn::panel<4, 1>, ia_nn::packing{.scaled = true}> w;
#endif
}
