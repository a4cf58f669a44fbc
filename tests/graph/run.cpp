// SPDX-License-Identifier: Apache-2.0
//
// Every pattern, run: fused against step by step, both against the oracle.
#include "patterns.hpp"
#include "support.hpp"

TEST_CASE("patterns", "[graph]") {
  using namespace graph_test;
  REQUIRE(ready());
  patterns::for_each_pattern([]<auto Body>(char const* name) {
    INFO(name);
    check_net<patterns::net<Body>>(1);
  });
}
