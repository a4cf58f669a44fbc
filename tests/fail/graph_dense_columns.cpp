// expect: ia_nn: dense 'fc': input (1, 4096) has 4096 columns, weights expect 1024
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "image", {1, 8, 8, 64});
#if defined(IA_NN_SHOULD_FAIL)
    return dense(flatten(x), {.units = 10, .columns = 1024, .name = "fc"});
#else
    return dense(flatten(x), {.units = 10, .columns = 4096, .name = "fc"});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
