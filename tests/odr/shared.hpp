// SPDX-License-Identifier: Apache-2.0
//
// A function as other people's headers have them: inline, not marked by any flags, compiled
// differently in every translation unit. A plain link keeps one of the copies for all callers.
#pragma once

#include <vector>

template <class T> [[gnu::noinline]] int flags_of_the_compiled_copy(std::vector<T> const& v) {
#if defined(__AVX512F__)
  int flags = 2;
#elif defined(__AVX2__)
  int flags = 1;
#else
  int flags = 0;
#endif
  // Neither the result nor the argument may be known to the caller's optimizer, or it would call a
  // clone of its own.
  asm volatile("" : "+r"(flags) : "r"(&v) : "memory");
  return v.empty() ? -1 : flags;
}

// Its variable is one per process by the language's rules, and one per variant here.
template <class T> int& common_counter() {
  static int count = 0;
  return count;
}

struct variant_report {
  int flags_here;    // of the translation unit
  int flags_called;  // of the copy of the function above that the linker gave it
  int calls;         // the counter above
  float sum;
  char const* name; // IA_NN_VARIANT
};
