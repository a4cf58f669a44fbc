// expect: ia_nn: dense: with the policy grouped, give weights that are packed with scales
#include <ia_nn/ops/dense.hpp>

template <class Policy>
using layer = ia_nn::dense<ia_nn::isa::scalar, float, ia_nn::s8, float, Policy>;
ia_nn::tensor<ia_nn::s8, ia_nn::shape<3, 4>> my_w;
ia_nn::aligned_array<float> my_bias(4);

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  layer<ia_nn::grouped> const l(my_w, my_bias, {2, 1});
#else
  layer<ia_nn::standard> const l(my_w, my_bias, {2, 1});
#endif
}
