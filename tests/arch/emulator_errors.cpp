// SPDX-License-Identifier: Apache-2.0
//
// What the CPU refuses the emulator must refuse too, saying why; and a SIGILL that is not about
// its instructions must still end the program. Each case runs in a child process.
#include "../emulator/needs_amx.hpp"
#include "../support/in_child.hpp"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace emulator = ia_nn_test::emulator;

namespace {

// Forked without the emulator, which each child arms for itself.
template <class F> ia_nn_test::child_end in_child(F body) {
  return ia_nn_test::in_child([&] {
    emulator::install();
    body();
  });
}

struct alignas(64) raw_config {
  std::uint8_t bytes[64] = {};
  raw_config() { bytes[0] = 1; }
  raw_config& tile(unsigned t, int rows, int row_bytes) {
    bytes[16 + 2 * t] = static_cast<std::uint8_t>(row_bytes);
    bytes[48 + t] = static_cast<std::uint8_t>(rows);
    return *this;
  }
  raw_config& byte(int at, int value) {
    bytes[at] = static_cast<std::uint8_t>(value);
    return *this;
  }
  void load() const { asm volatile("ldtilecfg %0" : : "m"(*this)); }
};

void check_refused(raw_config const& c, void (*then)(), char const* reason) {
  ia_nn_test::child_end const r = in_child([&] {
    c.load();
    if (then != nullptr) then();
  });
  INFO("expected: " << reason);
  INFO("printed: " << r.text);
  CHECK(r.signal > 0); // SIGABRT from the emulator, SIGSEGV or SIGILL from a CPU
  if (!emulator::amx_in_hardware()) {
    CHECK(r.signal == SIGABRT);
    CHECK(r.text.find(reason) != std::string::npos);
  }
}

void product() { asm volatile("tdpbssd %tmm2, %tmm1, %tmm0"); }
void bf16_product() { asm volatile("tdpbf16ps %tmm2, %tmm1, %tmm0"); }
alignas(64) std::uint8_t memory[1024];
void load_tile_0() {
  asm volatile("tileloadd (%0,%1,1), %%tmm0" : : "r"(memory), "r"(64L) : "memory");
}
void store_tile_0() {
  asm volatile("tilestored %%tmm0, (%0,%1,1)" : : "r"(memory), "r"(64L) : "memory");
}

} // namespace

TEST_CASE("emulator: who performs AMX instructions") {
  using emulator::performer;
  // By bits: 1 tiles in cpuid, 2 products in cpuid, 4 enabled in XCR0, 8 permitted. Emulated, by
  // the CPU, or by nobody: where ldtilecfg executes and something that follows does not.
  constexpr std::string_view expected = "eeeeeneneeeeenec";
  for (unsigned bits = 0; bits < 16; ++bits) {
    performer const p = emulator::who_performs_amx(
        {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0});
    CAPTURE(bits);
    CHECK((p == performer::cpu ? 'c' : p == performer::emulator ? 'e' : 'n') == expected[bits]);
  }
  performer const here = emulator::amx_performer();
  CHECK(emulator::amx_in_hardware() == (here == performer::cpu));
  CHECK(emulator::amx_can_run() == (here != performer::nobody));
  CHECK((std::string(emulator::why_no_amx()) == "") == emulator::amx_can_run());
}

TEST_CASE("emulator: configurations that a CPU refuses") {
  IA_NN_TEST_NEEDS_AMX();
  check_refused(raw_config{}.byte(0, 2), nullptr, "palette 2 does not exist");
  check_refused(raw_config{}.byte(2, 1), nullptr, "reserved byte 2 is 1");
  check_refused(raw_config{}.byte(15, 9), nullptr, "reserved byte 15 is 9");
  check_refused(raw_config{}.byte(32, 1), nullptr, "reserved byte 32 is 1");
  check_refused(raw_config{}.byte(47, 1), nullptr, "reserved byte 47 is 1");
  check_refused(raw_config{}.byte(63, 1), nullptr, "reserved byte 63 is 1");
  check_refused(raw_config{}.tile(3, 17, 64), nullptr, "tmm3: 17 rows, at most 16");
  check_refused(raw_config{}.tile(5, 16, 65), nullptr, "tmm5: 65 bytes per row, at most 64");
  check_refused(raw_config{}.tile(5, 1, 4).byte(27, 1), nullptr, "tmm5: 260 bytes per row");
  check_refused(raw_config{}.tile(0, 1, 0), nullptr, "tmm0: 1 rows of 0 bytes");
  check_refused(raw_config{}.tile(7, 0, 4), nullptr, "tmm7: 0 rows of 4 bytes");
}

