// SPDX-License-Identifier: Apache-2.0
//
// The VEX forms of vpdpbusd, vpdpbusds, vpdpwssd and vpdpwssds against a naive oracle, in many
// encodings, whoever executes them. Each test is one asm block that moves its operands through
// memory, so it does not depend on the flags of this file.
#include "../catch.hpp"
#include "../emulator/decode.hpp"
#include "../emulator/emulator.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

namespace emulator = ia_nn_test::emulator;
using emulator::op;

namespace {

using ymm = std::array<std::uint8_t, 32>;

struct alignas(16) operands {
  ymm dst, src1, src2; // at 0, 32 and 64
};

template <class T> T get(ymm const& v, int i) {
  T r;
  std::memcpy(&r, v.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return r;
}

ymm oracle(op what, operands const& o, int bytes) {
  ymm r{}; // whatever is above the result becomes zero
  for (int i = 0; i < bytes / 4; ++i) {
    std::int64_t sum = get<std::int32_t>(o.dst, i);
    if (what == op::vpdpbusd || what == op::vpdpbusds)
      for (int j = 4 * i; j < 4 * i + 4; ++j)
        sum += get<std::uint8_t>(o.src1, j) * get<std::int8_t>(o.src2, j);
    else
      for (int j = 2 * i; j < 2 * i + 2; ++j)
        sum += std::int64_t{get<std::int16_t>(o.src1, j)} * get<std::int16_t>(o.src2, j);
    if (what == op::vpdpbusds || what == op::vpdpwssds)
      sum = std::clamp(sum, std::int64_t{std::numeric_limits<std::int32_t>::min()},
                       std::int64_t{std::numeric_limits<std::int32_t>::max()});
    auto const low = static_cast<std::uint32_t>(static_cast<std::uint64_t>(sum) & 0xffffffffU);
    std::memcpy(r.data() + 4 * i, &low, 4);
  }
  return r;
}

operands random_operands(std::mt19937& random, bool extreme) {
  operands o;
  constexpr std::uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
  for (ymm* v : {&o.dst, &o.src1, &o.src2})
    for (auto& b : *v)
      b = extreme ? edges[random() % 5] : static_cast<std::uint8_t>(random() & 255U);
  return o;
}

struct encoding {
  char const* text;
  op what;
  int bytes;
  void (*run)(operands& o);
};

// dst, src1, src2 are register numbers; `width` is x or y. The whole ymm is loaded and stored.
#define IA_NN_TEST_REGISTERS(mnemonic, width, bytes, dst, src1, src2)                              \
  {#mnemonic " " #width "mm" #dst ", " #src1 ", " #src2, op::mnemonic, bytes, [](operands& o) {    \
     asm volatile("vmovdqu (%0), %%ymm" #dst "\n\tvmovdqu 32(%0), %%ymm" #src1                     \
                  "\n\tvmovdqu 64(%0), %%ymm" #src2 "\n\t%{vex%} " #mnemonic " %%" #width          \
                  "mm" #src2 ", %%" #width "mm" #src1 ", %%" #width "mm" #dst                      \
                  "\n\tvmovdqu %%ymm" #dst ", (%0)"                                                \
                  :                                                                                \
                  : "r"(&o)                                                                        \
                  : "xmm" #dst, "xmm" #src1, "xmm" #src2, "memory");                               \
   }}

// The same with src2 in memory: `setup` computes the registers that `where` uses from %rax = &o.
#define IA_NN_TEST_MEMORY(mnemonic, width, bytes, dst, src1, setup, where, ...)                    \
  {#mnemonic " " where, op::mnemonic, bytes, [](operands& o) {                                     \
     asm volatile("vmovdqu (%%rax), %%ymm" #dst "\n\tvmovdqu 32(%%rax), %%ymm" #src1 "\n\t" setup  \
                  "\n\t%{vex%} " #mnemonic " " where ", %%" #width "mm" #src1 ", %%" #width        \
                  "mm" #dst "\n\tvmovdqu %%ymm" #dst ", (%%rax)"                                   \
                  :                                                                                \
                  : "a"(&o)                                                                        \
                  : "xmm" #dst, "xmm" #src1, "memory", "cc" __VA_OPT__(, ) __VA_ARGS__);           \
   }}

encoding const encodings[] = {
    IA_NN_TEST_REGISTERS(vpdpbusd, y, 32, 0, 1, 2),
    IA_NN_TEST_REGISTERS(vpdpbusd, x, 16, 0, 1, 2),
    IA_NN_TEST_REGISTERS(vpdpbusd, y, 32, 8, 9, 10),
    IA_NN_TEST_REGISTERS(vpdpbusd, y, 32, 15, 0, 7),
    IA_NN_TEST_REGISTERS(vpdpbusd, y, 32, 7, 15, 8),
    IA_NN_TEST_REGISTERS(vpdpbusd, x, 16, 3, 12, 13),
    IA_NN_TEST_REGISTERS(vpdpbusds, y, 32, 4, 5, 6),
    IA_NN_TEST_REGISTERS(vpdpbusds, x, 16, 11, 6, 14),
    IA_NN_TEST_REGISTERS(vpdpwssd, y, 32, 1, 14, 3),
    IA_NN_TEST_REGISTERS(vpdpwssd, x, 16, 9, 2, 4),
    IA_NN_TEST_REGISTERS(vpdpwssds, y, 32, 12, 11, 5),
    IA_NN_TEST_REGISTERS(vpdpwssds, x, 16, 6, 10, 0),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 0, 1, "", "64(%%rax)"),
    IA_NN_TEST_MEMORY(vpdpbusd, x, 16, 13, 14, "lea 64(%%rax), %%rcx", "(%%rcx)", "rcx"),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 2, 9, "lea 192(%%rax), %%rdx", "-128(%%rdx)", "rdx"),
    IA_NN_TEST_MEMORY(vpdpbusds, y, 32, 2, 9, "lea 4160(%%rax), %%rsi", "-4096(%%rsi)", "rsi"),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 10, 3, "lea 64(%%rax), %%r12", "(%%r12)", "r12"),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 10, 3, "lea 64(%%rax), %%r13", "(%%r13)", "r13"),
    IA_NN_TEST_MEMORY(vpdpwssd, y, 32, 10, 3, "lea 64(%%rax), %%r8", "(%%r8)", "r8"),
    IA_NN_TEST_MEMORY(vpdpwssds, y, 32, 5, 3, "mov $8, %%ecx", "(%%rax,%%rcx,8)", "rcx"),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 5, 3, "mov $-16, %%r12", "128(%%rax,%%r12,4)", "r12"),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 5, 3, "mov %%rax, %%r13\n\tmov $32, %%r15d",
                      "(%%r13,%%r15,2)", "r13", "r15"),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 5, 3, "mov %%rax, %%r14\n\tmov $-936, %%r9",
                      "1000(%%r14,%%r9,1)", "r14", "r9"),
    IA_NN_TEST_MEMORY(vpdpbusd, y, 32, 5, 3, "lea 64(%%rax), %%rcx\n\tshr $3, %%rcx", "(,%%rcx,8)",
                      "rcx"), // no base register; operands are aligned
};

