// SPDX-License-Identifier: Apache-2.0
//
// Calls every variant the CPU can run and checks that each has its own copy of everything, and that
// the program's copy is the one for every CPU although the linker has seen three others.
#include "shared.hpp"

#include <cstdio>
#include <cstring>
#include <exception>

extern "C" variant_report odr_entry_scalar(bool fail);
extern "C" variant_report odr_entry_avx2(bool fail);
extern "C" variant_report odr_entry_avx512(bool fail);

namespace {

int failures = 0;

void expect(bool condition, char const* what, char const* where) {
  if (condition) return;
  std::printf("failed: %s: %s\n", where, what);
  ++failures;
}

void check(variant_report (*entry)(bool), bool available, int flags, char const* name) {
  if (!available) {
    std::printf("%s: linked, the CPU cannot run it\n", name);
    return;
  }
  variant_report const first = entry(false), second = entry(false);
  expect(std::strcmp(first.name, name) == 0, "IA_NN_VARIANT is the ISA", name);
  expect(first.flags_here == flags, "compiled with the flags of the ISA", name);
  expect(first.flags_called == flags, "calls its own copy of a template", name);
  expect(first.calls == 1 && second.calls == 2, "has its own static variables", name);
  expect(first.sum == 40.0F, "computes", name);
  bool caught = false;
  try {
    entry(true);
  } catch (std::exception const& e) {
    caught = std::strcmp(e.what(), name) == 0;
  }
  expect(caught, "exceptions cross the boundary", name);
  std::printf("%s: called\n", name);
}

} // namespace

int main() {
  check(odr_entry_avx512, __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"),
        2, "avx512");
  check(odr_entry_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), 1, "avx2");
  check(odr_entry_scalar, true, 0, "scalar");
  expect(flags_of_the_compiled_copy(std::vector<float>(3)) == 0, "calls its own copy of a template",
         "the program");
  expect(common_counter<float>() == 0, "has its own static variables", "the program");
  return failures == 0 ? 0 : 1;
}
