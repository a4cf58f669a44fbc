// expect: ia_nn: weights are packed as f32, bf16 or s8
#include <ia_nn/gemm/gemm.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::packed_matrix<ia_nn::u8, ia_nn::panel<4, 4>> w;
#else
  ia_nn::packed_matrix<ia_nn::s8, ia_nn::panel<4, 4>> w;
#endif
}
