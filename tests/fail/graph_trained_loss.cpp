// expect: ia_nn: trainer: Loss is no loss function, see graph/train/losses.hpp
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>

namespace graph = ia_nn::graph;

struct net {
  static constexpr auto build(graph::builder& b) {
    return dense(input(b, "x", {graph::any_batch, 4}), {.units = 3, .name = "fc"});
  }
};
#if defined(IA_NN_SHOULD_FAIL)
using loss_of_net = ia_nn::loss_form::squared; // a form, of which mean_loss makes a loss
#else
using loss_of_net = graph::mean_loss<ia_nn::loss_form::squared>;
#endif

void train() { graph::trainer<net, loss_of_net> const t({.batch = 8}); }

int main() { return 0; }
