// expect: ia_nn: dense 'fc': another layer has this name
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "image", {1, 8, 8, 64});
#if defined(IA_NN_SHOULD_FAIL)
    return dense(dense(x, {.units = 4, .name = "fc"}), {.units = 4, .name = "fc"});
#else
    return dense(dense(x, {.units = 4, .name = "fc"}), {.units = 4, .name = "fc2"});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
