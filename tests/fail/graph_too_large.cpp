// expect: ia_nn: relu 'one_more': a network has at most 1024 nodes, unless it says max_nodes
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto x = input(b, "x", {1, 8});
#if defined(IA_NN_SHOULD_FAIL)
    for (int i = 0; i < 1023; ++i) x = relu(x);
#else
    for (int i = 0; i < 1021; ++i) x = relu(x);
#endif
    return relu(x, {.name = "one_more"}); // and the output
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
