// expect: ia_nn: the expected sentence
#include <ia_nn/core/types.hpp>
// The sentence also stands here, "ia_nn: the expected sentence", which must not be enough.
#if defined(IA_NN_SHOULD_FAIL)
static_assert(sizeof(ia_nn::bf16) == 3, "ia_nn: another sentence"); // ia_nn: the expected sentence
#endif
int main() { return 0; }