void check(encoding const& e, operands const& before) {
  operands o = before;
  e.run(o);
  bool const same = o.dst == oracle(e.what, before, e.bytes);
  INFO(e.text);
  CHECK(same);
}

} // namespace

TEST_CASE("avx_vnni: every operation and encoding agrees with an int64 oracle") {
  REQUIRE(emulator::install());
  INFO(emulator::avx_vnni_name());
  std::mt19937 random(11);
  for (encoding const& e : encodings)
    for (int repeat = 0; repeat < 40; ++repeat) check(e, random_operands(random, repeat % 2 == 1));
}

TEST_CASE("avx_vnni: saturation at both ends, and wrapping without the s") {
  REQUIRE(emulator::install());
  auto const filled = [](std::int32_t dst, std::uint8_t src1, std::uint8_t src2) {
    operands o;
    for (int i = 0; i < 8; ++i) std::memcpy(o.dst.data() + 4 * i, &dst, 4);
    o.src1.fill(src1);
    o.src2.fill(src2);
    return o;
  };
  constexpr std::int32_t highest = std::numeric_limits<std::int32_t>::max();
  constexpr std::int32_t lowest = std::numeric_limits<std::int32_t>::min();
  auto const run = [](op what, operands o) {
    for (encoding const& e : encodings)
      if (e.what == what && e.bytes == 32) {
        e.run(o);
        return get<std::int32_t>(o.dst, 7);
      }
    return 0;
  };
  CHECK(run(op::vpdpbusds, filled(highest - 1, 1, 1)) == highest);
  CHECK(run(op::vpdpbusd, filled(highest - 1, 1, 1)) == lowest + 2);
  CHECK(run(op::vpdpbusds, filled(lowest + 1, 255, 0x80)) == lowest);
  CHECK(run(op::vpdpbusd, filled(0, 255, 0x80)) == -4 * 255 * 128);
  CHECK(run(op::vpdpbusd, filled(0, 255, 127)) == 4 * 255 * 127); // no 16-bit saturation inside
  // Words of -32768: the two products make 2^31, which only wrapping or saturating can express.
  operands o = filled(0, 0, 0);
  for (std::size_t i = 1; i < 32; i += 2) o.src1[i] = o.src2[i] = 0x80;
  CHECK(run(op::vpdpwssd, o) == lowest);
  CHECK(run(op::vpdpwssds, o) == highest);
  std::int32_t const minus_one = -1; // 2^31 - 1 fits: saturation is of the whole sum, once
  std::memcpy(o.dst.data() + 28, &minus_one, 4);
  CHECK(run(op::vpdpwssds, o) == highest);
  CHECK(run(op::vpdpwssd, o) == highest);
}

