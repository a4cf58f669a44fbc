// SPDX-License-Identifier: Apache-2.0
//
// The pool: the contract, its rules for nested and simultaneous calls, idleness, bad input.
#include "child.hpp"

#include <ia_nn/exec/thread_pool.hpp>

#include <cstdio>
#include <ctime>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace exec_test;
using ia_nn::thread_pool;

static_assert(ia_nn::team_executor<thread_pool>);
static_assert(!std::is_copy_constructible_v<thread_pool>);

namespace {

double process_cpu_ms() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

} // namespace

TEST_CASE("thread_pool runs each task once", "[exec][thread_pool]") {
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    REQUIRE(pool.concurrency() == threads);
    for (int repeat = 0; repeat < 20; ++repeat)
      for (index_t n : {-5, 0, 1, 2, 3, 7, 1000}) check_tasks(pool, n);
    sleep_ms(2); // the workers now sleep
    check_tasks(pool, 1000);
  }
}

TEST_CASE("thread_pool: many short regions in a row", "[exec][thread_pool]") {
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    long sum = 0; // plain: only its visibility from region to region makes it right
    std::vector<long> part(at(threads) * 16);
    for (int region = 0; region < 20000; ++region) {
      pool.parallel_for(threads, [&](index_t task, int) { part[at(task) * 16] = region + task; });
      for (int t = 0; t < threads; ++t) sum += part[at(t) * 16];
    }
    long const n = 20000;
    REQUIRE(sum == threads * (n * (n - 1) / 2) + n * threads * (threads - 1) / 2);
  }
}

TEST_CASE("thread_pool: every worker takes part", "[exec][thread_pool]") {
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    REQUIRE(visit_all_workers(pool, [](int) {}));
  }
}

TEST_CASE("thread_pool: a slow task leaves the rest to the others", "[exec][thread_pool]") {
  thread_pool pool(2);
  // Whoever has task 0 waits for all the others, of which half are in its own block.
  std::atomic<int> others{0};
  bool all_done = false;
  auto const begin = std::chrono::steady_clock::now();
  pool.parallel_for(20, [&](index_t task, int) {
    if (task != 0) {
      ++others;
      return;
    }
    while (others < 19 && std::chrono::steady_clock::now() - begin < std::chrono::seconds(60)) {}
    all_done = others == 19;
  });
  REQUIRE(all_done);
}

TEST_CASE("thread_pool: workers compute with the caller's denormal mode",
          "[exec][thread_pool][fp_env]") {
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    check_denormals(pool);
    check_team_denormals(pool);
  }
  // Threads inherit MXCSR when they are made; that must not be what the test above saw.
  ia_nn::denormal_scope const flush(ia_nn::denormals::flush);
  thread_pool made_flushing(3);
  ia_nn::denormal_scope const keep(ia_nn::denormals::keep);
  std::atomic<int> wrong{0};
  REQUIRE(visit_all_workers(made_flushing, [&](int) { wrong += observed_flush() != 0; }));
  REQUIRE(wrong == 0);
}

TEST_CASE("thread_pool: a call from a task runs inside that task", "[exec][thread_pool]") {
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    for (int repeat = 0; repeat < 20; ++repeat) check_nested(pool);
    std::atomic<int> members{0}, inner_tasks{0};
    pool.run_team(threads, [&](auto const& m) {
      pool.run_team(threads, [&](auto const& inner) {
        inner.barrier();
        members += inner.size();
      });
      pool.parallel_for(10, [&](index_t, int worker) { inner_tasks += worker == m.rank(); });
      m.barrier();
    });
    REQUIRE(members == threads);
    REQUIRE(inner_tasks == threads * 10);
  }
}

