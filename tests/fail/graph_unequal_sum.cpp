// expect: ia_nn: add 'sum': input 'image' has shape (1, 8, 8, 64), conv2d 'half' (1, 8, 8, 32)
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "image", {1, 8, 8, 64});
#if defined(IA_NN_SHOULD_FAIL)
    return add(x, conv2d(x, {.filters = 32, .name = "half"}), {.name = "sum"});
#else
    return add(x, conv2d(x, {.filters = 64}), {.name = "sum"});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
