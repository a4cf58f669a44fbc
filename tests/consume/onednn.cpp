// SPDX-License-Identifier: Apache-2.0
//
// A user's first network on oneDNN.
#include <ia_nn/graph/compiled.hpp>
#include <ia_nn/graph/layers.hpp>
#include <ia_nn/onednn/backend.hpp>

#include <cstdio>

namespace {
struct net {
  static constexpr auto build(ia_nn::graph::builder& b) {
    return relu(dense(input(b, "x", {ia_nn::graph::any_batch, 4}), {.units = 16, .bias = false, .name = "fc"}));
  }
};
} // namespace

bool runs_on_onednn() {
  std::vector<ia_nn::f32> const numbers(64, 0.5F);
  ia_nn::graph::memory_weights weights;
  weights.add("fc.weight", {16, 4}, numbers);
  ia_nn::graph::compiled<net, ia_nn::graph::onednn<>> const on_onednn(weights);
  ia_nn::workspace scratch(on_onednn.workspace_bytes());
  std::vector<ia_nn::f32> const x(4, 1.0F);
  std::vector<ia_nn::f32> y(16);
  on_onednn.run(1, x, y, scratch).require();
  std::string const by = on_onednn.backends()[0].by;
  std::printf("%s: %g\n", by.c_str(), static_cast<double>(y[15]));
  return y[15] == 2.0F && by.substr(0, 6) == "onednn";
}
