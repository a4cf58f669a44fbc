// expect: ia_nn: aligned_array holds trivial elements only
#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/types.hpp>

#include <string>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::aligned_array<std::string> a(3);
#else
  ia_nn::aligned_array<ia_nn::f32> a(3);
#endif
  return static_cast<int>(a.size());
}