namespace {
alignas(64) operands static_operands;
alignas(64) thread_local operands thread_operands;
} // namespace

TEST_CASE("avx_vnni: operands on the stack, relative to RIP, and in thread storage") {
  REQUIRE(emulator::install());
  std::mt19937 random(12);
  for (int repeat = 0; repeat < 20; ++repeat) {
    operands const before = random_operands(random, false);
    operands o = before;
    asm volatile("vmovdqu (%%rax), %%ymm6\n\tvmovdqu 32(%%rax), %%ymm7\n\t"
                 "vmovdqu 64(%%rax), %%ymm0\n\tmov %%rsp, %%r11\n\tsub $512, %%rsp\n\t"
                 "vmovdqu %%ymm0, 40(%%rsp)\n\t"
                 "%{vex%} vpdpbusd 40(%%rsp), %%ymm7, %%ymm6\n\t"
                 "mov %%r11, %%rsp\n\tvmovdqu %%ymm6, (%%rax)"
                 :
                 : "a"(&o)
                 : "r11", "xmm0", "xmm6", "xmm7", "memory", "cc");
    REQUIRE(o.dst == oracle(op::vpdpbusd, before, 32));

    auto const with_memory_operand = [&](ymm const& src2) {
      o = before;
      asm volatile("vmovdqu (%0), %%ymm6\n\tvmovdqu 32(%0), %%ymm7\n\t"
                   "%{vex%} vpdpwssd %1, %%ymm7, %%ymm6\n\tvmovdqu %%ymm6, (%0)"
                   :
                   : "r"(&o), "m"(src2)
                   : "xmm6", "xmm7", "memory");
      REQUIRE(o.dst == oracle(op::vpdpwssd, before, 32));
    };
    with_memory_operand(before.src2);
    thread_operands = before;
    asm volatile("" : : : "memory");
    o = before;
    asm volatile("vmovdqu (%0), %%ymm6\n\tvmovdqu 32(%0), %%ymm7\n\t"
                 "%{vex%} vpdpbusds %1, %%ymm7, %%ymm6\n\tvmovdqu %%ymm6, (%0)"
                 :
                 : "r"(&o), "m"(thread_operands.src2) // %fs:..., in an executable
                 : "xmm6", "xmm7", "memory");
    REQUIRE(o.dst == oracle(op::vpdpbusds, before, 32));
    static_operands = before;
    asm volatile("vmovdqu (%0), %%ymm6\n\tvmovdqu 32(%0), %%ymm7\n\t"
                 "%{vex%} vpdpwssds %1, %%ymm7, %%ymm6\n\tvmovdqu %%ymm6, (%0)"
                 :
                 : "r"(&static_operands), "m"(static_operands.src2) // off(%rip)
                 : "xmm6", "xmm7", "memory");
    REQUIRE(static_operands.dst == oracle(op::vpdpwssds, before, 32));
  }
}

