// SPDX-License-Identifier: Apache-2.0
//
// The OpenMP executor. Built into the tests where OpenMP is, except under the thread sanitizer:
// it does not see how libgomp synchronises, and reports races that are none.
#include "child.hpp"

#if defined(_OPENMP) && !defined(EXEC_TEST_TSAN)

#include <ia_nn/exec/openmp.hpp>

#include <string>
#include <thread>

using namespace exec_test;
using ia_nn::openmp;

static_assert(ia_nn::team_executor<openmp> && ia_nn::team_executor<openmp const>);

#if defined(EXEC_TEST_ASAN)
// LLVM's runtime keeps what it allocated for a user's thread after that thread has ended.
extern "C" char const* __lsan_default_suppressions();
extern "C" char const* __lsan_default_suppressions() { return "leak:libomp.so"; }
#endif

TEST_CASE("openmp runs each task once", "[exec][openmp]") {
  for (int threads : {1, 2, 3, 8}) {
    openmp e(threads);
    REQUIRE(e.concurrency() == threads);
    for (int repeat = 0; repeat < 5; ++repeat)
      for (index_t n : {-5, 0, 1, 2, 3, 7, 1000}) check_tasks(e, n);
    REQUIRE(visit_all_workers(e, [](int) {}));
    check_nested(e);
  }
}

TEST_CASE("openmp: workers compute with the caller's denormal mode", "[exec][openmp][fp_env]") {
  for (int threads : {1, 2, 3, 8}) {
    openmp e(threads);
    check_denormals(e);
    check_team_denormals(e);
  }
}

TEST_CASE("openmp: teams", "[exec][openmp][team]") {
  for (int threads : {1, 2, 3, 8}) {
    openmp e(threads);
    for (int size : {-3, 0, 1, 2, 3, 7, 8, 100})
      for (int rounds : {0, 1, 50}) check_team(e, size, rounds);
  }
  openmp e(8);
  long value = 0;
  std::atomic<int> wrong{0}, size{0};
  e.run_team(8, [&](auto const& m) {
    size = m.size();
    for (int round = 0; round < 10000; ++round) {
      if (round % m.size() == m.rank()) {
        if (value != round) ++wrong;
        value = round + 1;
      }
      m.barrier();
    }
  });
  REQUIRE(size == 8);
  REQUIRE(wrong == 0);
  REQUIRE(value == 10000);
}

TEST_CASE("openmp: inside a region of the program", "[exec][openmp]") {
  openmp e(2);
  std::atomic<int> calls{0}, out_of_range{0}, members{0};
#pragma omp parallel num_threads(4)
  {
    e.parallel_for(10, [&](index_t, int worker) {
      ++calls;
      out_of_range += worker < 0 || worker >= 2;
    });
    e.run_team(2, [&](auto const& m) { members += m.size(); });
  }
  REQUIRE(calls == 40);
  REQUIRE(out_of_range == 0);
  REQUIRE(members == 4);
}

TEST_CASE("openmp: several threads call at once", "[exec][openmp]") {
  openmp const e(2);
  std::atomic<int> bad{0};
  std::vector<std::thread> users;
  for (int u = 0; u < 3; ++u)
    users.emplace_back([&] {
      std::vector<int> hits(50);
      for (int r = 0; r < 100; ++r)
        e.parallel_for(50, [&](index_t task, int) { ++hits[at(task)]; });
      for (int h : hits) bad += h != 100;
    });
  for (auto& u : users) u.join();
  REQUIRE(bad == 0);
}

TEST_CASE("openmp: in the child of a fork", "[exec][openmp]") {
  for (int threads : {1, 2, 8}) {
    openmp e(threads);
    check_tasks(e, 100); // the runtime has threads
    REQUIRE(in_child([&] {
              openmp own(threads);
              int const wrong = check_orphan(e);
              return wrong != 0 ? wrong : check_orphan(own);
            }) == 0);
    check_tasks(e, 100);
  }
}

TEST_CASE("openmp refuses impossible sizes", "[exec][openmp]") {
  for (int threads : {0, -1, openmp::max_threads + 1}) {
    try {
      openmp e(threads);
      FAIL("made an executor of " << threads);
    } catch (ia_nn::error const& e) {
      REQUIRE(e.code() == ia_nn::errc::bad_parameter);
      REQUIRE(std::string(e.what()).starts_with("ia_nn: openmp: "));
    }
  }
}

#endif
