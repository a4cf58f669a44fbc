// SPDX-License-Identifier: Apache-2.0
//
// What follows sums, compiled into the kernel against a switch for each register.
#include "graph/ours.hpp"

#include <ia_nn/graph/layers.hpp>

namespace {

namespace graph = ia_nn::graph;
using graph::value;

/// A block of ResNet-50's third stage, and a layer of a small transformer.
template <class Tail> struct conv_net {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 14, 14, 256});
    return Tail{}(conv2d(x, {.filters = 256, .name = "a"}), x);
  }
};
template <class Tail> struct dense_net {
  static constexpr auto build(graph::builder& b) {
    auto const x = input(b, "x", {graph::any_batch, 196, 192});
    auto const y = dense(x, {.units = 192, .name = "a"});
    return Tail{}(y, x);
  }
};
struct gelu_tail {
  constexpr value operator()(value y, value) const { return gelu(y); }
};
struct swish_tail {
  constexpr value operator()(value y, value) const { return swish(y); }
};
struct hard_swish_tail {
  constexpr value operator()(value y, value) const { return hard_swish(y); }
};
struct sum_leaky_tail {
  constexpr value operator()(value y, value x) const { return leaky_relu(y + x); }
};
template <class Net> struct by_switch : Net {
  static constexpr graph::options passes{.compile_tails = false};
};
template <class Net> std::vector<bench::contender> contenders(ia_nn::index_t batch, int threads) {
  return bench::net_contenders<Net, by_switch<Net>, ia_nn::f32>("switch", batch, threads, 1, 1e-6);
}

} // namespace

std::vector<bench::tail_entry> bench::tails() {
  return {{"conv gelu", &contenders<conv_net<gelu_tail>>},
          {"conv swish", &contenders<conv_net<swish_tail>>},
          {"conv hard_swish", &contenders<conv_net<hard_swish_tail>>},
          {"conv add leaky_relu", &contenders<conv_net<sum_leaky_tail>>},
          {"dense gelu", &contenders<dense_net<gelu_tail>>},
          {"dense swish", &contenders<dense_net<swish_tail>>},
          {"dense hard_swish", &contenders<dense_net<hard_swish_tail>>},
          {"dense add leaky_relu", &contenders<dense_net<sum_leaky_tail>>}};
}
