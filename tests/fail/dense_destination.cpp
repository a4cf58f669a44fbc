// expect: ia_nn: dense: dst and the weights have different numbers of columns
#include <ia_nn/ops/dense.hpp>

template <ia_nn::index_t... N> using f32s = ia_nn::tensor<ia_nn::f32, ia_nn::shape<N...>>;

using layer = ia_nn::dense<ia_nn::isa::scalar, float, float, float, ia_nn::standard, 4, 3>;
f32s<3, 4> my_w;
ia_nn::aligned_array<float> my_bias(4);

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  layer const l(my_w, my_bias, {2, 1});
  ia_nn::workspace scratch(l.workspace_bytes());
  f32s<2, 5> y;
  l.run(f32s<2, 3>(), y, scratch);
#else
  layer const l(my_w, my_bias, {2, 1});
  ia_nn::workspace scratch(l.workspace_bytes());
  f32s<2, 4> y;
  l.run(f32s<2, 3>(), y, scratch);
#endif
}