TEST_CASE("thread_pool: pools inside pools", "[exec][thread_pool]") {
  thread_pool a(3), b(3);
  std::atomic<int> calls{0}, foreign_worker{0};
  a.parallel_for(30, [&](index_t, int worker) {
    b.parallel_for(10, [&](index_t, int) {
      a.parallel_for(5, [&](index_t, int inner) {
        ++calls;
        // Where b's work stayed in a's thread, a knows its own worker again.
        if (inner != worker && inner != 0) ++foreign_worker;
      });
    });
  });
  REQUIRE(calls == 30 * 10 * 5);
  REQUIRE(foreign_worker == 0);
}

TEST_CASE("thread_pool: several threads call at once", "[exec][thread_pool]") {
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    constexpr int callers = 4, rounds = 500;
    std::vector<std::atomic<int>> bad(callers);
    std::vector<std::thread> users;
    for (int u = 0; u < callers; ++u)
      users.emplace_back([&, u] {
        std::vector<int> hits(50);
        for (int r = 0; r < rounds; ++r) {
          pool.parallel_for(50, [&](index_t task, int) { ++hits[at(task)]; });
          std::atomic<int> members{0}, size{0};
          pool.run_team(threads, [&](auto const& m) {
            ++members;
            size = m.size();
            m.barrier();
            if (members != m.size()) ++bad[at(u)];
          });
          if (members != size) ++bad[at(u)];
        }
        for (int h : hits) bad[at(u)] += h != rounds;
      });
    for (auto& u : users) u.join();
    for (auto const& b : bad) REQUIRE(b == 0);
  }
}

TEST_CASE("thread_pool: a task may wait for another thread that calls the pool",
          "[exec][thread_pool]") {
  // Would never end if the second call waited for the first.
  thread_pool pool(2);
  std::atomic<bool> done{false};
  std::thread other;
  pool.parallel_for(2, [&](index_t task, int) {
    if (task != 0) return;
    other = std::thread([&] {
      int sum = 0;
      pool.parallel_for(10, [&](index_t, int worker) { sum += worker + 1; });
      done = sum == 10;
    });
    other.join();
  });
  REQUIRE(done);
}

TEST_CASE("thread_pool: idle workers use no time", "[exec][thread_pool]") {
  thread_pool pool(8);
  for (int i = 0; i < 100; ++i) check_tasks(pool, 8);
  sleep_ms(50); // the brief wait after the last region passes
  double const before = process_cpu_ms();
  sleep_ms(500);
  double const used = process_cpu_ms() - before;
  INFO("ms of CPU time in 500 ms: " << used);
  REQUIRE(used < 10);
  check_tasks(pool, 1000);
}

TEST_CASE("thread_pool: made and destroyed in any state", "[exec][thread_pool]") {
  for (int i = 0; i < 100; ++i) {
    thread_pool unused(1 + i % 8);
    thread_pool just_used(1 + i % 8);
    int calls = 0;
    just_used.parallel_for(1, [&](index_t, int) { ++calls; });
    std::atomic<int> more{0};
    just_used.parallel_for(i, [&](index_t, int) { ++more; });
    REQUIRE(calls == 1);
    REQUIRE(more == i);
    if (i % 10 == 0) sleep_ms(2);
  }
}

TEST_CASE("thread_pool: accepts any callable object by reference", "[exec][thread_pool]") {
  thread_pool pool(2);
  struct counter {
    mutable std::atomic<int> calls{0};
    counter() = default;
    counter(counter const&) = delete; // must not be copied
    void operator()(index_t, int) const noexcept { ++calls; }
  };
  counter const constant;
  pool.parallel_for(10, constant);
  REQUIRE(constant.calls == 10);
  counter named;
  pool.parallel_for(10, named);
  REQUIRE(named.calls == 10);
  static std::atomic<int> global;
  global = 0;
  void (*const pointer)(index_t, int) = [](index_t, int) { ++global; };
  pool.parallel_for(10, pointer);
  REQUIRE(global == 10);
}

