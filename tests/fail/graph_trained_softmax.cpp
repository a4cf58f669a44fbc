// expect: ia_nn: trainer: the network ends in softmax, which the loss has as well: end in logits
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>

namespace graph = ia_nn::graph;

struct net {
  static constexpr auto build(graph::builder& b) {
    auto const x = dense(input(b, "x", {graph::any_batch, 4}), {.units = 3, .name = "fc"});
#if defined(IA_NN_SHOULD_FAIL)
    return softmax(x);
#else
    return x;
#endif
  }
};

void train() { graph::trainer<net> const t({.batch = 8}); }

int main() { return 0; }
