// SPDX-License-Identifier: Apache-2.0
//
// Random networks are trained through.
#include "../graph/random_network.hpp"
#include "gradients.hpp"

namespace {

using namespace trainer_test;

struct written {
  static inline std::uint64_t seed = 0;
  static auto build(graph::builder& b) { return graph_test::random_network(b, seed)[0]; }
};

TEST_CASE("gradients of random networks") {
  announce_isas();
  std::uint64_t const from = process_seed() % 100000;
  int compared = 0;
  for (std::uint64_t s = from; s < from + 125; ++s) {
    INFO("network " << s);
    written::seed = s;
    graph::draft const d = graph::detail::built<written>();
    REQUIRE(!d.wrong());
    bool known = true;
    for (graph::node const& n : d.nodes)
      known = known && (n.kind == graph::op::deconv || n.kind==graph::op::concat || n.kind==graph::op::pad || n.kind==graph::op::transpose || n.kind==graph::op::slice ? false : true) && !(n.kind==graph::op::reshape && (n.attributes.reads==graph::order::channels_first || n.attributes.writes==graph::order::channels_first));
    if (!known) continue;
    training_problem p(d, 2, s);
    compared += check_gradients(p, 2e-3);
  }
  CHECK(compared > 25 * 10);
}

} // namespace
