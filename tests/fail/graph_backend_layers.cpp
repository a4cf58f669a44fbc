// expect: ia_nn: network: .except of the backend names 'convl', which is no layer and no kind of layer of it
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return dense(input(b, "x", {1, 4}), {.units = 2, .name = "conv1"});
  }
};
struct other_kernels {
  using isa_type = ia_nn::isa::native;
  using fallback = ia_nn::graph::native<>::kernels;
  static constexpr char const* name = "other";
};
struct policy : ia_nn::graph::native<> {
  using kernels = other_kernels;
#if defined(IA_NN_SHOULD_FAIL)
  static constexpr ia_nn::graph::layer_choice layers{.except = {"convl"}};
#else
  static constexpr ia_nn::graph::layer_choice layers{.except = {"conv1"}};
#endif
};

int main() {
  ia_nn::graph::memory_weights const none;
  return ia_nn::graph::compiled<net, policy>(none).inputs == 1 ? 0 : 1;
}
