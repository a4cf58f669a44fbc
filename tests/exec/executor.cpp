// SPDX-License-Identifier: Apache-2.0
//
// The concepts, the executor without threads, and the division of work.
#include "contract.hpp"

#include <ia_nn/exec/thread_pool.hpp>

#include <utility>

using namespace exec_test;
using ia_nn::block;
using ia_nn::block_of;

namespace {

// The least a user has to write.
struct minimal {
  int concurrency() const noexcept { return 2; }
  template <class F> void parallel_for(index_t n, F&& f) noexcept {
    for (index_t i = n - 1; i >= 0; --i) f(i, static_cast<int>(i % 2));
  }
};

// An executor as `run_tasks` uses it for calls that were planned for `workers`.
template <class E> struct planned_for {
  E& e;
  int workers;
  int concurrency() const noexcept { return workers; }
  template <ia_nn::task_function F> void parallel_for(index_t n, F&& f) noexcept {
    ia_nn::run_tasks(e, workers, n, f);
  }
};

struct without_concurrency {
  template <class F> void parallel_for(index_t, F&&) noexcept {}
};
struct may_throw {
  int concurrency() const noexcept { return 1; }
  template <class F> void parallel_for(index_t, F&&) {}
};

template <class E>
concept takes_lambda = requires(E& e) { e.parallel_for(1, [](index_t, int) {}); };

} // namespace

static_assert(ia_nn::executor<ia_nn::sequential>);
static_assert(ia_nn::executor<ia_nn::sequential const>);
static_assert(ia_nn::team_executor<ia_nn::sequential>);
static_assert(ia_nn::executor<minimal> && !ia_nn::team_executor<minimal>);
static_assert(takes_lambda<minimal>);
static_assert(!ia_nn::executor<without_concurrency>);
static_assert(!ia_nn::executor<may_throw>);
static_assert(!ia_nn::executor<int>);
static_assert(std::is_empty_v<ia_nn::sequential> && std::is_empty_v<ia_nn::solo_member>);
static_assert(ia_nn::task_function<void (*)(index_t, int)>);
static_assert(!ia_nn::task_function<void(index_t, int)>, "a function is no object");

// Everything without threads also works at compile time.
static_assert([] {
  index_t sum = 0;
  ia_nn::sequential e;
  ia_nn::parallel_blocks(e, 10, 4, [&](index_t b, index_t end, int) {
    for (index_t i = b; i < end; ++i) sum += i;
  });
  return sum == 45;
}());

static_assert(block_of(10, 3, 0) == block{0, 4} && block_of(10, 3, 1) == block{4, 7} &&
              block_of(10, 3, 2) == block{7, 10});
static_assert(block_of(100, 2, 0, 16) == block{0, 64} && block_of(100, 2, 1, 16) == block{64, 100});
static_assert(block_of(5, 4, 3, 16).empty() && block_of(5, 4, 0, 16) == block{0, 5});
static_assert(block_of(0, 3, 1).empty());

TEST_CASE("block_of covers every item once, in order, in whole granules", "[exec][block]") {
  int bad = 0;
  for (index_t n : {0, 1, 2, 3, 7, 15, 16, 17, 64, 1000, 4097})
    for (int parts : {1, 2, 3, 8, 64})
      for (index_t g : {1, 2, 16, 48, 5000}) {
        index_t next = 0, smallest = n, largest = 0;
        for (int p = 0; p < parts; ++p) {
          block const b = block_of(n, parts, p, g);
          bad += b.begin != next || b.end < b.begin;
          bad += b.begin % g != 0 && b.begin != n;
          next = b.end;
          index_t const granules = (b.size() + g - 1) / g;
          smallest = granules < smallest ? granules : smallest;
          largest = granules > largest ? granules : largest;
        }
        bad += next != n;
        bad += largest - smallest > 1;
      }
  REQUIRE(bad == 0);
  // No overflow near the end of index_t.
  index_t const huge = PTRDIFF_MAX;
  REQUIRE(block_of(huge, 2, 1, 64).end == huge);
  REQUIRE(block_of(huge, 2, 0, 64).end == block_of(huge, 2, 1, 64).begin);
}

TEST_CASE("sequential runs all tasks in order in this thread", "[exec][sequential]") {
  ia_nn::sequential e;
  for (index_t n : {-5, 0, 1, 2, 3, 7, 1000}) check_tasks(e, n);
  for (int size : {-1, 0, 1, 2, 8}) check_team(e, size, 3);
  check_nested(e);
  check_denormals(e);
  check_team_denormals(e);
  std::vector<index_t> order;
  e.parallel_for(5, [&](index_t task, int) { order.push_back(task); });
  REQUIRE(order == std::vector<index_t>{0, 1, 2, 3, 4});
}

TEST_CASE("a user's own executor", "[exec][concept]") {
  minimal e;
  for (index_t n : {0, 1, 2, 3, 7, 1000}) check_tasks(e, n);
  // It has no teams, so it gives a team of one.
  int members = 0;
  ia_nn::run_team(e, 4, [&](ia_nn::team_member auto const& m) {
    m.barrier();
    members += m.size() == 1 && m.rank() == 0 ? 1 : 100;
  });
  REQUIRE(members == 1);
  std::vector<int> hits(103);
  int blocks = 0;
  ia_nn::parallel_blocks(e, 103, 10, [&](index_t begin, index_t end, int) {
    ++blocks;
    for (index_t i = begin; i < end; ++i) ++hits[at(i)];
  });
  REQUIRE(blocks == 2);
  REQUIRE(hits == std::vector<int>(103, 1));
  ia_nn::parallel_blocks(e, 9, 10, [&](index_t begin, index_t end, int) {
    blocks += begin == 0 && end == 9 ? 10 : 100;
  });
  REQUIRE(blocks == 12); // fewer granules than workers: no empty calls
}

TEST_CASE("run_tasks has no more workers than were planned for", "[exec][tasks]") {
  minimal two;
  ia_nn::thread_pool four(4);
  for (int workers : {1, 2, 3, 4, 5})
    for (index_t n : {-1, 0, 1, 2, 3, 7, 1000}) {
      INFO("planned for " << workers);
      planned_for<minimal> a{two, workers};
      check_tasks(a, n);
      planned_for<ia_nn::thread_pool> b{four, workers};
      check_tasks(b, n);
    }
  // Where there are more, they share the work and do not leave it to one.
  std::vector<int> worker_of(10);
  ia_nn::run_tasks(four, 2, 10, [&](index_t task, int worker) { worker_of[at(task)] = worker; });
  REQUIRE(worker_of == std::vector<int>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1});
}

// One worker is never too many.
static_assert([] {
  index_t sum = 0;
  ia_nn::sequential e;
  ia_nn::run_tasks(e, 1, 10, [&](index_t task, int worker) { sum += task + worker; });
  return sum == 45;
}());
