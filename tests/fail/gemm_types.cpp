// expect: ia_nn: gemm: no kernel multiplies these types; A and B must be f32 and f32
#include <ia_nn/gemm/gemm.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::gemm<ia_nn::isa::scalar, ia_nn::bf16, ia_nn::f32, ia_nn::f32> plan(2, 3, 4);
#else
  ia_nn::gemm<ia_nn::isa::scalar, ia_nn::f32, ia_nn::bf16, ia_nn::f32> plan(2, 3, 4);
#endif
}
