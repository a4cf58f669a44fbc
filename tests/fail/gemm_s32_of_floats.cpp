// expect: ia_nn: gemm: an s32 result needs 8-bit integer operands
#include <ia_nn/gemm/gemm.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::gemm<ia_nn::isa::scalar, ia_nn::f32, ia_nn::f32, ia_nn::s32> plan(2, 3, 4);
#else
  ia_nn::gemm<ia_nn::isa::scalar, ia_nn::u8, ia_nn::s8, ia_nn::s32> plan(2, 3, 4);
#endif
}
