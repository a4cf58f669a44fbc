// expect: ia_nn: gemm: weights with scales are packed ahead
#include <ia_nn/gemm/gemm.hpp>

using plain = ia_nn::gemm<ia_nn::isa::scalar, float, ia_nn::s8, float>;
using scaled = ia_nn::gemm<ia_nn::isa::scalar, float, ia_nn::s8, float, ia_nn::grouped>;
float my_a = 1, my_c = 0;
ia_nn::s8 my_b = 2;

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  scaled const plan(1, 1, 1);
  plan.run_unpacked({&my_a, 1, 1}, &my_b, 1, 1, &my_c, 1, ia_nn::chain<>{}, {});
#else
  plain const plan(1, 1, 1);
  plan.run_unpacked({&my_a, 1, 1}, &my_b, 1, 1, &my_c, 1, ia_nn::chain<>{}, {});
#endif
}
