// expect: ia_nn: network: the trace is for another network or precision: step_trace<Net, precision::bf16> if the policy is native<isa, bf16>
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/graph/show/trace.hpp>

namespace graph = ia_nn::graph;
struct net { // in bf16 what dense reads is converted
  static constexpr auto build(graph::builder& b) {
    return dense(input(b, "x", {graph::any_batch, 4}), {.units = 3, .name = "fc"});
  }
};
using compiled = graph::compiled<net, graph::native<ia_nn::isa::native, ia_nn::bf16>>;
#if defined(IA_NN_SHOULD_FAIL)
using trace = graph::step_trace<net>;
#else
using trace = graph::step_trace<net, graph::precision::bf16>;
#endif

void call(compiled const& net, float const* x, float* y, ia_nn::workspace& scratch, trace& t) {
  net.run(1, x, y, scratch, ia_nn::sequential{}, t);
}

int main() { return 0; }
