// expect: ia_nn: bf16_terms: f32 is split into 2 or 3 bf16 terms
#include <ia_nn/gemm/gemm.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::bf16_terms<4> policy;
  static_cast<void>(policy);
#else
  ia_nn::bf16_terms<3> policy;
  static_cast<void>(policy);
#endif
}
