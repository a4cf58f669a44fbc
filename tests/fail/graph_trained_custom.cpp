// expect: ia_nn: custom 'here': this operator has no gradient: give its row .gradient
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/train/trainer.hpp>

namespace graph = ia_nn::graph;

struct halve {
  static constexpr char const* name = "halve";
  static constexpr graph::dims shape(graph::dims const& x) { return x; }
  static void run(graph::custom_call const&) noexcept {}
};

struct net {
  static constexpr auto build(graph::builder& b) {
    auto const x = dense(input(b, "x", {graph::any_batch, 4}), {.units = 3, .name = "fc"});
#if defined(IA_NN_SHOULD_FAIL)
    return graph::custom<halve>({x}, "here");
#else
    return x * 0.5F;
#endif
  }
};

void train() { graph::trainer<net> const t({.batch = 8}); }

int main() { return 0; }
