// SPDX-License-Identifier: Apache-2.0
//
// Networks in 8 bits against the oracle, on every instruction set: each operator, both modes, ranges
// that fit and ranges that do not.
#include "byte_nets.hpp"
#include "bytes.hpp"

namespace {

using namespace graph_test;
using namespace graph_nets;

template <class Net> void check(byte_case const& how = {}) {
  for (quantize_mode const mode : {quantize_mode::smart, quantize_mode::full})
    for (f32 const part : {1.0F, 0.4F}) {
      INFO((mode == quantize_mode::full ? "full" : "smart") << ", ranges times " << part);
      quantize_rules rules = rules_of<Net>();
      rules.mode = mode;
      run_time_plan const n(graph::detail::built<Net>(), options_of<Net>(), rules);
      byte_case c = how;
      c.part = part, c.threads = part == 1;
      check_bytes(n, 20, 3, c);
    }
}

TEST_CASE("stages in 8 bits", "[graph][bytes]") { check<byte_stages>(); }
TEST_CASE("chains in 8 bits", "[graph][bytes]") { check<byte_chains>(); }
TEST_CASE("moves in 8 bits", "[graph][bytes]") { check<byte_moves>(); }
TEST_CASE("tables in 8 bits", "[graph][bytes]") { check<byte_tables>(); }
TEST_CASE("states in 8 bits", "[graph][bytes]") { check<byte_states>(); }
TEST_CASE("NaN and infinities in 8 bits", "[graph][bytes]") { check<byte_extremes>(); }
TEST_CASE("axes in 8 bits", "[graph][bytes]") { check<byte_axes>(); }
TEST_CASE("layers in 8 bits in a network in bf16", "[graph][bytes]") {
  check<byte_islands>({.usual = precision::bf16});
}

} // namespace
