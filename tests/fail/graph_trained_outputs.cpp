// expect: ia_nn: training: 2 outputs; a loss reads one
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>

namespace graph = ia_nn::graph;

struct net {
  static constexpr void build(graph::builder& b) {
    auto const x = tanh(dense(input(b, "x", {graph::any_batch, 4}), {.units = 3, .name = "fc"}));
    output(dense(x, {.units = 10, .name = "classes"}), "classes");
#if defined(IA_NN_SHOULD_FAIL)
    output(dense(x, {.units = 2, .name = "place"}), "place");
#endif
  }
};

void train() { graph::trainer<net> const t({.batch = 8}); }

int main() { return 0; }
