// expect: ia_nn: an axis of the reduction does not exist in the expression or is named twice
#include <ia_nn/ops/expr.hpp>

int main() {
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 3>> a;
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2>> y;
#if defined(IA_NN_SHOULD_FAIL)
  y = sum(a, ia_nn::axes<2>);
#else
  y = sum(a, ia_nn::axes<1>);
#endif
}
