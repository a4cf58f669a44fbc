// expect: ia_nn: network: .in_float has more than 32 names
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

namespace graph = ia_nn::graph;

struct net {
  static constexpr graph::quantize_rules quantize{
      .in_float = {"fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc",
                   "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc",
                   "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc", "fc",
#if defined(IA_NN_SHOULD_FAIL)
                   "dense"
#endif
      }};
  static constexpr auto build(graph::builder& b) {
    return dense(input(b, "x", {1, 8}), {.units = 10, .name = "fc"});
  }
};

int main() { return graph::schedule<net, graph::precision::s8>.count > 0 ? 0 : 1; }
