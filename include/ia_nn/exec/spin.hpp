// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// How a thread waits for another: first in a loop, because the answer usually comes within a
// microsecond and a sleep costs several; then by offering its core to others; then not at all:
// the caller has to sleep until it is woken.
#pragma once

#include <ia_nn/config.hpp>

#include <cstdint>
#include <sched.h>

#include <ia_nn/begin.hpp>

namespace detail {

/// How long to wait awake. The first stage is measured in time stamps, not in pauses, because a
/// pause lasts 10 cycles on some CPUs and 140 on others.
struct patience {
  std::uint32_t ticks = 0; ///< of the time-stamp counter, in the loop
  int yields = 0;          ///< offers of the core after that
};

/// True as soon as ready() is; false when patience ends. ready() is cheap and loads with acquire.
template <class Ready> bool wait_awake(patience p, Ready&& ready) noexcept {
  if (ready()) return true;
  if (p.ticks != 0) {
    std::uint64_t const start = __builtin_ia32_rdtsc();
    do {
      for (int i = 0; i < 4; ++i) {
        __builtin_ia32_pause();
        if (ready()) return true;
      }
    } while (__builtin_ia32_rdtsc() - start < p.ticks);
  }
  for (int i = 0; i < p.yields; ++i) {
    sched_yield();
    if (ready()) return true;
  }
  return false;
}

} // namespace detail

IA_NN_END
