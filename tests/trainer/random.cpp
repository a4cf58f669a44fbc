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
  comparison c;
  for (std::uint64_t s = from; s < from + 60; ++s) {
    INFO("network " << s);
    written::seed = s;
    graph::draft const d = graph::detail::built<written>();
    REQUIRE(!d.wrong());
    graph::draft simple = d;
    graph::simplify_for_training(simple);
    if (!graph::mistake_in_training(simple).empty()) continue; // nothing is learned
    training_problem p(d, 2, s);
    check_gradients(p, c);
  }
  CHECK(c.networks > 20);
  CHECK(c.compared > 8 * c.networks);
  CHECK(c.off * 50 <= c.compared);
  CHECK(c.other_isas_off <= 2 + c.networks / 20);
  CHECK(c.loss_off <= 2 + c.networks / 20);
}

} // namespace
