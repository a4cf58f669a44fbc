// expect: ia_nn: mine::same 'here': there is no kernel for this operator that reads f32 and writes f32: specialise ia_nn::graph::kernel
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>

namespace graph = ia_nn::graph;
namespace mine {
inline constexpr graph::operator_row same_row{.name = "mine::same",
                                              .shape = graph::rules::keeps_shape};
struct same_kernel : graph::plain_kernel {
  using store = graph::no_store;
  static store load(graph::kernel_loader&) { return {}; }
  template <class E> static void run(store const&, graph::step_call const&, E&) noexcept {}
};
} // namespace mine
#if !defined(IA_NN_SHOULD_FAIL)
template <graph::kernel_id K, class Kernels>
  requires(K.op == mine::same_row.id)
struct ia_nn::graph::kernel<K, Kernels> : mine::same_kernel {};
#endif

struct net {
  static constexpr auto build(graph::builder& b) {
    return graph::apply({.kind = mine::same_row, .name = "here"}, {input(b, "x", {1, 4})}, "same");
  }
};
graph::compiled<net> make(graph::memory_weights const& w) { return graph::compiled<net>(w); }

int main() { return 0; }
