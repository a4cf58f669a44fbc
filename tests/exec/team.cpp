// SPDX-License-Identifier: Apache-2.0
//
// Teams: the barrier under strain, with more members than cores.
#include "contract.hpp"

#include <ia_nn/exec/thread_pool.hpp>

#include <ctime>
#include <thread>

using namespace exec_test;
using ia_nn::thread_pool;

namespace {

#if defined(EXEC_TEST_TSAN)
constexpr int torture_rounds = 10000;
#else
constexpr int torture_rounds = 100000;
#endif

} // namespace

TEST_CASE("team: every rank once, writes visible after the barrier", "[exec][team]") {
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    for (int size : {-3, 0, 1, 2, 3, 7, 8, 100})
      for (int rounds : {0, 1, 2, 50}) check_team(pool, size, rounds);
  }
}

TEST_CASE("team: has all the members it can have", "[exec][team]") {
  thread_pool pool(8);
  for (int size = 1; size <= 10; ++size) {
    std::atomic<int> seen{0};
    pool.run_team(size, [&](auto const& m) {
      if (m.rank() == 0) seen = m.size();
    });
    REQUIRE(seen == (size < 8 ? size : 8));
  }
}

TEST_CASE("team: eight members, a hundred thousand barriers", "[exec][team]") {
  thread_pool pool(8);
  // Each round one member writes what the next one needs, as a recurrence does.
  long value = 0;
  std::atomic<int> wrong{0};
  pool.run_team(8, [&](auto const& m) {
    for (int round = 0; round < torture_rounds; ++round) {
      if (round % m.size() == m.rank()) {
        if (value != round) ++wrong;
        value = round + 1;
      }
      m.barrier();
    }
  });
  REQUIRE(wrong == 0);
  REQUIRE(value == torture_rounds);
}

TEST_CASE("team: a member that comes late finds the others asleep, and wakes them",
          "[exec][team]") {
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    std::vector<int> turn(at(threads) * 32);
    std::atomic<int> wrong{0};
    pool.run_team(threads, [&](auto const& m) {
      for (int round = 1; round <= 30; ++round) {
        if (round % m.size() == m.rank()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
        turn[at(m.rank()) * 32] = round;
        m.barrier();
        for (int other = 0; other < m.size(); ++other) wrong += turn[at(other) * 32] != round;
        m.barrier();
      }
    });
    REQUIRE(wrong == 0);
  }
}

TEST_CASE("team: waiting for a late member uses no time", "[exec][team]") {
  thread_pool pool(8);
  std::clock_t const before = std::clock();
  pool.run_team(8, [&](auto const& m) {
    if (m.rank() == 3) std::this_thread::sleep_for(std::chrono::milliseconds(400));
    m.barrier();
  });
  double const used = static_cast<double>(std::clock() - before) * 1e3 / CLOCKS_PER_SEC;
  INFO("ms of CPU time while seven members waited 400 ms: " << used);
  REQUIRE(used < 40);
}

TEST_CASE("team: members that finish late, the caller first", "[exec][team]") {
  for (int threads : {2, 8}) {
    thread_pool pool(threads);
    for (int i = 0; i < 5; ++i) {
      std::vector<int> done(at(threads));
      pool.run_team(threads, [&](auto const& m) {
        if (m.rank() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
        done[at(m.rank())] = 1;
      });
      REQUIRE(done == std::vector<int>(at(threads), 1));
    }
  }
}

TEST_CASE("team: teams and loops in turn", "[exec][team]") {
  thread_pool pool(3);
  long sum = 0;
  for (int i = 0; i < 2000; ++i) {
    std::atomic<int> loop{0}, team{0};
    pool.parallel_for(i % 5, [&](index_t, int) { ++loop; });
    pool.run_team(1 + i % 3, [&](auto const& m) {
      m.barrier();
      ++team;
    });
    sum += loop == i % 5 && team == 1 + i % 3;
  }
  REQUIRE(sum == 2000);
}
