// expect: ia_nn: said in both cases
#include <ia_nn/core/types.hpp>
static_assert(sizeof(ia_nn::bf16) == 3, "ia_nn: said in both cases");
int main() { return 0; }
