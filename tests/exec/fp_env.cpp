// SPDX-License-Identifier: Apache-2.0
//
// Scoped denormal control: what arithmetic does, and that nothing else of MXCSR changes.
#include "contract.hpp"

#include <utility>

using namespace exec_test;
using ia_nn::denormal_scope;
using ia_nn::denormal_state;
using ia_nn::denormals;

namespace {

constexpr unsigned ftz = 0x8000U, daz = 0x0040U, inexact_flag = 0x0020U, round_down = 0x2000U;

// Restores the test's own MXCSR whatever a failing check leaves behind.
struct saved_mxcsr {
  unsigned value = __builtin_ia32_stmxcsr();
  ~saved_mxcsr() { __builtin_ia32_ldmxcsr(value); }
};

} // namespace

static_assert(!std::is_copy_constructible_v<denormal_scope>);
static_assert(std::is_nothrow_constructible_v<denormal_scope, denormals>);
static_assert(denormal_state(denormals::keep) == denormal_state());

TEST_CASE("a scope flushes and the end of it keeps again", "[exec][fp_env]") {
  saved_mxcsr const saved;
  REQUIRE(observed_flush() == 0);
  {
    denormal_scope const flush(denormals::flush);
    REQUIRE(observed_flush() == 3);
    REQUIRE(denormal_state::current() == denormal_state(denormals::flush));
    {
      denormal_scope const keep(denormals::keep);
      REQUIRE(observed_flush() == 0);
      {
        denormal_scope const same(denormals::keep);
        REQUIRE(observed_flush() == 0);
      }
      REQUIRE(observed_flush() == 0);
    }
    REQUIRE(observed_flush() == 3);
  }
  REQUIRE(observed_flush() == 0);
}

TEST_CASE("a scope restores a half-set state and touches no other bit", "[exec][fp_env]") {
  saved_mxcsr const saved;
  unsigned const base = (saved.value & ~(ftz | daz | 0x6000U | 0x3fU)) | round_down;
  for (unsigned bits : {0U, ftz, daz, ftz | daz})
    for (auto mode : {denormals::keep, denormals::flush}) {
      __builtin_ia32_ldmxcsr(base | bits);
      unsigned within = 0;
      {
        denormal_scope const scope(mode);
        within = __builtin_ia32_stmxcsr();
        __builtin_ia32_ldmxcsr(within | inexact_flag); // an exception flag raised inside
      }
      unsigned const after = __builtin_ia32_stmxcsr();
      __builtin_ia32_ldmxcsr(saved.value);
      REQUIRE(within == (base | (mode == denormals::flush ? ftz | daz : 0U)));
      REQUIRE(after == (base | bits | inexact_flag));
    }
}

TEST_CASE("the state of one thread can be given to another", "[exec][fp_env]") {
  saved_mxcsr const saved;
  denormal_state state;
  {
    denormal_scope const flush(denormals::flush);
    state = denormal_state::current();
  }
  REQUIRE(observed_flush() == 0);
  state.apply();
  REQUIRE(observed_flush() == 3);
  denormal_state(denormals::keep).apply();
  REQUIRE(observed_flush() == 0);
}