TEST_CASE("emulator: tile operations that a CPU refuses") {
  IA_NN_TEST_NEEDS_AMX();
  auto const three = [](int m, int n, int k) {
    return raw_config{}.tile(0, m, 4 * n).tile(1, m, 4 * k).tile(2, k, 4 * n);
  };
  check_refused(three(4, 4, 4).tile(0, 5, 16), product, "C has 5 rows, A has 4");
  check_refused(three(4, 4, 4).tile(0, 4, 20), product, "C has 20 bytes per row, B has 16");
  check_refused(three(4, 4, 4).tile(2, 3, 16), product, "A has 16 bytes per row, B has 3 rows");
  check_refused(three(4, 4, 4).tile(1, 4, 14), product, "tmm1: 14 bytes per row, no multiple of 4");
  check_refused(three(4, 4, 4).tile(2, 0, 0), product,
                "tmm2 is not part of the tile configuration");
  check_refused(three(4, 4, 4).tile(0, 5, 16), bf16_product, "tdpbf16ps: tmm0 += tmm1 * tmm2");
  check_refused( // as bytes: assemblers refuse these too
      three(4, 4, 4), [] { asm volatile(".byte 0xc4, 0xe2, 0x70, 0x5e, 0xc1"); },
      "tdpbuud: tmm0 += tmm1 * tmm1: the three tiles must differ");
  check_refused(
      three(4, 4, 4), [] { asm volatile(".byte 0xc4, 0xe2, 0x79, 0x5e, 0xc1"); },
      "tdpbusd: tmm0 += tmm1 * tmm0: the three tiles must differ");
  check_refused(raw_config{}.tile(1, 4, 4), load_tile_0, "tmm0 is not part");
  check_refused(raw_config{}.tile(1, 4, 4), store_tile_0, "tmm0 is not part");
  check_refused(
      raw_config{}.tile(1, 4, 4), [] { asm volatile("tilezero %tmm0"); }, "tmm0 is not part");
  check_refused(raw_config{}.tile(0, 4, 6), load_tile_0, "6 bytes per row, no multiple of 4");
  check_refused(raw_config{}.tile(0, 4, 4).byte(1, 4), load_tile_0, "start row 4 of 4");
  check_refused(
      raw_config{}.tile(0, 4, 4),
      [] {
        asm volatile("tilerelease");
        load_tile_0();
      },
      "no tile configuration is loaded");
}

TEST_CASE("emulator: a legal sequence in a child comes to its end") {
  IA_NN_TEST_NEEDS_AMX();
  ia_nn_test::child_end const r = in_child([] {
    raw_config{}.tile(0, 4, 16).tile(1, 4, 16).tile(2, 4, 16).load();
    load_tile_0();
    product();
    store_tile_0();
    asm volatile("tilerelease");
  });
  CHECK(r.signal == 0);
  CHECK(r.text.empty());
}

#if defined(__SANITIZE_ADDRESS__)
#define IA_NN_TEST_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IA_NN_TEST_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(IA_NN_TEST_ADDRESS_SANITIZER)
TEST_CASE("emulator: the address sanitizer sees tile loads and stores behind a buffer") {
  IA_NN_TEST_NEEDS_AMX();
  if (emulator::amx_in_hardware()) {
    WARN("not checked: the CPU executes AMX itself");
    return;
  }
  constexpr char const* reason = "heap-buffer-overflow";
  auto const touch = [](unsigned long size, bool writes) {
    return in_child([=] {
      raw_config{}.tile(0, 16, 64).load();
      auto* const p = new std::uint8_t[size];
      if (writes) asm volatile("tilestored %%tmm0, (%0,%1,1)" : : "r"(p), "r"(64L) : "memory");
      else asm volatile("tileloadd (%0,%1,1), %%tmm0" : : "r"(p), "r"(64L) : "memory");
      delete[] p;
    });
  };
  for (bool writes : {false, true}) {
    CHECK(touch(1024, writes).signal == 0);
    ia_nn_test::child_end const r = touch(1020, writes);
    CHECK(r.signal != 0);
    CHECK(r.text.find(reason) != std::string::npos);
  }
}
#endif

TEST_CASE("emulator: other illegal instructions and sent signals still end the program") {
  REQUIRE(emulator::install());
  CHECK(in_child([] { asm volatile("ud2"); }).signal == SIGILL);
  CHECK(in_child([] { raise(SIGILL); }).signal == SIGILL);
  CHECK(in_child([] {
          asm volatile(".byte 0xc4, 0xe2, 0xfb, 0x4b, 0x34, 0x08"); // tileloadd with VEX.W = 1
        }).signal == SIGILL);
  CHECK(in_child([] {
          asm volatile("tilerelease\n\tud2"); // behind an instruction of ours as well
        }).signal == SIGILL);
}

TEST_CASE("emulator: an aligned load behind an emulated instruction still faults if misaligned") {
  REQUIRE(emulator::install());
  auto const load = [](unsigned long offset) {
    return in_child([=] {
      alignas(32) static std::uint8_t data[96];
      asm volatile("%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm1\n\tvmovdqa (%0), %%ymm0"
                   :
                   : "r"(data + offset)
                   : "xmm0", "xmm1", "memory");
    });
  };
  CHECK(load(32).signal == 0);
  CHECK(load(16).signal == SIGSEGV);
}

TEST_CASE("emulator: the handler that was there before gets what is not ours") {
  REQUIRE(emulator::install());
  ia_nn_test::child_end const r = in_child([] {
    struct sigaction own = {};
    own.sa_handler = [](int) { _exit(write(2, "before\n", 7) == 7 ? 0 : 1); };
    sigaction(SIGILL, &own, nullptr);
    if (!emulator::install()) _exit(3);
    if (!emulator::install()) _exit(4); // the second call must not make us our own predecessor
    asm volatile("ud2");
  });
  CHECK(r.signal == 0);
  CHECK(r.text == "before\n");
}

TEST_CASE("emulator: installing again works after somebody replaced the handler") {
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::signal(SIGILL, SIG_DFL);
    REQUIRE(emulator::install());
    asm volatile("tilerelease");
  }
}
