// expect: ia_nn: network: inputs are f32, or s32 where they are indices, and outputs are f32: spans, vectors, arrays, tensors, views or pointers of them
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(input(b, "image", {ia_nn::graph::any_batch, 4, 6, 3}));
  }
};
using compiled = ia_nn::graph::compiled<net>;

#if defined(IA_NN_SHOULD_FAIL)
using number = double;
#else
using number = float;
#endif
void call(compiled const& net, number const* x, float* y, ia_nn::workspace& scratch) {
  static_cast<void>(net.run(1, x, y, scratch));
}

int main() { return 0; }
