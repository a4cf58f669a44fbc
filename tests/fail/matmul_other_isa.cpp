// expect: ia_nn: matmul: these weights are packed for another instruction set or policy
#include <ia_nn/gemm/matmul.hpp>

template <ia_nn::index_t... N> using f32s = ia_nn::tensor<ia_nn::f32, ia_nn::shape<N...>>;

f32s<2, 3> my_a;
f32s<3, 4> my_b;
f32s<2, 4> my_c;
using scalar_weights = ia_nn::gemm<ia_nn::isa::scalar, float, float, float>::weights;

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::packed_matrix<ia_nn::f32, ia_nn::panel<6, 1>> const w(my_b.view());
  ia_nn::matmul<ia_nn::isa::scalar>(my_a, w, my_c);
#else
  scalar_weights const w(my_b.view());
  ia_nn::matmul<ia_nn::isa::scalar>(my_a, w, my_c);
#endif
}
