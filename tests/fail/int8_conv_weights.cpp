// expect: ia_nn: conv: weights must have the element type B, or be f32 where B is bf16
#include <ia_nn/ops/conv.hpp>

#if defined(IA_NN_SHOULD_FAIL)
using my_weight = float; // quantize_weights first
#else
using my_weight = ia_nn::s8;
#endif

int main() {
  std::vector<my_weight> const w(2);
  ia_nn::conv<ia_nn::isa::scalar, ia_nn::u8, ia_nn::s8, ia_nn::s32> const c(
      {.channels = 2, .filters = 1, .in = {1, 1, 1}, .win = {}}, w);
  return static_cast<int>(c.workspace_bytes());
}
