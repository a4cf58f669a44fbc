// expect: ia_nn: an epilogue stage must be callable with a register, or with a register and its tile_position
#include <ia_nn/gemm/gemm.hpp>

ia_nn::gemm<ia_nn::isa::scalar, float, float, float> const plan(0, 1, 1);
float my_a = 1, my_c = 0;

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  plan.run(&my_a, 1, {}, &my_c, 1, ia_nn::chain{[](int, int, int) { return 0; }}, {});
#else
  plan.run(&my_a, 1, {}, &my_c, 1, ia_nn::chain{[](auto v) { return v + v; }}, {});
#endif
}