TEST_CASE("thread_pool refuses impossible sizes", "[exec][thread_pool]") {
  for (int threads : {0, -1, thread_pool::max_threads + 1, 1 << 30, -2147483647}) {
    try {
      thread_pool pool(threads);
      FAIL("made a pool of " << threads);
    } catch (ia_nn::error const& e) {
      REQUIRE(e.code() == ia_nn::errc::bad_parameter);
      std::string const what = e.what();
      REQUIRE(what.starts_with("ia_nn: thread_pool: "));
      REQUIRE(what.find(std::to_string(threads)) != std::string::npos);
      REQUIRE(what.find(std::to_string(thread_pool::max_threads)) != std::string::npos);
    }
  }
}

#if !defined(EXEC_TEST_TSAN) // which has no threads in children
TEST_CASE("thread_pool: in the child of a fork", "[exec][thread_pool]") {
  for (int threads : {1, 2, 8}) {
    auto pool = std::make_unique<thread_pool>(threads);
    auto const child = [&] {
      if (int const wrong = check_orphan(*pool)) return wrong;
      int const grandchild = in_child([&] { return check_orphan(*pool); });
      pool.reset(); // joins nobody
      thread_pool own(threads);
      return grandchild != 0 ? 6 : check_alive(own);
    };
    REQUIRE(in_child(child) == 0); // the threads begin
    check_tasks(*pool, 100);
    REQUIRE(in_child(child) == 0); // they wait awake
    sleep_ms(5);
    REQUIRE(in_child(child) == 0); // they sleep
    std::atomic<int> child_status{-1};
    pool->run_team(threads, [&](auto const& m) { // they work, and one of them forks
      m.barrier();
      if (m.rank() == m.size() - 1) {
        pid_t const forked = fork();
        if (forked == 0) {
          alarm(30);
          int calls = 0;
          pool->parallel_for(10, [&](index_t, int worker) { calls += worker == m.rank(); });
          _exit(calls == 10 ? 0 : 1);
        }
        int status = -1;
        waitpid(forked, &status, 0);
        child_status = status;
      }
      m.barrier();
    });
    REQUIRE(child_status == 0);
    REQUIRE(check_alive(*pool) == 0); // the parent has lost nothing
  }
}

TEST_CASE("thread_pool: forked while another thread is in a region", "[exec][thread_pool]") {
  thread_pool pool(2);
  std::atomic<bool> inside{false}, over{false};
  std::thread other([&] {
    pool.run_team(2, [&](auto const& m) {
      inside = true;
      while (!over) sched_yield();
      m.barrier();
    });
  });
  while (!inside) sched_yield();
  int const status = in_child([&] { return check_orphan(pool); });
  over = true;
  other.join();
  REQUIRE(status == 0);
}
#endif

#if !defined(EXEC_TEST_SANITIZED)
TEST_CASE("thread_pool: a system without threads to give", "[exec][thread_pool]") {
  // In a process of its own whose address space has room for a few stacks only.
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int result = 1;
    rlimit limit{};
    std::size_t pages = 0;
    if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
      if (std::fscanf(f, "%zu", &pages) != 1) pages = 0;
      std::fclose(f);
    }
    limit.rlim_cur = limit.rlim_max = pages * 4096 + (std::size_t{64} << 20);
    if (pages != 0 && setrlimit(RLIMIT_AS, &limit) == 0) {
      try {
        thread_pool pool(500);
        result = 2;
      } catch (ia_nn::error const& e) {
        result = e.code() == ia_nn::errc::out_of_memory &&
                         std::string(e.what()).find("thread_pool: ") != std::string::npos
                     ? 0
                     : 3;
      }
      if (result == 0) { // what was made is gone again, so a small pool still fits
        thread_pool small(2);
        std::atomic<int> calls{0};
        small.parallel_for(10, [&](index_t, int) { ++calls; });
        if (calls != 10) result = 4;
      }
    }
    _exit(result);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}
#endif
