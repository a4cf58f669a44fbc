// expect: ia_nn: matmul: columns of a and rows of b differ
#include <ia_nn/gemm/matmul.hpp>

template <ia_nn::index_t... N> using f32s = ia_nn::tensor<ia_nn::f32, ia_nn::shape<N...>>;

f32s<2, 4> my_c;

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::matmul(f32s<2, 3>(), f32s<5, 4>(), my_c);
#else
  ia_nn::matmul(f32s<2, 3>(), f32s<3, 4>(), my_c);
#endif
}
