// expect: ia_nn: the operands of an expression do not broadcast: two extents at the same place, counted from the last dimension, differ and neither is 1
#include <ia_nn/ops/expr.hpp>

int main() {
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 3>> y, a;
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 4>> b;
#else
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 1>> b;
#endif
  y = a + b;
}
