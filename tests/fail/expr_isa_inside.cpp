// expect: ia_nn: with<isa> belongs around the whole expression, not inside it
#include <ia_nn/ops/expr.hpp>

int main() {
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<3>> y, a;
#if defined(IA_NN_SHOULD_FAIL)
  y = ia_nn::with<ia_nn::isa::scalar>(a + 1) * 2;
#else
  y = ia_nn::with<ia_nn::isa::scalar>((a + 1) * 2);
#endif
}
