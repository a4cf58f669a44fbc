// expect: ia_nn: a residual is added to results of type u8, s8, f32 or bf16, not to s32
#include <ia_nn/int8/dense.hpp>

#if defined(IA_NN_SHOULD_FAIL)
using my_result = ia_nn::s32;
#else
using my_result = ia_nn::f32;
#endif

void my_add(ia_nn::quantized_dense<ia_nn::isa::scalar, ia_nn::u8, my_result> const& layer,
            ia_nn::u8 const* x, my_result* y, ia_nn::workspace_view scratch) {
  layer.run_add(1, x, x, y, scratch);
}
