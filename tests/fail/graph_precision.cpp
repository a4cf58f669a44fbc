// expect: ia_nn: native: the precision of a network is f32, bf16, s8 or dynamic_s8
#include <ia_nn/graph/kernels/backend.hpp>

#if defined(IA_NN_SHOULD_FAIL)
using policy = ia_nn::graph::native<ia_nn::isa::native, ia_nn::u8>;
#else
using policy = ia_nn::graph::native<ia_nn::isa::native, ia_nn::s8>;
#endif

int main() { return policy::usual == ia_nn::graph::precision::s8 ? 0 : 1; }
