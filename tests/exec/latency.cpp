// SPDX-License-Identifier: Apache-2.0
//
// What a region and a barrier cost. Hidden, because it measures: run `test_exec "[.latency]"`.
// The numbers in docs/threads.md come from here.
#include "contract.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#if defined(_OPENMP) && !defined(EXEC_TEST_TSAN)
#include <ia_nn/exec/openmp.hpp>
#endif

#include <algorithm>
#include <cstdio>
#include <thread>

using namespace exec_test;
using timer = std::chrono::steady_clock;

namespace {

double ns_since(timer::time_point begin) {
  return std::chrono::duration<double, std::nano>(timer::now() - begin).count();
}

struct summary {
  double median, least;
};

/// Nanoseconds per call of f, over runs of `calls` calls.
template <class F> summary measure(int runs, int calls, F f) {
  std::vector<double> t(at(runs));
  for (auto& x : t) {
    auto const begin = timer::now();
    for (int i = 0; i < calls; ++i) f();
    x = ns_since(begin) / calls;
  }
  std::sort(t.begin(), t.end());
  return {t[t.size() / 2], t.front()};
}

void work_for(std::uint64_t ticks) {
  auto const begin = __builtin_ia32_rdtsc();
  while (__builtin_ia32_rdtsc() - begin < ticks) {}
}

void line(char const* name, int threads, char const* what, summary s) {
  std::printf("%-12s %d threads  %-34s median %9.0f ns  least %9.0f ns\n", name, threads, what,
              s.median, s.least);
}

template <ia_nn::team_executor E> void report(char const* name, E& e) {
  int const n = e.concurrency();
  line(name, n, "loop, empty tasks", measure(51, 2000, [&] {
         std::atomic<int> unused{0};
         e.parallel_for(n, [&](index_t task, int) {
           if (task > n) unused = 1; // never, but nobody can know
         });
       }));
  if (n <= static_cast<int>(std::thread::hardware_concurrency())) {
    auto const alone = measure(51, 200, [] { work_for(20000); });
    auto both = measure(51, 200, [&] { e.parallel_for(n, [](index_t, int) { work_for(20000); }); });
    line(name, n, "loop, tasks of 20000 ticks, excess",
         {both.median - alone.median, both.least - alone.least});
  }
  line(name, n, "team, no barrier", measure(51, 2000, [&] { e.run_team(n, [](auto const&) {}); }));
  summary barrier{};
  e.run_team(n, [&](auto const& m) {
    if (m.rank() == 0) barrier = measure(51, 2000, [&] { m.barrier(); });
    else
      for (int i = 0; i < 51 * 2000; ++i) m.barrier();
  });
  line(name, n, "barrier", barrier);
  std::vector<double> cold(101);
  for (auto& x : cold) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    auto const begin = timer::now();
    e.run_team(n, [](auto const&) {});
    x = ns_since(begin);
  }
  std::sort(cold.begin(), cold.end());
  line(name, n, "team, after 2 ms of idleness", {cold[50], cold[0]});
  REQUIRE(barrier.least > 0);
}

} // namespace

TEST_CASE("what a region and a barrier cost", "[.latency]") {
  for (int threads : {2, 8}) {
    ia_nn::thread_pool pool(threads);
    report("thread_pool", pool);
  }
#if defined(_OPENMP) && !defined(EXEC_TEST_TSAN)
  ia_nn::openmp omp(2);
  report("openmp", omp);
#endif
}
