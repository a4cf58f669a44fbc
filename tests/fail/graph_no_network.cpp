// expect: ia_nn: a network is a struct with `static constexpr auto build(graph::builder&)`
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
#if defined(IA_NN_SHOULD_FAIL)
  static constexpr auto build(int) { return 0; }
#else
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(input(b, "image", {1, 8, 8, 64}));
  }
#endif
};

int main() { return ia_nn::graph::schedule<net>.count - 1; }
