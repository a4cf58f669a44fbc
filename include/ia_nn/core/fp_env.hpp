// ia_nn: neural-network kernels for Intel-architecture CPUs
// SPDX-License-Identifier: Apache-2.0
//
// Scoped control of denormal numbers. An operation that reads or makes a denormal can take a
// hundred cycles instead of four, and decaying recurrent states produce them by the thousand.
// MXCSR holds the mode per thread, so whoever runs work on another thread has to carry it there:
//
//   auto const mode = denormal_state::current();   // in the calling thread
//   denormal_scope scope(mode);                    // in the worker, around its share
//
// Both compilers treat arithmetic as independent of MXCSR. The scope is a barrier for memory, so
// values loaded inside it are computed inside it; values already in registers may be computed on
// either side. Around a kernel, which loads what it computes, this is exact.
#pragma once

#include <ia_nn/config.hpp>

#include <cstdint>

#include <ia_nn/begin.hpp>

/// What arithmetic does with denormals: `keep` follows IEEE 754, `flush` reads them as zero (DAZ)
/// and writes zero instead of them (FTZ).
enum class denormals : std::uint8_t { keep, flush };

/// The denormal bits of one thread's MXCSR: a value that another thread can take over.
class denormal_state {
public:
  constexpr denormal_state() noexcept = default;
  constexpr explicit denormal_state(denormals mode) noexcept
      : bits_(mode == denormals::flush ? mask : 0U) {}

  /// The state of the calling thread; it may have only one of the two bits set.
  static denormal_state current() noexcept {
    denormal_state state;
    state.bits_ = __builtin_ia32_stmxcsr() & mask;
    return state;
  }

  /// Gives the calling thread this state; rounding, exception masks and flags stay as they are.
  void apply() const noexcept {
    std::uint32_t const old = __builtin_ia32_stmxcsr();
    asm volatile("" ::: "memory"); // nothing stored after this line was computed before it
    if ((old & mask) != bits_) __builtin_ia32_ldmxcsr((old & ~mask) | bits_);
    asm volatile("" ::: "memory"); // nothing loaded before this line is used as if after it
  }

  friend constexpr bool operator==(denormal_state, denormal_state) noexcept = default;

private:
  static constexpr std::uint32_t mask = 0x8000U | 0x0040U; // FTZ and DAZ

  std::uint32_t bits_ = 0;
};

/// Sets the calling thread's denormal state and restores the former one at the end of the scope.
/// Exception flags raised meanwhile stay raised.
class denormal_scope {
public:
  explicit denormal_scope(denormals mode) noexcept : denormal_scope(denormal_state(mode)) {}
  explicit denormal_scope(denormal_state state) noexcept : former_(denormal_state::current()) {
    state.apply();
  }
  ~denormal_scope() { former_.apply(); }

  denormal_scope(denormal_scope const&) = delete;
  denormal_scope& operator=(denormal_scope const&) = delete;

private:
  denormal_state former_;
};

IA_NN_END
