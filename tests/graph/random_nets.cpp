// SPDX-License-Identifier: Apache-2.0
//
// Random networks: a seeded generator writes them while the compiler runs; each is run fused and
// step by step, and compared with the oracle.
#include "support.hpp"

#include <ia_nn/graph/layers.hpp>

#include <utility>

namespace {

using namespace graph_test;
using namespace ia_nn::graph;

struct generator {
  std::uint64_t state;
  constexpr int below(int n) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int>((state >> 33) % static_cast<std::uint64_t>(n));
  }
};

template <int Seed> struct random_net {
  static constexpr auto build(builder& b) {
    generator g{static_cast<std::uint64_t>(Seed) * 0x9e3779b97f4a7c15U + 1};
    for (int i = 0; i < 8; ++i) static_cast<void>(g.below(2));
    value all[20]{input(b, "x", {any_batch, 6, 5, 4})};
    int count = 1;
    auto const any = [&] { // rather a new one than an old one
      int const back = g.below(count < 4 ? count : 4);
      return all[count - 1 - back];
    };
    auto const alike = [&](value x) { // a value of the same shape, x itself at worst
      for (int tries = 0; tries < 6; ++tries)
        if (value const y = all[g.below(count)]; y.shape() == x.shape()) return y;
      return x;
    };
    all[count++] = conv2d(all[0], {.filters = 4, .kernel = 3, .pad = 1});
    while (count < 14) {
      value const x = any();
      value y;
      switch (g.below(15)) {
      case 0:
        y = conv2d(x, {.filters = 4, .kernel = 3, .pad = 1});
        break;
      case 1:
        y = conv2d(x, {.filters = 4 + 3 * g.below(2), .bias = g.below(2) == 0});
        break;
      case 2:
        y = depthwise_conv2d(x, {.kernel = 3, .pad = 1});
        break;
      case 3:
        y = dense(x, {.units = 4});
        break;
      case 4:
      case 5:
        y = batch_norm(x, {.affine = g.below(2) == 0});
        break;
      case 6:
      case 7:
        y = x + alike(x);
        break;
      case 8:
        y = g.below(2) ? alike(x) - x : x * sigmoid(alike(x));
        break;
      case 9:
        y = relu(x);
        break;
      case 10:
        y = g.below(2) ? tanh(x) : gelu(x) * 0.5F;
        break;
      case 11:
        y = max_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
        break;
      case 12:
        y = average_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
        break;
      case 13:
        y = concat({x, any()});
        break;
      default:
        y = g.below(2) ? softmax(dropout(x)) : relu6(identity(x));
        break;
      }
      if (y.id >= 0 && y.shape().last() <= 40) all[count++] = y;
    }
    std::array<value, 2> const out{all[count - 1], all[count - 2 - g.below(3)]};
    return out;
  }
};

template <int Seed> void one() {
  INFO("random_net " << Seed);
  check_net<random_net<Seed>>(static_cast<std::uint64_t>(Seed), 2e-6);
}

TEST_CASE("random networks", "[graph]") {
  REQUIRE(ready());
  []<int... S>(std::integer_sequence<int, S...>) {
    (one<S>(), ...);
  }(std::make_integer_sequence<int, 16>{});
}

} // namespace
