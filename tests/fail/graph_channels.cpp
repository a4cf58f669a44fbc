// expect: ia_nn: conv2d 'stage2.conv1': input has 64 channels, weights expect 128
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "image", {1, 8, 8, 64});
#if defined(IA_NN_SHOULD_FAIL)
    return conv2d(x, {.filters = 8, .channels = 128, .name = "stage2.conv1"});
#else
    return conv2d(x, {.filters = 8, .channels = 64, .name = "stage2.conv1"});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
