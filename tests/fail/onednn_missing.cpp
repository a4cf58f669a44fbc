// expect: ia_nn: onednn: the compiler does not find <oneapi/dnnl/dnnl.hpp>: install oneDNN
#define IA_NN_NO_ONEDNN // as if it were not installed
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/onednn/backend.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) { return relu(input(b, "x", {1, 4})); }
};
#if defined(IA_NN_SHOULD_FAIL)
using policy = ia_nn::graph::onednn<>;
#else
using policy = ia_nn::graph::native<>;
#endif

int main() {
  ia_nn::graph::memory_weights const none;
  return ia_nn::graph::compiled<net, policy>(none).inputs == 1 ? 0 : 1;
}
