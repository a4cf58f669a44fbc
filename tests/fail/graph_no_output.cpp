// expect: ia_nn: network: nothing is an output
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr void build(ia_nn::graph::builder& b) {
    auto const x = relu(input(b, "x", {1, 8}));
#if defined(IA_NN_SHOULD_FAIL)
    static_cast<void>(x);
#else
    output(x, "y");
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
