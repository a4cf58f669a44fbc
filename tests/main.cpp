// SPDX-License-Identifier: Apache-2.0
//
// The main function of every test executable: Catch2, and one line that says what was compiled how
// and which seed repeats the run (`--rng-seed N`).
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdio>

// Tests ask for more memory than there is, and want to be refused. The thread sanitizer asks here.
extern "C" char const* __tsan_default_options();
extern "C" char const* __tsan_default_options() { return "allocator_may_return_null=1"; }

int main(int argc, char* argv[]) {
  Catch::Session session;
  // Catch2 v2 has seed 0, the same numbers every time, unless asked; a failure found by another
  // seed is repeatable too, because the seed is printed.
  if (int const status = session.applyCommandLine(argc, argv); status != 0) return status;
  std::printf("%s\n%s\n--rng-seed %u\n", IA_NN_TEST_COMPILER, IA_NN_TEST_FLAGS,
              static_cast<unsigned>(session.config().rngSeed()));
  std::fflush(stdout);
  return session.run();
}
