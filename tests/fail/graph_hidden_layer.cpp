// expect: ia_nn: `using namespace ia_nn` in front of a network hides the layers that run-time classes share their names with: write ia_nn::graph::NAME(...), or put the directive behind the network
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

#if defined(IA_NN_SHOULD_FAIL)
using namespace ia_nn;
#endif

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return dense(input(b, "x", {1, 8}), {.units = 8});
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
