// SPDX-License-Identifier: Apache-2.0
//
// AMX configuration, loads, stores, and their encodings. Whether the CPU or the emulator
// executes is not asked, except where the emulator's own counters are the subject.
#include "../emulator/amx_asm.hpp"
#include "../emulator/needs_amx.hpp"

#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

namespace emulator = ia_nn_test::emulator;
using namespace ia_nn_test::amx_asm;

TEST_CASE("amx: a product of one column is stored as one column") {
  IA_NN_TEST_NEEDS_AMX();
  std::uint16_t const infinities[2] = {0x7f80, 0x7f80}, twos[2] = {0x4000, 0x4000};
  load_config(tile_config{}.tile(0, 1, 4).tile(1, 1, 4).tile(2, 1, 4));
  zero<0>();
  load<1>(infinities, 4);
  load<2>(twos, 4);
  multiply<product::bf16, 0, 1, 2>();
  float c[17];
  for (float& x : c) x = 5;
  store<0>(c, 64);
  release();
  CHECK(c[0] == std::numeric_limits<float>::infinity());
  for (int i = 1; i < 17; ++i) CHECK(c[i] == 5.0f); // a store writes the configured bytes only
}

TEST_CASE("amx: configuration, release and the initial state") {
  IA_NN_TEST_NEEDS_AMX();
  release();
  tile_config zeros;
  zeros.palette = 0;
  tile_config c;
  for (int t = 0; t < 7; ++t) c.tile(t, 2 * t + 1, 64 - 4 * t); // tile 7 stays unused
  tile_config before = stored_config();
  CHECK(std::memcmp(&before, &zeros, 64) == 0);
  load_config(c);
  tile_config loaded = stored_config();
  CHECK(std::memcmp(&loaded, &c, 64) == 0);

  tile_config garbage; // palette 0 is the initial state whatever else the bytes say
  std::memset(static_cast<void*>(&garbage), 0xff, sizeof garbage);
  garbage.palette = 0;
  load_config(garbage);
  tile_config reset = stored_config();
  CHECK(std::memcmp(&reset, &zeros, 64) == 0);

  load_config(c);
  release();
  tile_config after = stored_config();
  CHECK(std::memcmp(&after, &zeros, 64) == 0);

  // Loading a configuration zeroes the tiles.
  std::mt19937 random(3);
  bytes const data = random_bytes(1024, random);
  bytes out(1024, 0xaa);
  load_config(tile_config::full());
  load<4>(data.data(), 64);
  load_config(tile_config::full());
  store<4>(out.data(), 64);
  release();
  CHECK(out == bytes(1024, 0));
}

TEST_CASE("amx: a load replaces the tile, and only its own rows and columns") {
  IA_NN_TEST_NEEDS_AMX();
  std::mt19937 random(5);
  bytes const data = random_bytes(1024, random);
  load_config(tile_config::full());
  load<3>(data.data(), 64);
  load<2>(data.data(), 64);
  zero<2>();
  bytes kept(1024), zeroed(1024, 1);
  store<3>(kept.data(), 64);
  store<2>(zeroed.data(), 64);
  CHECK(kept == data);
  CHECK(zeroed == bytes(1024, 0));

  load_config(tile_config{}.tile(3, 5, 12)); // five rows of twelve bytes, at a distance of 20
  bytes out(5 * 20, 0xbb);
  load<3>(data.data(), 7); // rows may overlap and need no alignment
  store<3>(out.data(), 20);
  release();
  for (std::size_t row = 0; row < 5; ++row)
    for (std::size_t i = 0; i < 20; ++i)
      CHECK(out[20 * row + i] == (i < 12 ? data[7 * row + i] : 0xbb));
}

