// expect: ia_nn: network: input 'image' is a tensor of (any, 3, 4, 6), expected (any, 4, 6, 3), channels last
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>

struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(input(b, "image", {ia_nn::graph::any_batch, 4, 6, 3}));
  }
};
using compiled = ia_nn::graph::compiled<net>;

#if defined(IA_NN_SHOULD_FAIL)
using image = ia_nn::tensor<float, ia_nn::shape<ia_nn::dyn, 3, 4, 6>>;
#else
using image = ia_nn::tensor<float, ia_nn::shape<ia_nn::dyn, 4, 6, 3>>;
#endif
void call(compiled const& net, image const& x, std::vector<float>& y, ia_nn::workspace& scratch) {
  net.run(1, x, y, scratch).require();
}

int main() { return 0; }
