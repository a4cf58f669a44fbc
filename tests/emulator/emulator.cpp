// SPDX-License-Identifier: Apache-2.0
#include "emulator.hpp"

#include "avx_vnni.hpp"
#include "decode.hpp"
#include "tiles.hpp"
#include "vector_state.hpp"

#include <atomic>
#include <cpuid.h>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace ia_nn_test::emulator {
namespace {

// The tile registers of this thread. Initial-exec: the handler must not make the dynamic linker
// allocate thread storage.
__thread tiles thread_tiles __attribute__((tls_model("initial-exec")));

std::atomic<long long> amx_emulated{0};
std::atomic<long long> avx_vnni_emulated{0};
std::atomic<long long> traps{0};

vector_state::layout vector_layout; // written by install(), under its lock
struct sigaction previous_action;   // likewise
std::atomic_flag installing = ATOMIC_FLAG_INIT;

struct cpu {
  bool avx2_fma = false, avx_vnni = false;
  performer amx = performer::emulator;

  static cpu detect() noexcept {
    cpu r;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return r;
    bool const fma = (c & bit_FMA) != 0;
    unsigned xcr0 = 0, high = 0;
    asm volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    if ((xcr0 & 6U) != 6 || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return r;
    r.avx2_fma = fma && (b & bit_AVX2) != 0;
    constexpr unsigned tile_state = 3U << 17, products = 1U << 22 | 1U << 25;
    amx_facts amx{.tiles = (d & (1U << 24)) != 0,
                  .products = (d & products) == products,
                  .enabled = (xcr0 & tile_state) == tile_state};
    if (amx.tiles && amx.enabled) {
      constexpr long request_permission = 0x1023, tile_data = 18;
      amx.permitted = syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    }
    r.amx = who_performs_amx(amx);
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) r.avx_vnni = (a & (1U << 4)) != 0;
    return r;
  }
  static cpu const& here() noexcept {
    static cpu const found = detect();
    return found;
  }
};

machine_registers registers_of(greg_t const* saved) noexcept {
  static constexpr int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                    REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                    REG_R12, REG_R13, REG_R14, REG_R15};
  machine_registers r;
  for (int i = 0; i < 16; ++i) r.general[i] = static_cast<std::uint64_t>(saved[order[i]]);
  r.rip = static_cast<std::uint64_t>(saved[REG_RIP]);
  r.fs_base = r.gs_base = 0;
  return r;
}

std::uint8_t const* code_at(std::uint64_t rip) noexcept {
  return reinterpret_cast<std::uint8_t const*>(static_cast<std::uintptr_t>(rip));
}

bool starts_with_segment_override(std::uint8_t const* code) noexcept {
  return decoding::reader{code}.byte() == 0x64 || decoding::reader{code}.byte() == 0x65;
}

vector_state vectors_of(mcontext_t& machine) noexcept {
  vector_state const registers(machine.fpregs, vector_layout);
  if (!registers.valid()) {
    constexpr char text[] = "ia_nn emulator: the signal frame holds no AVX state\n";
    [[maybe_unused]] auto const written = ::write(2, text, sizeof text - 1);
    std::abort();
  }
  return registers;
}

/// Library calls, so that sanitizers check the address.
void read_memory(void* to, std::uint64_t address, unsigned bytes) noexcept {
  std::memcpy(to, reinterpret_cast<void const*>(static_cast<std::uintptr_t>(address)), bytes);
}

void run_avx_vnni(instruction const& i, vector_state registers) noexcept {
  unsigned const bytes = i.wide ? 32 : 16;
  std::uint8_t dst[32], src1[32], src2[32];
  registers.read(i.reg, dst);
  registers.read(i.vvvv, src1);
  if (i.memory) read_memory(src2, i.address, bytes);
  else registers.read(i.rm, src2);
  execute_avx_vnni(i.what, dst, src1, src2, bytes);
  registers.write(i.reg, dst, bytes);
}

void run_load(instruction const& i, vector_state registers) noexcept {
  unsigned const bytes = i.wide ? 32 : 16;
  std::uint8_t value[32];
  if (i.what == op::broadcast) {
    read_memory(value, i.address, 4);
    for (unsigned at = 4; at < bytes; ++at) value[at] = value[at - 4];
  } else {
    read_memory(value, i.address, bytes);
  }
  registers.write(i.reg, value, bytes);
}

