// expect: ia_nn: a reduction along axes cannot stand inside an expression, it would need memory; assign it to a tensor first
#include <ia_nn/ops/expr.hpp>

int main() {
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 3>> y, a;
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 1>> m;
  m = mean(a, ia_nn::axes<1>);
#if defined(IA_NN_SHOULD_FAIL)
  y = a - mean(a, ia_nn::axes<1>);
#else
  y = a - m;
#endif
}
