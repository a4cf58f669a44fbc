// SPDX-License-Identifier: Apache-2.0
//
// Runs AMX and AVX-VNNI instructions in software on a CPU that lacks them, for tests only.
//
// The library's kernels use these instructions through inline asm, so every x86-64 build contains
// their machine code. A CPU without them raises #UD, the kernel turns that into SIGILL, and the
// handler installed here decodes the instruction, performs it as Intel's manual defines, moves RIP
// behind it and returns. What is tested is the very machine code that runs on the real CPU.
//
// What is emulated: ldtilecfg, sttilecfg, tilerelease, tilezero, tileloadd, tileloaddt1,
// tilestored, tdpb{ss,su,us,uu}d, tdpbf16ps, and the VEX forms of vpdpbusd[s], vpdpwssd[s].
// See docs/testing.md for how tests use it and for its limits.
#pragma once

namespace ia_nn_test::emulator {

/// Who performs AMX instructions.
enum class performer { cpu, emulator, nobody };

/// What the machine says of AMX. `tiles` and `products` are bits of cpuid, `enabled` those of XCR0,
/// `permitted` what the system answers to a process that asks for tile data.
struct amx_facts {
  bool tiles = false, products = false, enabled = false, permitted = false;
};

/// Without tiles, or where the system does not save them, ldtilecfg and all others raise #UD, and
/// whatever does is emulated. Where it saves them ldtilecfg executes, permitted or not: there the
/// CPU holds a configuration that the emulator has not seen, so it cannot take over the products
/// that the CPU lacks or the tile data that it was denied.
constexpr performer who_performs_amx(amx_facts f) noexcept {
  if (!f.tiles || !f.enabled) return performer::emulator;
  return f.products && f.permitted ? performer::cpu : performer::nobody;
}

/// That of this machine. Asks for permission the first time, so that no later request changes it.
performer amx_performer() noexcept;

/// True if AMX instructions can be executed when `install()` is true; `why_no_amx()` is a sentence
/// where they cannot.
inline bool amx_can_run() noexcept { return amx_performer() != performer::nobody; }
char const* why_no_amx() noexcept;

/// Makes the instructions above executable in every thread of the process, those of AMX if
/// `amx_can_run()`. False if the CPU lacks AVX2 or FMA (which the emulation itself needs) or if
/// something refuses to let go of SIGILL.
///
/// Call it at the start of every test that runs such an instruction: Catch2 installs its own
/// SIGILL handler at the start of each test case and puts the former one back at its end. Repeated
/// calls cost one system call; any thread may call.
bool install() noexcept;

/// True if this CPU executes AMX (tiles, int8, bf16) and the operating system permits it.
inline bool amx_in_hardware() noexcept { return amx_performer() == performer::cpu; }

/// True if this CPU executes AVX-VNNI itself.
bool avx_vnni_in_hardware() noexcept;

/// Instructions emulated since the program began, all threads together.
long long count() noexcept;
long long amx_count() noexcept;
long long avx_vnni_count() noexcept;

/// Signals taken for them: instructions that follow each other share one.
long long trap_count() noexcept;

/// How a test run should name who executes: "amx" or "amx (emulated)", and likewise for AVX-VNNI.
char const* amx_name() noexcept;
char const* avx_vnni_name() noexcept;

} // namespace ia_nn_test::emulator
