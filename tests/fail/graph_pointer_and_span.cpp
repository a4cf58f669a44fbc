// expect: ia_nn: network: a pointer says nothing of its memory; give run(batch, in, out, workspace) nothing but pointers, as x, y or as {x}, {y}, or spans, vectors and tensors alone
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(input(b, "image", {ia_nn::graph::any_batch, 4, 6, 3}));
  }
};
using compiled = ia_nn::graph::compiled<net>;

void call(compiled const& net, std::vector<float> const& x, std::vector<float>& y,
          ia_nn::workspace& scratch) {
#if defined(IA_NN_SHOULD_FAIL)
  net.run(1, x, y.data(), scratch).require();
#else
  net.run(1, x, y, scratch).require();
#endif
}

int main() { return 0; }
