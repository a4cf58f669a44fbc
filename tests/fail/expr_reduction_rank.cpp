// expect: ia_nn: the destination of a reduction has as many dimensions as the expression, or fewer by the number of axes
#include <ia_nn/ops/expr.hpp>

int main() {
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 3, 4>> a;
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 3>> y;
#if defined(IA_NN_SHOULD_FAIL)
  y = sum(a, ia_nn::axes<1, 2>);
#else
  y = sum(a, ia_nn::axes<2>);
#endif
}
