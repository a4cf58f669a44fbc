// expect: ia_nn: multiply 'scaled': input 'x' has shape (1, 5, 8), parameter 'gamma' (1, 1, 5)
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "x", {1, 5, 8});
#if defined(IA_NN_SHOULD_FAIL)
    auto const gamma = parameter(x, {.shape = {5}, .name = "gamma"});
#else
    auto const gamma = parameter(x, {.shape = {8}, .name = "gamma"});
#endif
    return multiply(x, gamma, {.name = "scaled"});
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
