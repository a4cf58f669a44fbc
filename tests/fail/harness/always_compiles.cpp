// expect: ia_nn: never said
#include <ia_nn/core/types.hpp>
int main() { return 0; }
