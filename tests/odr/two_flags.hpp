// SPDX-License-Identifier: Apache-2.0
//
// What both halves of the program define, each under its own name and its own compiler flags.
#pragma once

struct two_flags_result {
  float sum;        // of a small tensor's elements
  char const* type; // the mangled name of the tensor
};

two_flags_result low_half();
two_flags_result high_half();
