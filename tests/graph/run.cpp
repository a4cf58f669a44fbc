// SPDX-License-Identifier: Apache-2.0
//
// Every pattern, run on every instruction set: fused against step by step, both against the oracle;
// and with bf16 in place of f32.
#include "patterns.hpp"
#include "planned.hpp"

TEST_CASE("patterns", "[graph]") {
  using namespace graph_test;
  patterns::for_each_pattern([]<auto Body>(char const* name) {
    INFO(name);
    both_ways const n = both_ways::of<patterns::net<Body>>();
    check_everywhere(n, 1);
    check_precisions(n.fused, 2);
  });
}