/// Not ours: whoever had SIGILL before gets it. A fault happens again when the handler returns; a
/// signal that was sent has to be sent again.
void pass_on(siginfo_t const* info) noexcept {
  if (info->si_code > 0) {
    sigaction(SIGILL, &previous_action, nullptr);
    return;
  }
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGILL, &standard, nullptr);
  raise(SIGILL);
}

void on_illegal_instruction(int, siginfo_t* info, void* context) noexcept {
  mcontext_t& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  machine_registers registers = registers_of(machine.gregs);
  bool const faulted = info->si_code > 0;
  bool any = false;
  // A signal costs more than most instructions, and they come in runs (loads, then products), so
  // those that follow directly are executed here as well. Vector loads between AVX-VNNI
  // instructions would end most runs after one or two, therefore they are performed, too.
  bool vector_run = false;
  while (faulted) {
    std::uint8_t const* const code = code_at(registers.rip);
    if (starts_with_segment_override(code)) {
      constexpr long get_fs = 0x1003, get_gs = 0x1004;
      syscall(SYS_arch_prctl, get_fs, &registers.fs_base);
      syscall(SYS_arch_prctl, get_gs, &registers.gs_base);
    }
    instruction const i = decode(code, registers);
    if (i.what == op::none) break;
    if (is_avx_vnni(i.what)) {
      if (cpu::here().avx_vnni) break;
      run_avx_vnni(i, vectors_of(machine));
      avx_vnni_emulated.fetch_add(1, std::memory_order_relaxed);
      vector_run = true;
    } else if (is_vector(i.what)) {
      bool const misaligned = i.what == op::aligned_load && i.address % (i.wide ? 32 : 16) != 0;
      if (!vector_run || misaligned) break; // the CPU has to raise its fault
      run_load(i, vectors_of(machine));
    } else {
      // Where tiles are the CPU's own business its refusal is a genuine error.
      if (cpu::here().amx != performer::emulator) break;
      thread_tiles.execute(i);
      amx_emulated.fetch_add(1, std::memory_order_relaxed);
    }
    registers.rip += i.length;
    any = true;
  }
  if (!any) return pass_on(info);
  machine.gregs[REG_RIP] = static_cast<greg_t>(registers.rip);
  traps.fetch_add(1, std::memory_order_relaxed);
}

bool is_ours(struct sigaction const& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_illegal_instruction;
}

} // namespace

bool install() noexcept {
  if (!cpu::here().avx2_fma) return false;
  while (installing.test_and_set(std::memory_order_acquire)) usleep(0);
  vector_layout = vector_state::layout::of_this_cpu();
  struct sigaction now = {};
  sigaction(SIGILL, nullptr, &now);
  if (!is_ours(now)) {
    previous_action = now;
    struct sigaction mine = {};
    mine.sa_sigaction = on_illegal_instruction;
    // No SA_ONSTACK: alternate stacks are small, and the frame of a CPU with AMX is large.
    mine.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&mine.sa_mask);
    sigaction(SIGILL, &mine, nullptr);
    sigaction(SIGILL, nullptr, &now);
  }
  bool const done = is_ours(now);
  installing.clear(std::memory_order_release);
  return done;
}

performer amx_performer() noexcept { return cpu::here().amx; }
char const* why_no_amx() noexcept {
  return amx_can_run() ? ""
                       : "this CPU has AMX and the operating system does not let this process use "
                         "all of it, so that its instructions neither work nor raise #UD";
}
bool avx_vnni_in_hardware() noexcept { return cpu::here().avx_vnni; }

long long amx_count() noexcept { return amx_emulated.load(std::memory_order_relaxed); }
long long avx_vnni_count() noexcept { return avx_vnni_emulated.load(std::memory_order_relaxed); }
long long trap_count() noexcept { return traps.load(std::memory_order_relaxed); }
long long count() noexcept { return amx_count() + avx_vnni_count(); }

char const* amx_name() noexcept { return amx_in_hardware() ? "amx" : "amx (emulated)"; }
char const* avx_vnni_name() noexcept {
  return avx_vnni_in_hardware() ? "avx2_vnni" : "avx2_vnni (emulated)";
}

} // namespace ia_nn_test::emulator
