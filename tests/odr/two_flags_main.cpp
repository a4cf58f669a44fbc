// SPDX-License-Identifier: Apache-2.0
#include "two_flags.hpp"

#include <cstdio>
#include <cstring>

int main() {
  two_flags_result const low = low_half();
  std::printf("x86-64:    sum %g, %s\n", static_cast<double>(low.sum), low.type);
  if (low.sum != 390.0F) return 1;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::puts("the CPU has no AVX2: the other half was linked, not called");
    return 0;
  }
  two_flags_result const high = high_half();
  std::printf("x86-64-v3: sum %g, %s\n", static_cast<double>(high.sum), high.type);
  if (high.sum != 390.0F) return 2;
  // One type under two sets of flags would be one set of functions after linking.
  return std::strcmp(low.type, high.type) == 0 ? 3 : 0;
}
