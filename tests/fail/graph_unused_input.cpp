// expect: ia_nn: input 'mask': nothing reads it
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "image", {1, 8, 8, 64});
#if defined(IA_NN_SHOULD_FAIL)
    static_cast<void>(input(b, "mask", {1, 8, 8, 64}));
    return x;
#else
    return x + input(b, "mask", {1, 8, 8, 64});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
