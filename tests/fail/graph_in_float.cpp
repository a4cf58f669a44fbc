// expect: ia_nn: network: .in_float names 'fc2', which is no layer and no kind of layer of it
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

namespace graph = ia_nn::graph;

struct net {
#if defined(IA_NN_SHOULD_FAIL)
  static constexpr graph::quantize_rules quantize{.in_float = {"conv2d", "fc2"}};
#else
  static constexpr graph::quantize_rules quantize{.in_float = {"conv2d", "fc1"}};
#endif
  static constexpr auto build(graph::builder& b) {
    auto const x = conv2d(input(b, "image", {1, 8, 8, 4}), {.filters = 8});
    return dense(flatten(x), {.units = 10, .name = "fc1"});
  }
};

int main() { return graph::schedule<net, graph::precision::s8>.count > 0 ? 0 : 1; }
