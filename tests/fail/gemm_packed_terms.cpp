// expect: ia_nn: packed_matrix: f32 is split into 2 or 3 terms, which are bf16
#include <ia_nn/gemm/gemm.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::packed_matrix<ia_nn::f32, ia_nn::panel<4, 1>, ia_nn::packing{.terms = 2}> w;
#else
  ia_nn::packed_matrix<ia_nn::bf16, ia_nn::panel<4, 2>, ia_nn::packing{.terms = 2}> w;
#endif
}