TEST_CASE("amx: a load begins at start_row, zeroes the rows above, and resets it") {
  IA_NN_TEST_NEEDS_AMX();
  std::mt19937 random(6);
  bytes const data = random_bytes(1024, random), first = random_bytes(1024, random);
  tile_config c = tile_config::full();
  c.start_row = 5;
  load_config(c);
  CHECK(stored_config().start_row == 5);
  load<0>(data.data(), 64);
  CHECK(stored_config().start_row == 0);
  bytes out(1024, 1);
  store<0>(out.data(), 64);
  for (std::size_t i = 0; i < 1024; ++i) REQUIRE(out[i] == (i < 5 * 64 ? 0 : data[i]));

  load_config(c);
  bytes untouched = first; // a store begins there as well: tiles are zero now
  store<0>(untouched.data(), 64);
  release();
  for (std::size_t i = 0; i < 1024; ++i) REQUIRE(untouched[i] == (i < 5 * 64 ? first[i] : 0));
}

// ---- encodings of the memory operand ----------------------------------------------------------

namespace {

// Loads with the given registers, stores through plain ones. `offset` is what the displacement and
// the base add up to, so that every case must find the same bytes.
#define IA_NN_TEST_ENCODING(base, index, scale, text, offset)                                      \
  {"tileloadd " text, scale, offset, [](void const* address, long index_value) {                   \
     asm volatile("mov %%rax, %%" base "\n\tmov %%rdx, %%" index "\n\ttileloadd " text ", %%tmm6"  \
                  :                                                                                \
                  : "a"(address), "d"(index_value)                                                 \
                  : base, index, "memory");                                                        \
   }}

struct encoding {
  char const* text;
  long scale;
  long offset;
  void (*run)(void const* address, long index_value);
};

encoding const encodings[] = {
    IA_NN_TEST_ENCODING("rcx", "rsi", 1, "(%%rcx,%%rsi,1)", 0),
    IA_NN_TEST_ENCODING("rsi", "rcx", 2, "(%%rsi,%%rcx,2)", 0),
    IA_NN_TEST_ENCODING("rdi", "r8", 4, "(%%rdi,%%r8,4)", 0),
    IA_NN_TEST_ENCODING("r8", "rdi", 8, "(%%r8,%%rdi,8)", 0),
    IA_NN_TEST_ENCODING("r9", "r10", 1, "16(%%r9,%%r10,1)", 16),
    IA_NN_TEST_ENCODING("r10", "r9", 2, "-128(%%r10,%%r9,2)", -128),
    IA_NN_TEST_ENCODING("r11", "r12", 4, "127(%%r11,%%r12,4)", 127),
    IA_NN_TEST_ENCODING("r12", "r13", 1, "(%%r12,%%r13,1)", 0),
    IA_NN_TEST_ENCODING("r12", "r14", 8, "8(%%r12,%%r14,8)", 8),
    IA_NN_TEST_ENCODING("r13", "r12", 1, "(%%r13,%%r12,1)", 0),
    IA_NN_TEST_ENCODING("r13", "r15", 2, "-4096(%%r13,%%r15,2)", -4096),
    IA_NN_TEST_ENCODING("r14", "r11", 1, "305419896(%%r14,%%r11,1)", 305419896),
    IA_NN_TEST_ENCODING("r15", "r12", 4, "-305419896(%%r15,%%r12,4)", -305419896),
    IA_NN_TEST_ENCODING("rcx", "r13", 8, "1(%%rcx,%%r13,8)", 1),
    IA_NN_TEST_ENCODING("rdi", "rsi", 1, "2147483647(%%rdi,%%rsi,1)", 2147483647L),
    {"tileloadd (%rbp,index)", 1, 0,
     [](void const* address, long index_value) {
       asm volatile("xchg %%rbp, %%rax\n\ttileloadd (%%rbp,%%rdx,1), %%tmm6\n\txchg %%rbp, %%rax"
                    : "+a"(address)
                    : "d"(index_value)
                    : "memory");
     }},
    {"tileloadd 64(%rcx,%rbp)", 1, 64,
     [](void const* address, long index_value) {
       asm volatile("xchg %%rbp, %%rdx\n\ttileloadd 64(%%rax,%%rbp,1), %%tmm6\n\txchg %%rbp, %%rdx"
                    : "+d"(index_value)
                    : "a"(address)
                    : "memory");
     }},
};

} // namespace

