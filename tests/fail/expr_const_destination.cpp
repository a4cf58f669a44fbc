// expect: ia_nn: the destination of an expression is a view of const elements
#include <ia_nn/ops/expr.hpp>

int main() {
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<3>> a, b;
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<3>> const& y = b;
#else
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<3>>& y = b;
#endif
  ia_nn::eval(y, a * 2);
}
