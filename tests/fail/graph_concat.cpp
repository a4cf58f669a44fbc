// expect: ia_nn: concat 'mixed': input 'image' has shape (1, 8, 8, 64), max_pool 'max_pool_1' (1, 4, 4, 64)
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "image", {1, 8, 8, 64});
#if defined(IA_NN_SHOULD_FAIL)
    return ia_nn::graph::concat({x, max_pool(x, {.kernel = 2})}, {.name = "mixed"});
#else
    return ia_nn::graph::concat({x, max_pool(x, {.kernel = 1})}, {.name = "mixed"});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