TEST_CASE("amx: every base and index register, scale, displacement and sign of stride") {
  IA_NN_TEST_NEEDS_AMX();
  std::mt19937 random(8);
  constexpr long spread = 200; // bytes between rows
  bytes const memory = random_bytes(32 * spread, random);
  load_config(tile_config{}.tile(6, 9, 36));
  for (encoding const& e : encodings)
    for (long stride : {spread, -spread, 64L, 8L, 0L}) {
      INFO(e.text << ", scale " << e.scale << ", stride " << stride);
      std::uint8_t const* const first = memory.data() + 10 * spread;
      // Integer arithmetic: the base alone may point far outside of any object.
      auto const base =
          reinterpret_cast<std::uintptr_t>(first) - static_cast<std::uintptr_t>(e.offset);
      e.run(reinterpret_cast<void const*>(base), stride / e.scale);
      bytes out(9 * 36);
      store<6>(out.data(), 36);
      bool same = true;
      for (long row = 0; row < 9; ++row)
        same = same && std::memcmp(out.data() + 36 * row, first + row * stride, 36) == 0;
      CHECK(same);
    }
  release();
}

TEST_CASE("amx: loads and stores touch the configured bytes only") {
  IA_NN_TEST_NEEDS_AMX();
  auto const page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const pages =
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(pages != MAP_FAILED);
  std::uint8_t* const end = static_cast<std::uint8_t*>(pages) + page;
  REQUIRE(mprotect(end, page, PROT_NONE) == 0); // from here on every access faults
  for (int i = 0; i < 64; ++i) end[-1 - i] = static_cast<std::uint8_t>(i);
  load_config(tile_config{}.tile(0, 3, 20).tile(1, 3, 20));
  load<0>(end - 60, 20);
  load_t1<1>(end - 20, -20);
  bytes forward(60), backward(60);
  store<0>(forward.data(), 20);
  store<1>(backward.data(), 20);
  store<0>(end - 60, 20);
  store<0>(end - 20, -20);
  release();
  for (std::size_t i = 0; i < 60; ++i) {
    CHECK(forward[i] == 59 - i);
    CHECK(backward[i] == forward[(2 - i / 20) * 20 + i % 20]);
    CHECK(end[static_cast<long>(i) - 60] == backward[i]);
  }
  CHECK(munmap(pages, 2 * page) == 0);
}

TEST_CASE("amx: no index register means stride zero, on the stack and off it") {
  IA_NN_TEST_NEEDS_AMX();
  std::mt19937 random(9);
  bytes const memory = random_bytes(2048, random);
  bytes out(3 * 64);
  load_config(tile_config{}.tile(6, 3, 64));
  asm volatile(".byte 0xc4, 0xe2, 0x7b, 0x4b, 0x74, 0x20, 0x05" // tileloadd 5(%rax), tmm6
               :
               : "a"(memory.data())
               : "memory");
  store<6>(out.data(), 64);
  for (std::size_t row = 0; row < 3; ++row)
    CHECK(std::memcmp(out.data() + 64 * row, memory.data() + 5, 64) == 0);

  // rsp as the base, below a copy of the data made on the stack.
  void const* source = memory.data();
  asm volatile("mov %%rsp, %%r15\n\t"
               "sub $4096, %%rsp\n\t" // beyond the red zone
               "lea 96(%%rsp), %%rdi\n\t"
               "mov $1024, %%ecx\n\t"
               "rep movsb\n\t"
               "mov $128, %%edx\n\t"
               "tileloadd 96(%%rsp,%%rdx,2), %%tmm6\n\t"
               "mov %%r15, %%rsp"
               : "+S"(source)
               :
               : "rcx", "rdx", "rdi", "r15", "memory", "cc");
  store<6>(out.data(), 64);
  for (std::size_t row = 0; row < 3; ++row)
    CHECK(std::memcmp(out.data() + 64 * row, memory.data() + 256 * row, 64) == 0);

  bytes target(1024, 7); // stores decode the same operand
  asm volatile("mov %0, %%r13\n\tmov $96, %%r12d\n\ttilestored %%tmm6, 3(%%r13,%%r12,1)"
               :
               : "r"(target.data())
               : "r12", "r13", "memory");
  for (std::size_t row = 0; row < 3; ++row)
    CHECK(std::memcmp(target.data() + 3 + 96 * row, memory.data() + 256 * row, 64) == 0);
  CHECK(target[2] == 7);
  CHECK(target[3 + 64] == 7);
  release();
}

