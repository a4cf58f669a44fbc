// expect: ia_nn: network: run needs a workspace behind the outputs: ia_nn::workspace scratch(net.workspace_bytes())
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(input(b, "image", {ia_nn::graph::any_batch, 4, 6, 3}));
  }
};
using compiled = ia_nn::graph::compiled<net>;

void call(compiled const& net, float const* x, float* y, [[maybe_unused]] ia_nn::workspace& scratch) {
#if defined(IA_NN_SHOULD_FAIL)
  net.run(1, x, y);
#else
  net.run(1, x, y, scratch);
#endif
}

int main() { return 0; }
