// expect: ia_nn: network: the kernel of an operator with has_epilogue is a tail_kernel, that of another one a plain_kernel
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>

namespace graph = ia_nn::graph;
namespace mine {
#if defined(IA_NN_SHOULD_FAIL)
inline constexpr bool has_stages = true; // which the kernel does not apply
#else
inline constexpr bool has_stages = false;
#endif
inline constexpr graph::operator_row same_row{.name = "mine::same",
                                              .has_epilogue = has_stages,
                                              .shape = graph::rules::keeps_shape};
struct same_kernel : graph::plain_kernel {
  using store = graph::no_store;
  static store load(graph::kernel_loader&) { return {}; }
  template <class E> static void run(store const&, graph::step_call const&, E&) noexcept {}
};
} // namespace mine
template <graph::kernel_id K, class Kernels>
  requires(K.op == mine::same_row.id)
struct ia_nn::graph::kernel<K, Kernels> : mine::same_kernel {};

struct net {
  static constexpr auto build(graph::builder& b) {
    return relu(graph::apply({.kind = mine::same_row}, {input(b, "x", {1, 4})}, "same"));
  }
};
graph::compiled<net> make(graph::memory_weights const& w) { return graph::compiled<net>(w); }

int main() { return 0; }
