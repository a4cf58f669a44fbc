// expect: ia_nn: embedding 'table': input 'y' has f32 elements, s32 indices are needed
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/network.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    auto const x = input(b, "ids", {1, 3}, ia_nn::graph::value_type::s32);
#if defined(IA_NN_SHOULD_FAIL)
    return embedding(input(b, "y", {1, 3}) , {.rows = 9, .width = 2, .name = "table"});
#else
    return embedding(x, {.rows = 9, .width = 2, .name = "table"});
#endif
  }
};

int main() { return ia_nn::graph::schedule<net>.count > 0 ? 0 : 1; }
