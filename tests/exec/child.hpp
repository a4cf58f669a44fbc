// SPDX-License-Identifier: Apache-2.0
//
// A check in the child of a fork, which is ended if it hangs.
#pragma once

#include "contract.hpp"

#include <memory>
#include <sys/wait.h>
#include <unistd.h>

namespace exec_test {

/// Forks and runs check() in the child, which returns 0 if all is well: that, another value of
/// check(), or 1000 + the signal that ended the child. A child gets 30 seconds (SIGALRM).
template <class Check> int in_child(Check&& check) {
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (int s : {SIGALRM, SIGSEGV, SIGABRT}) signal(s, SIG_DFL); // not Catch2's
    alarm(30);
    _exit(check());
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// Calls of an executor whose threads are those of the parent: all is done, by this thread alone.
template <ia_nn::team_executor E> int check_orphan(E& e) {
  int calls = 0, strangers = 0, members = 0;
  e.parallel_for(100, [&](index_t, int worker) { ++calls, strangers += worker != 0; });
  e.parallel_for(1, [&](index_t, int worker) { ++calls, strangers += worker != 0; });
  for (int size : {1, 2, 8})
    e.run_team(size, [&](auto const& m) {
      m.barrier();
      members += m.size();
      e.parallel_for(10, [&](index_t, int worker) { ++calls, strangers += worker != 0; });
      m.barrier();
    });
  return calls != 131 ? 1 : strangers != 0 ? 2 : members != 3 ? 3 : 0;
}

/// Calls of an executor that has threads here.
template <ia_nn::team_executor E> int check_alive(E& e) {
  std::atomic<int> members{0}, calls{0};
  e.run_team(e.concurrency(), [&](auto const& m) {
    m.barrier();
    ++members;
    m.barrier();
  });
  e.parallel_for(1000, [&](index_t, int) { ++calls; });
  return calls != 1000 ? 4 : members != e.concurrency() ? 5 : 0;
}

} // namespace exec_test
