// SPDX-License-Identifier: Apache-2.0
//
// After construction nothing is allocated, in no thread: operator new of the whole test executable
// counts. Not under sanitizers, which bring an operator new of their own.
#include "contract.hpp"
#include "support/allocations.hpp"

#if IA_NN_TEST_COUNTS_ALLOCATIONS

#include <ia_nn/exec/thread_pool.hpp>
#if defined(_OPENMP)
#include <ia_nn/exec/openmp.hpp>
#endif

using namespace exec_test;

namespace {

template <ia_nn::team_executor E> long allocations_of(E& e) {
  // More captured than a small-object buffer of a type-erased function would hold.
  struct {
    std::atomic<long> a{0};
    long padding[20] = {};
  } big;
  long const before = allocations;
  for (int i = 0; i < 200; ++i) {
    long const x[16] = {i};
    e.parallel_for(50, [&big, x](index_t task, int worker) { big.a += task + worker + x[0]; });
    e.run_team(e.concurrency(), [&big, x](auto const& m) {
      m.barrier();
      big.a += m.rank() + x[0];
    });
  }
  return allocations - before;
}

} // namespace

TEST_CASE("executors allocate nothing after construction", "[exec][allocation]") {
  long const before = allocations;
  delete[] new int[10]; // the counter counts
  auto* volatile kept = new std::vector<int>(10);
  delete kept;
  REQUIRE(allocations >= before + 2);

  ia_nn::sequential s;
  REQUIRE(allocations_of(s) == 0);
  for (int threads : {1, 2, 8}) {
    ia_nn::thread_pool pool(threads);
    REQUIRE(allocations_of(pool) == 0);
#if defined(_OPENMP)
    ia_nn::openmp e(threads);
    REQUIRE(allocations_of(e) == 0);
#endif
  }
}

#endif
