// expect: ia_nn: train_options: .schedule is called within a step, which throws nothing: declare its function noexcept
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>
#include <ia_nn/train/schedules.hpp>

#include <vector>

namespace graph = ia_nn::graph;

struct net {
  static constexpr auto build(graph::builder& b) {
    return dense(input(b, "x", {graph::any_batch, 4}), {.units = 3, .name = "fc"});
  }
};
std::vector<double> const rates(10, 0.1);

void train() {
#if defined(IA_NN_SHOULD_FAIL)
  auto const of_table = [](ia_nn::index_t step) { return rates.at(static_cast<std::size_t>(step)); };
#else
  auto const of_table = [](ia_nn::index_t step) noexcept { return rates[static_cast<std::size_t>(step % 10)]; };
#endif
  // Also where it is a part of another.
  graph::trainer<net> const t({.batch = 8, .schedule = ia_nn::schedule::warm_up{5, 0.1, of_table}});
}

int main() { return 0; }
