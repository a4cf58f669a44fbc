// SPDX-License-Identifier: Apache-2.0
//
// Compiled with parts of -ffast-math: the compiler refuses it, or set-up does.
#include <ia_nn/arch/cpu.hpp>

#include <cstdio>

int main() {
  try {
    ia_nn::isa::require<ia_nn::isa::scalar>();
  } catch (ia_nn::error const& e) {
    std::puts(e.what());
    return e.code() == ia_nn::errc::bad_parameter ? 0 : 1;
  }
  return 1;
}
