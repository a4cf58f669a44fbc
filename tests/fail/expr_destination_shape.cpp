// expect: ia_nn: the extents of the expression do not broadcast to those of the tensor it is assigned to
#include <ia_nn/ops/expr.hpp>

int main() {
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<3>> a;
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 1>> y;
#else
  ia_nn::tensor<ia_nn::f32, ia_nn::shape<2, 3>> y;
#endif
  y = a * 2;
}
