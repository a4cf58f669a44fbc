// SPDX-License-Identifier: Apache-2.0
//
// The first line of a test case that executes AMX instructions whatever else there is.
#pragma once

#include "../catch.hpp"
#include "emulator.hpp"

#define IA_NN_TEST_NEEDS_AMX()                                                                     \
  if (!ia_nn_test::emulator::amx_can_run()) {                                                      \
    WARN("not run: " << ia_nn_test::emulator::why_no_amx());                                       \
    return;                                                                                        \
  }                                                                                                \
  REQUIRE(ia_nn_test::emulator::install());                                                        \
  INFO(ia_nn_test::emulator::amx_name())