TEST_CASE("avx_vnni: nothing but the destination register changes") {
  REQUIRE(emulator::install());
  alignas(32) std::uint8_t in[16][32], out[16][32];
  std::mt19937 random(13);
  for (auto& reg : in)
    for (auto& b : reg) b = static_cast<std::uint8_t>(random() & 255U);
  std::uint8_t carry = 0, not_zero = 0;
#define IA_NN_TEST_LOAD(i) "vmovdqu 32*" #i "(%%rsi), %%ymm" #i "\n\t"
#define IA_NN_TEST_STORE(i) "vmovdqu %%ymm" #i ", 32*" #i "(%%rdi)\n\t"
#define IA_NN_TEST_ALL(f)                                                                          \
  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
  asm volatile(
      IA_NN_TEST_ALL(IA_NN_TEST_LOAD) "cmp $2, %%edx\n\t" // 1 - 2: carry, not zero
                                      "%{vex%} vpdpbusd %%ymm3, %%ymm14, %%ymm9\n\t"
                                      "%{vex%} vpdpbusd %%xmm3, %%xmm14, %%xmm5\n\t"
                                      "setc %[carry]\n\tsetnz %[not_zero]\n\t" IA_NN_TEST_ALL(
                                          IA_NN_TEST_STORE)
      : [carry] "=m"(carry), [not_zero] "=m"(not_zero)
      : "S"(in), "D"(out), "d"(1)
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc");
#undef IA_NN_TEST_LOAD
#undef IA_NN_TEST_STORE
#undef IA_NN_TEST_ALL
  CHECK(carry == 1);
  CHECK(not_zero == 1);
  for (std::size_t i = 0; i < 16; ++i) {
    INFO("ymm" << i);
    ymm before{}, after{}, expected{};
    std::memcpy(after.data(), out[i], 32);
    std::memcpy(before.data(), in[i], 32);
    expected = before;
    operands o{};
    o.dst = before;
    std::memcpy(o.src1.data(), in[14], 32);
    std::memcpy(o.src2.data(), in[3], 32);
    if (i == 9) expected = oracle(op::vpdpbusd, o, 32);
    if (i == 5) expected = oracle(op::vpdpbusd, o, 16); // upper half zero
    CHECK(after == expected);
  }
}

TEST_CASE("avx_vnni: registers in their initial state count as zero") {
  REQUIRE(emulator::install());
  std::mt19937 random(14);
  operands o = random_operands(random, false);
  ymm stored[2];
  asm volatile("vzeroall\n\t" // the processor need not save any of it now
               "%{vex%} vpdpbusd (%0), %%ymm2, %%ymm1\n\t" // zero += zero * memory
               "vmovdqu %%ymm1, (%1)\n\t"
               "vzeroall\n\tvmovdqu (%0), %%xmm4\n\t"
               "%{vex%} vpdpbusd 16(%0), %%ymm4, %%ymm3\n\t" // only the lower half has factors
               "vmovdqu %%ymm3, (%1)\n\tvmovdqu %%ymm11, 32(%1)"
               :
               : "r"(&o), "r"(stored)
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory");
  operands expected{};
  std::memcpy(expected.src1.data(), o.dst.data(), 16);
  std::memcpy(expected.src2.data(), o.dst.data() + 16, 16);
  CHECK(stored[0] == oracle(op::vpdpbusd, expected, 32));
  CHECK(stored[1] == ymm{});
}

TEST_CASE("avx_vnni: the upper half of zmm becomes zero") {
  REQUIRE(emulator::install());
  if (__builtin_cpu_supports("avx512f") == 0) {
    WARN("not checked: this CPU has no zmm registers");
    return;
  }
  std::uint8_t in[64], out[2][64];
  for (std::size_t i = 0; i < 64; ++i) in[i] = static_cast<std::uint8_t>(i + 1);
  asm volatile("vmovdqu64 (%0), %%zmm6\n\tvmovdqu64 (%0), %%zmm7\n\t"
               "%{vex%} vpdpbusd %%ymm6, %%ymm6, %%ymm6\n\t"
               "vmovdqu64 %%zmm6, (%1)\n\tvmovdqu64 %%zmm7, 64(%1)"
               :
               : "r"(in), "r"(out)
               : "xmm6", "xmm7", "memory");
  operands o;
  std::memcpy(o.dst.data(), in, 32);
  o.src1 = o.src2 = o.dst;
  ymm const expected = oracle(op::vpdpbusd, o, 32);
  CHECK(std::memcmp(out[0], expected.data(), 32) == 0);
  for (std::size_t i = 32; i < 64; ++i) CHECK(out[0][i] == 0);
  CHECK(std::memcmp(out[1], in, 64) == 0); // a neighbour keeps all of it
}

TEST_CASE("avx_vnni: loads between the instructions load, and share the trap") {
  REQUIRE(emulator::install());
  std::mt19937 random(15);
  for (int repeat = 0; repeat < 20; ++repeat) {
    alignas(32) std::uint8_t in[7 * 32], out[6 * 32];
    for (auto& b : in) b = static_cast<std::uint8_t>(random() & 255U);
    long long const before = emulator::trap_count();
    asm volatile("vpxor %%xmm0, %%xmm0, %%xmm0\n\tvpxor %%xmm8, %%xmm8, %%xmm8\n\t"
                 "vpcmpeqd %%ymm2, %%ymm2, %%ymm2\n\tvmovdqu (%0), %%ymm1\n\t"
                 "%{vex%} vpdpbusd 32(%0), %%ymm1, %%ymm0\n\t"
                 "vmovdqu 1(%0), %%ymm1\n\t"
                 "vpbroadcastd 65(%0), %%ymm9\n\t"
                 "%{vex%} vpdpbusd %%ymm9, %%ymm1, %%ymm8\n\t"
                 "vmovdqa 96(%0), %%xmm2\n\tvmovups 129(%0), %%ymm10\n\t"
                 "vmovaps 160(%0), %%ymm11\n\tvbroadcastss 33(%0,%2), %%xmm12\n\t"
                 "%{vex%} vpdpwssd %%ymm2, %%ymm10, %%ymm0\n\t"
                 "vmovdqu %%ymm0, (%1)\n\tvmovdqu %%ymm8, 32(%1)\n\tvmovdqu %%ymm2, 64(%1)\n\t"
                 "vmovdqu %%ymm10, 96(%1)\n\tvmovdqu %%ymm11, 128(%1)\n\t"
                 "vmovdqu %%ymm12, 160(%1)"
                 :
                 : "r"(in), "r"(out), "r"(100L)
                 : "xmm0", "xmm1", "xmm2", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "memory");
    CHECK(emulator::trap_count() - before == (emulator::avx_vnni_in_hardware() ? 0 : 1));

    auto const from = [&](int offset, std::size_t n = 32) { // the rest is zero
      ymm v{};
      std::memcpy(v.data(), in + offset, n);
      return v;
    };
    auto const spread = [&](int offset, std::size_t n) {
      ymm v{};
      for (std::size_t i = 0; i < n; i += 4) std::memcpy(v.data() + i, in + offset, 4);
      return v;
    };
    auto const stored = [&](int i) {
      ymm v;
      std::memcpy(v.data(), out + 32 * i, 32);
      return v;
    };
    operands first{{}, from(0), from(32)};
    first.dst = oracle(op::vpdpbusd, first, 32);
    first.src1 = from(129);
    first.src2 = from(96, 16);
    CHECK(stored(0) == oracle(op::vpdpwssd, first, 32));
    CHECK(stored(1) == oracle(op::vpdpbusd, {{}, from(1), spread(65, 32)}, 32));
    CHECK(stored(2) == from(96, 16));
    CHECK(stored(3) == from(129));
    CHECK(stored(4) == from(160));
    CHECK(stored(5) == spread(133, 16));
  }
}

TEST_CASE("avx_vnni: two threads at once, and the count") {
  REQUIRE(emulator::install());
  long long const before = emulator::avx_vnni_count();
  constexpr int repeats = 500;
  std::array<bool, 2> good{};
  auto const work = [&](unsigned who) {
    std::mt19937 random(who);
    bool ok = true;
    encoding const& e = encodings[who];
    for (int repeat = 0; repeat < repeats; ++repeat) {
      operands const from = random_operands(random, false);
      operands o = from;
      e.run(o);
      ok = ok && o.dst == oracle(e.what, from, e.bytes);
    }
    good[who] = ok;
  };
  std::thread first(work, 0U), second(work, 1U);
  first.join();
  second.join();
  CHECK(good[0]);
  CHECK(good[1]);
  long long const expected = emulator::avx_vnni_in_hardware() ? 0 : 2 * repeats;
  CHECK(emulator::avx_vnni_count() - before == expected);
}
