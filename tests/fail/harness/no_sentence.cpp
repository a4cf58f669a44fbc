// A file that forgot to say what it expects.
#include <ia_nn/core/types.hpp>
#if defined(IA_NN_SHOULD_FAIL)
static_assert(sizeof(ia_nn::bf16) == 3, "ia_nn: another sentence");
#endif
int main() { return 0; }
