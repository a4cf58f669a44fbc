// expect: ia_nn: gemm: B that is packed in the call has the type B, or is f32 where B is bf16
#include <ia_nn/gemm/gemm.hpp>

using product = ia_nn::gemm<ia_nn::isa::scalar, float, float, float>;
float my_a = 1, my_b = 2, my_c = 0;
ia_nn::bf16 my_narrow_b;

int main() {
  product const plan(1, 1, 1);
#if defined(IA_NN_SHOULD_FAIL)
  plan.run_unpacked({&my_a, 1, 1}, &my_narrow_b, 1, 1, &my_c, 1, ia_nn::chain<>{}, {});
#else
  plan.run_unpacked({&my_a, 1, 1}, &my_b, 1, 1, &my_c, 1, ia_nn::chain<>{}, {});
#endif
}
