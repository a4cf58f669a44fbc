// SPDX-License-Identifier: Apache-2.0
//
// What every executor promises, as checks that any of them can be put through. Workers only write
// into arrays and atomics; Catch2 is asked in the main thread, because it is not thread-safe.
#pragma once

#include "catch.hpp"

#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/fp_env.hpp>

#include <atomic>
#include <cfloat>
#include <chrono>
#include <cstddef>
#include <set>
#include <vector>

// Which sanitizer this is compiled for.
#if defined(__SANITIZE_THREAD__)
#define EXEC_TEST_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define EXEC_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EXEC_TEST_TSAN 1
#elif __has_feature(address_sanitizer)
#define EXEC_TEST_ASAN 1
#endif
#endif
#if defined(EXEC_TEST_TSAN) || defined(EXEC_TEST_ASAN)
#define EXEC_TEST_SANITIZED 1
#endif

namespace exec_test {

using ia_nn::index_t;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// Each task exactly once, worker numbers in range and never used twice at a time, plain writes
/// visible afterwards.
template <ia_nn::executor E> void check_tasks(E& e, index_t n) {
  INFO("tasks " << n << ", concurrency " << e.concurrency());
  int const most = e.concurrency();
  REQUIRE(most >= 1);
  auto const count = at(n < 0 ? 0 : n);
  std::vector<std::atomic<int>> calls(count);
  std::vector<std::atomic<int>> inside(at(most));
  std::vector<index_t> plain(count, -1);
  std::atomic<int> wrong_worker{0}, wrong_task{0}, shared_worker{0};
  e.parallel_for(n, [&](index_t task, int worker) {
    if (worker < 0 || worker >= most) {
      ++wrong_worker;
      return;
    }
    if (task < 0 || task >= n) {
      ++wrong_task;
      return;
    }
    if (inside[at(worker)].fetch_add(1) != 0) ++shared_worker;
    ++calls[at(task)];
    plain[at(task)] = task * 3 + 1;
    inside[at(worker)].fetch_sub(1);
  });
  REQUIRE(wrong_worker == 0);
  REQUIRE(wrong_task == 0);
  REQUIRE(shared_worker == 0);
  int not_once = 0, not_visible = 0;
  for (std::size_t i = 0; i < count; ++i) {
    not_once += calls[i] != 1;
    not_visible += plain[i] != static_cast<index_t>(i) * 3 + 1;
  }
  REQUIRE(not_once == 0);
  REQUIRE(not_visible == 0);
}

/// Every rank exactly once, and after a barrier each member sees what all others wrote before it.
template <ia_nn::team_executor E> void check_team(E& e, int asked, int rounds) {
  INFO("team of " << asked << ", concurrency " << e.concurrency());
  int const most = asked < e.concurrency() ? (asked > 1 ? asked : 1) : e.concurrency();
  std::vector<std::atomic<int>> ranks(at(most));
  std::vector<int> turn(at(most) * 32); // one per cache line and more
  std::atomic<int> wrong{0}, size{0};
  e.run_team(asked, [&](auto const& m) {
    if (m.size() < 1 || m.size() > most || m.rank() < 0 || m.rank() >= m.size()) {
      ++wrong;
      return;
    }
    size = m.size();
    ++ranks[at(m.rank())];
    for (int r = 1; r <= rounds; ++r) {
      turn[at(m.rank()) * 32] = r;
      m.barrier();
      for (int other = 0; other < m.size(); ++other)
        if (turn[at(other) * 32] != r) ++wrong;
      m.barrier();
    }
  });
  REQUIRE(wrong == 0);
  REQUIRE(size >= 1);
  for (int r = 0; r < most; ++r) REQUIRE(ranks[at(r)] == (r < size ? 1 : 0));
  for (int r = 0; r < size; ++r) REQUIRE(turn[at(r) * 32] == rounds);
}

/// What this thread's arithmetic does, found by computing and not by reading a register: bit 0 if
/// results are flushed, bit 1 if operands are.
inline int observed_flush() {
  float volatile smallest_normal = FLT_MIN, denormal = FLT_MIN / 4, half = 0.5F, large = 1e30F;
  float volatile made = smallest_normal * half; // a denormal result
  float volatile read = denormal * large;       // a denormal operand, a normal result
  // Compared as bits: under DAZ a comparison would call any denormal zero.
  float const m = made, r = read;
  return (__builtin_bit_cast(std::uint32_t, m) == 0 ? 1 : 0) |
         (__builtin_bit_cast(std::uint32_t, r) == 0 ? 2 : 0);
}

/// Calls parallel_for until every worker took part at least once; true unless that never happens.
/// `visit(worker)` runs in each task.
template <ia_nn::executor E, class Visit> bool visit_all_workers(E& e, Visit visit) {
  std::vector<std::atomic<int>> seen(at(e.concurrency()));
  std::atomic<int> workers{0};
  auto const begin = std::chrono::steady_clock::now();
  auto const since = [&](auto t) { return std::chrono::steady_clock::now() - t; };
  while (workers < e.concurrency() && since(begin) < std::chrono::seconds(60)) {
    auto const round = std::chrono::steady_clock::now();
    e.parallel_for(e.concurrency() * 2, [&](index_t, int worker) {
      visit(worker);
      if (seen[at(worker)].exchange(1) == 0) ++workers;
      // Stay a while, so that the others come.
      while (workers < e.concurrency() && since(round) < std::chrono::milliseconds(20)) {}
    });
  }
  return workers == e.concurrency();
}

/// Tasks run with the caller's denormal mode, in every worker, and the caller keeps its own.
template <ia_nn::executor E> void check_denormals(E& e) {
  using ia_nn::denormals;
  for (auto mode : {denormals::flush, denormals::keep, denormals::flush}) {
    int const expected = mode == denormals::flush ? 3 : 0;
    std::atomic<int> wrong{0};
    bool all = false;
    {
      ia_nn::denormal_scope const scope(mode);
      all = visit_all_workers(e, [&](int) { wrong += observed_flush() != expected; });
      REQUIRE(observed_flush() == expected);
    }
    REQUIRE(all);
    REQUIRE(wrong == 0);
    REQUIRE(observed_flush() == 0);
  }
}

template <ia_nn::team_executor E> void check_team_denormals(E& e) {
  using ia_nn::denormals;
  for (auto mode : {denormals::flush, denormals::keep}) {
    std::atomic<int> members{0}, wrong{0};
    {
      ia_nn::denormal_scope const scope(mode);
      e.run_team(e.concurrency(), [&](auto const& m) {
        ++members;
        m.barrier();
        wrong += observed_flush() != (mode == denormals::flush ? 3 : 0);
      });
    }
    REQUIRE(members == e.concurrency());
    REQUIRE(wrong == 0);
  }
}

/// A call from inside a task does all its work, and its worker numbers collide with nobody's.
template <ia_nn::executor E> void check_nested(E& e) {
  constexpr index_t outer = 40, inner = 30;
  std::vector<std::atomic<int>> calls(at(outer * inner));
  std::vector<std::atomic<int>> inside(at(e.concurrency()));
  std::atomic<int> collisions{0}, moved{0};
  e.parallel_for(outer, [&](index_t i, int outer_worker) {
    e.parallel_for(inner, [&](index_t j, int worker) {
      if (inside[at(worker)].fetch_add(1) != 0) ++collisions;
      moved += worker != outer_worker;
      ++calls[at(i * inner + j)];
      inside[at(worker)].fetch_sub(1);
    });
  });
  int not_once = 0;
  for (auto const& c : calls) not_once += c != 1;
  REQUIRE(not_once == 0);
  REQUIRE(collisions == 0);
  REQUIRE(moved == 0);
}

} // namespace exec_test
