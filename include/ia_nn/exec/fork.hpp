// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// Whether this process is the child of a fork. It has the thread that called fork and no other:
// whoever waits for one of the others waits for ever.
#pragma once

#include <ia_nn/core/error.hpp>

#include <atomic>
#include <pthread.h>

#include <ia_nn/begin.hpp>

namespace detail {

inline constinit std::atomic<unsigned> fork_count{0};

/// The forks between this process and the one that called first. getpid would need no handler, and
/// a system call in every region.
inline unsigned forks() noexcept { return fork_count.load(std::memory_order_relaxed); }

/// Begins to count. Errors: errc::out_of_memory.
inline unsigned watch_forks() {
  static int const refused = pthread_atfork(nullptr, nullptr, [] {
    fork_count.fetch_add(1, std::memory_order_relaxed);
  });
  if (refused != 0) throw_error(errc::out_of_memory, "the system refused a handler of forks");
  return forks();
}

} // namespace detail

IA_NN_END
