// expect: ia_nn: conv2d 'c': height: the kernel reaches over 11 elements, the padded input (1, 8, 8, 64) has 10
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "image", {1, 8, 8, 64});
#if defined(IA_NN_SHOULD_FAIL)
    return conv2d(x, {.filters = 8, .kernel = 6, .pad = 1, .dilation = 2, .name = "c"});
#else
    return conv2d(x, {.filters = 8, .kernel = 5, .pad = 1, .dilation = 2, .name = "c"});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