namespace {
alignas(64) tile_config const static_config = tile_config{}.tile(1, 4, 20);
alignas(64) thread_local tile_config thread_config;
} // namespace

TEST_CASE("amx: configurations in static and thread-local storage") {
  IA_NN_TEST_NEEDS_AMX();
  release();
  load_config(static_config); // relative to RIP in position-independent code
  tile_config c = stored_config();
  CHECK(std::memcmp(&c, &static_config, 64) == 0);
  thread_config = tile_config{}.tile(2, 8, 24);
  load_config(thread_config); // usually through FS
  asm volatile("sttilecfg %0" : "=m"(thread_config));
  c = tile_config{}.tile(2, 8, 24);
  CHECK(std::memcmp(&thread_config, &c, 64) == 0);

  auto const displacement = [](tile_config const* at) { // a 32-bit displacement and an index
    asm volatile("ldtilecfg 4096(%0,%1,8)"
                 :
                 : "r"(reinterpret_cast<std::uintptr_t>(at) - 4096 + 512), "r"(-64L)
                 : "memory");
  };
  displacement(&static_config);
  c = stored_config();
  CHECK(std::memcmp(&c, &static_config, 64) == 0);
  release();
}

TEST_CASE("amx: flags and general registers survive") {
  IA_NN_TEST_NEEDS_AMX();
  load_config(tile_config::full());
  std::uint64_t registers[5] = {};
  std::uint8_t carry = 0, not_zero = 0;
  asm volatile("mov $0x1111, %%eax\n\tmov $0x2222, %%ecx\n\tmov $0x3333, %%r8d\n\t"
               "mov $0x4444, %%r11d\n\tmov $0x5555, %%r15d\n\t"
               "cmp $2, %%edx\n\t" // 1 - 2: carry set, zero clear
               "tilezero %%tmm0\n\ttilezero %%tmm7\n\t"
               "setc %0\n\tsetnz %1\n\t"
               "mov %%rax, (%%rdi)\n\tmov %%rcx, 8(%%rdi)\n\tmov %%r8, 16(%%rdi)\n\t"
               "mov %%r11, 24(%%rdi)\n\tmov %%r15, 32(%%rdi)"
               : "=m"(carry), "=m"(not_zero)
               : "D"(registers), "d"(1)
               : "rax", "rcx", "r8", "r11", "r15", "memory", "cc");
  release();
  CHECK(carry == 1);
  CHECK(not_zero == 1);
  CHECK(registers[0] == 0x1111);
  CHECK(registers[1] == 0x2222);
  CHECK(registers[2] == 0x3333);
  CHECK(registers[3] == 0x4444);
  CHECK(registers[4] == 0x5555);
}

TEST_CASE("amx: the emulator counts exactly what the CPU does not execute") {
  IA_NN_TEST_NEEDS_AMX();
  long long const before = emulator::amx_count();
  load_config(tile_config::full());
  zero<0>();
  zero<1>();
  release();
  CHECK(emulator::amx_count() - before == (emulator::amx_in_hardware() ? 0 : 4));
  long long const traps = emulator::trap_count();
  tile_config const full = tile_config::full();
  asm volatile("ldtilecfg %0\n\ttilezero %%tmm0\n\ttilezero %%tmm1\n\ttilerelease" : : "m"(full));
  CHECK(emulator::trap_count() - traps == (emulator::amx_in_hardware() ? 0 : 1));
  CHECK(emulator::count() == emulator::amx_count() + emulator::avx_vnni_count());
}
