// expect: ia_nn: conv: no kernel multiplies these types; A and B must be f32 and f32
#include <ia_nn/ops/conv.hpp>

#if defined(IA_NN_SHOULD_FAIL)
using my_weight = ia_nn::u8;
#else
using my_weight = ia_nn::s8;
#endif

ia_nn::index_t my_bytes(ia_nn::conv<ia_nn::isa::scalar, ia_nn::u8, my_weight, ia_nn::s32> const& c) {
  return c.workspace_bytes();
}
