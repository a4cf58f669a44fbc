// expect: ia_nn: an extent of a shape is negative; use ia_nn::dyn for one known at run time
#include <ia_nn/core/shape.hpp>

int main() {
#if defined(IA_NN_SHOULD_FAIL)
  ia_nn::shape<-2, 3> s;
#else
  ia_nn::shape<ia_nn::dyn, 3> s(2, 3);
#endif
  return static_cast<int>(s.rank);
}
