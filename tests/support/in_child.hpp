// SPDX-License-Identifier: Apache-2.0
//
// Runs what is to end the program in a child process, and keeps what that printed on stderr.
#pragma once

#include "../catch.hpp"

#include <csignal>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace ia_nn_test {

struct child_end {
  int signal = 0; ///< 0: it came to its end; -1: it ended with another status
  std::string text;
};

template <class F> child_end in_child(F body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (int s : {SIGILL, SIGSEGV, SIGABRT, SIGBUS}) std::signal(s, SIG_DFL); // not Catch2's
    dup2(ends[1], 2);
    body();
    _exit(0);
  }
  close(ends[1]);
  child_end r;
  char buffer[512];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    r.text.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) r.signal = WTERMSIG(status);
  else if (WEXITSTATUS(status) != 0) r.signal = -1;
  return r;
}

/// "" if f() ends the program by abort() with "ia_nn: <sentence> (<file>:<line>)", else what it did.
template <class F> std::string how_it_dies(F f, std::string const& sentence) {
  child_end const r = in_child(f);
  if (r.signal != SIGABRT) return "signal " + std::to_string(r.signal) + ", printed: " + r.text;
  if (r.text.rfind("ia_nn: " + sentence + " (", 0) != 0) return "printed: " + r.text;
  return {};
}

} // namespace ia_nn_test

#define REQUIRE_DEATH(f, sentence) REQUIRE(::ia_nn_test::how_it_dies(f, sentence) == "")
