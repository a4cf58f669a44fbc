// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/wide_deep.hpp"
#include "graph/ours.hpp"

namespace {

// What the parallel passes are about: 26 look-ups in front of a concat.
struct tables {
  static constexpr auto build(ia_nn::graph::builder& b) {
    using ia_nn::graph::label;
    ia_nn::graph::value parts[26];
    for (int i = 0; i < 26; ++i)
      parts[i] = embedding(input(b, label("category") + i, {ia_nn::graph::any_batch, 1},
                                 ia_nn::graph::value_type::s32),
                           {.rows = 100000, .width = 32, .name = label("table") + i});
    return concat(parts, 26);
  }
};
constexpr int sets = 61; // of indices

} // namespace

std::vector<bench::contender> bench::wide_deep(ia_nn::index_t batch, int threads) {
  using net = models::wide_deep<>;
  return net_contenders<net, one_by_one<net>, ia_nn::f32>("one_by_one", batch, threads, sets, 1e-4);
}
std::vector<bench::contender> bench::embeddings(ia_nn::index_t batch, int threads) {
  return net_contenders<tables, one_by_one<tables>, ia_nn::f32>("one_by_one", batch, threads, sets,
                                                               0);
}
