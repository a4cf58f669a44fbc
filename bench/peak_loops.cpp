// SPDX-License-Identifier: Apache-2.0
//
// Every loop is one asm block, so the figures depend neither on the compiler nor on its flags.
// Accumulators: 12 per vector loop (latency 4 times two issues needs 8), 20 for vdpbf16ps (latency 6
// times two issues on Zen 5: 12 reach 93 % of it), 4 per tile loop (latency 52, one tile product per
// 16 cycles). Operands are zero: the clock is at its best, so a
// percentage of these peaks is rather too low than too high.
#include "cpu.hpp"
#include "peak.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <thread>

namespace bench {
namespace {

#define IA_NN_BENCH_ACCUMULATORS "0,1,2,3,4,5,6,7,8,9,10,11"
#define IA_NN_BENCH_CLOBBERS                                                                       \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",         \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory"

#define IA_NN_BENCH_MORE_ACCUMULATORS IA_NN_BENCH_ACCUMULATORS ",16,17,18,19,20,21,22,23"
#define IA_NN_BENCH_MORE_CLOBBERS                                                                  \
  "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", IA_NN_BENCH_CLOBBERS

// A function that repeats `step` once per accumulator, `n` times over.
#define IA_NN_BENCH_LOOP(name, features, clear, step)                                              \
  IA_NN_BENCH_LOOP_OF(name, features, IA_NN_BENCH_ACCUMULATORS, (IA_NN_BENCH_CLOBBERS), clear, step)
#define IA_NN_BENCH_PLAIN(...) __VA_ARGS__
#define IA_NN_BENCH_LOOP_OF(name, features, accumulators, clobbers, clear, step)                   \
  __attribute__((noinline, target(features))) void name(std::size_t n, char const*, std::size_t) { \
    __asm__ volatile(".irp r," accumulators ",12,13,14,15\n" clear "\n.endr\n"                     \
                     "1:\n"                                                                        \
                     ".irp r," accumulators "\n" step "\n.endr\n"                                  \
                     "dec %0\n"                                                                    \
                     "jnz 1b\n"                                                                    \
                     "vzeroupper\n"                                                                \
                     : "+r"(n)                                                                     \
                     :                                                                             \
                     : IA_NN_BENCH_PLAIN clobbers);                                                \
  }

#define IA_NN_BENCH_CLEAR_YMM "vpxor %%ymm\\r,%%ymm\\r,%%ymm\\r"
#define IA_NN_BENCH_CLEAR_ZMM "vpxord %%zmm\\r,%%zmm\\r,%%zmm\\r"

IA_NN_BENCH_LOOP(fma_ymm, "avx2,fma", IA_NN_BENCH_CLEAR_YMM, "vfmadd231ps %%ymm14,%%ymm15,%%ymm\\r")
IA_NN_BENCH_LOOP(fma_zmm, "avx512f", IA_NN_BENCH_CLEAR_ZMM, "vfmadd231ps %%zmm14,%%zmm15,%%zmm\\r")
IA_NN_BENCH_LOOP(madd_ymm, "avx2", IA_NN_BENCH_CLEAR_YMM,
                 "vpmaddwd %%ymm14,%%ymm15,%%ymm13\nvpaddd %%ymm13,%%ymm\\r,%%ymm\\r")
IA_NN_BENCH_LOOP(madd_zmm, "avx512f,avx512bw", IA_NN_BENCH_CLEAR_ZMM,
                 "vpmaddwd %%zmm14,%%zmm15,%%zmm13\nvpaddd %%zmm13,%%zmm\\r,%%zmm\\r")
IA_NN_BENCH_LOOP(vnni_ymm, "avx2,avxvnni", IA_NN_BENCH_CLEAR_YMM,
                 "%{vex%} vpdpbusd %%ymm14,%%ymm15,%%ymm\\r")
IA_NN_BENCH_LOOP(vnni_zmm, "avx512f,avx512vnni", IA_NN_BENCH_CLEAR_ZMM,
                 "vpdpbusd %%zmm14,%%zmm15,%%zmm\\r")
IA_NN_BENCH_LOOP_OF(bf16_zmm, "avx512f,avx512bf16", IA_NN_BENCH_MORE_ACCUMULATORS,
                    (IA_NN_BENCH_MORE_CLOBBERS), IA_NN_BENCH_CLEAR_ZMM,
                    "vdpbf16ps %%zmm14,%%zmm15,%%zmm\\r")

// Eight full tiles: 0-3 accumulate, 4-5 hold A, 6-7 hold B.
struct alignas(64) tile_config {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(tile_config) == 64);

#define IA_NN_BENCH_TILES "amx-tile,amx-int8,amx-bf16"
#define IA_NN_BENCH_TILE_BLOCK(product)                                                            \
  product " %%tmm6,%%tmm4,%%tmm0\n" product " %%tmm7,%%tmm4,%%tmm1\n" product                      \
          " %%tmm6,%%tmm5,%%tmm2\n" product " %%tmm7,%%tmm5,%%tmm3\n"

// The configuration is an operand of its full 64 bytes, so that all of it is stored before.
#define IA_NN_BENCH_TILE_SETUP                                                                     \
  "ldtilecfg %[config]\n"                                                                          \
  "tilezero %%tmm0\ntilezero %%tmm1\ntilezero %%tmm2\ntilezero %%tmm3\n"                           \
  "tilezero %%tmm4\ntilezero %%tmm5\ntilezero %%tmm6\ntilezero %%tmm7\n"

#define IA_NN_BENCH_TILE_LOOP(name, product)                                                       \
  __attribute__((noinline, target(IA_NN_BENCH_TILES))) void name(std::size_t n, char const*,       \
                                                                 std::size_t) {                    \
    tile_config const config;                                                                      \
    __asm__ volatile(IA_NN_BENCH_TILE_SETUP "1:\n" IA_NN_BENCH_TILE_BLOCK(product) "dec %[n]\n"    \
                                                                                   "jnz 1b\n"      \
                                                                                   "tilerelease\n" \
                     : [n] "+r"(n)                                                                 \
                     : [config] "m"(config)                                                        \
                     : "cc", "memory");                                                            \
  }

// One pass reads the buffer once: four tiles (4 KB) and four products per step.
#define IA_NN_BENCH_TILE_FEED(name, product)                                                       \
  __attribute__((noinline, target(IA_NN_BENCH_TILES))) void name(                                  \
      std::size_t passes, char const* data, std::size_t bytes) {                                   \
    tile_config const config;                                                                      \
    char const* p = data;                                                                          \
    char const* const end = data + bytes;                                                          \
    std::size_t const row = 64;                                                                    \
    __asm__ volatile(IA_NN_BENCH_TILE_SETUP                                                        \
                     "2: mov %[data],%[p]\n"                                                       \
                     "1:\n"                                                                        \
                     "tileloadd (%[p],%[row],1),%%tmm4\n"                                          \
                     "tileloadd 1024(%[p],%[row],1),%%tmm5\n"                                      \
                     "tileloadd 2048(%[p],%[row],1),%%tmm6\n"                                      \
                     "tileloadd 3072(%[p],%[row],1),%%tmm7\n" IA_NN_BENCH_TILE_BLOCK(              \
                         product) "add $4096,%[p]\n"                                               \
                                  "cmp %[end],%[p]\n"                                              \
                                  "jb 1b\n"                                                        \
                                  "dec %[passes]\n"                                                \
                                  "jnz 2b\n"                                                       \
                                  "tilerelease\n"                                                  \
                     : [passes] "+r"(passes), [p] "+&r"(p)                                         \
                     : [config] "m"(config), [data] "r"(data), [end] "r"(end), [row] "r"(row)      \
                     : "cc", "memory");                                                            \
  }

IA_NN_BENCH_TILE_LOOP(amx_int8, "tdpbusd")
IA_NN_BENCH_TILE_LOOP(amx_bf16, "tdpbf16ps")
IA_NN_BENCH_TILE_FEED(amx_int8_l2, "tdpbusd")
IA_NN_BENCH_TILE_FEED(amx_bf16_l2, "tdpbf16ps")

// Reads the buffer `passes` times, 512 bytes per step.
#define IA_NN_BENCH_STREAM(name, features, offsets, load)                                          \
  __attribute__((noinline, target(features))) void name(std::size_t passes, char const* data,      \
                                                        std::size_t bytes) {                       \
    char const* p = data;                                                                          \
    char const* const end = data + bytes;                                                          \
    __asm__ volatile("2: mov %[data],%[p]\n"                                                       \
                     "1:\n"                                                                        \
                     ".irp o," offsets "\n" load "\n.endr\n"                                       \
                     "add $512,%[p]\n"                                                             \
                     "cmp %[end],%[p]\n"                                                           \
                     "jb 1b\n"                                                                     \
                     "dec %[passes]\n"                                                             \
                     "jnz 2b\n"                                                                    \
                     "vzeroupper\n"                                                                \
                     : [passes] "+r"(passes), [p] "+&r"(p)                                         \
                     : [data] "r"(data), [end] "r"(end)                                            \
                     : "xmm0", "cc", "memory");                                                    \
  }

IA_NN_BENCH_STREAM(stream_ymm, "avx2", "0,32,64,96,128,160,192,224,256,288,320,352,384,416,448,480",
                   "vmovaps \\o(%[p]),%%ymm0")
IA_NN_BENCH_STREAM(stream_zmm, "avx512f", "0,64,128,192,256,320,384,448",
                   "vmovaps \\o(%[p]),%%zmm0")

struct loop {
  void (*run)(std::size_t repetitions, char const* data, std::size_t bytes) = nullptr;
  double work = 0;       // operations, or bytes, per repetition
  std::size_t bytes = 0; // of the buffer a thread reads; 0: none
};

constexpr double vector_work(int lanes, int accumulators = 12) {
  return 2.0 * lanes * accumulators;
}

std::size_t stream_bytes(peak kind, int threads) {
  cache_sizes const& c = caches();
  std::size_t const l1 = c.l1d != 0 ? c.l1d : 32768, l2 = c.l2 != 0 ? c.l2 : 1U << 20;
  std::size_t const l3 = c.l3 != 0 ? c.l3 : 16U << 20;
  auto const team = static_cast<std::size_t>(threads);
  auto const steps = [](std::size_t bytes) { return std::max<std::size_t>(bytes & ~4095UL, 4096); };
  switch (kind) {
  case peak::stream_l1:
    return steps(l1 / 2);
  case peak::stream_l3:
    return steps(std::max(std::min(l3 / 2 / team, 4 * l2), 2 * l2));
  case peak::stream_dram:
    return steps(std::clamp<std::size_t>(2 * l3, 128U << 20, 256U << 20) / team);
  default:
    return steps(l2 / 2);
  }
}

loop loop_of(peak kind, int threads) {
  // a full tile product: 16 rows, 16 columns, 64 (int8) or 32 (bf16) products each
  constexpr double tile_int8 = 4 * 16.0 * 16 * 64 * 2, tile_bf16 = tile_int8 / 2;
  switch (kind) {
  case peak::none:
    return {};
  case peak::fma_ymm:
    return {fma_ymm, vector_work(8), 0};
  case peak::fma_zmm:
    return {fma_zmm, vector_work(16), 0};
  case peak::madd_ymm:
    return {madd_ymm, vector_work(16), 0};
  case peak::madd_zmm:
    return {madd_zmm, vector_work(32), 0};
  case peak::vnni_ymm:
    return {vnni_ymm, vector_work(32), 0};
  case peak::vnni_zmm:
    return {vnni_zmm, vector_work(64), 0};
  case peak::bf16_zmm:
    return {bf16_zmm, vector_work(32, 20), 0};
  case peak::amx_int8:
    return {amx_int8, tile_int8, 0};
  case peak::amx_bf16:
    return {amx_bf16, tile_bf16, 0};
  case peak::amx_int8_l2:
  case peak::amx_bf16_l2: {
    std::size_t const bytes = stream_bytes(kind, threads);
    double const steps = static_cast<double>(bytes) / 4096;
    return kind == peak::amx_int8_l2 ? loop{amx_int8_l2, steps * tile_int8, bytes}
                                     : loop{amx_bf16_l2, steps * tile_bf16, bytes};
  }
  case peak::stream_l1:
  case peak::stream_l2:
  case peak::stream_l3:
  case peak::stream_dram: {
    std::size_t const bytes = stream_bytes(kind, threads);
    return {features().avx512 ? stream_zmm : stream_ymm, static_cast<double>(bytes), bytes};
  }
  }
  return {};
}

double seconds() {
  using clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

class barrier { // spins: the threads must leave it together
public:
  explicit barrier(int threads) : threads_(threads) {}
  void wait() {
    int const round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins)
      if (spins > 100000) std::this_thread::yield();
  }

private:
  int threads_;
  std::atomic<int> arrived_{0}, round_{0};
};

class buffer { // zeroed by the thread that makes it, in large pages where the system has them
public:
  explicit buffer(std::size_t bytes) {
    constexpr std::size_t page = 2U << 20;
    if (bytes == 0) return;
    std::size_t const padded = (bytes + page - 1) / page * page;
    data_ = static_cast<char*>(std::aligned_alloc(page, padded));
    if (data_ == nullptr) return;
    madvise(data_, padded, MADV_HUGEPAGE);
    std::memset(data_, 0, padded);
  }
  ~buffer() { std::free(data_); }
  buffer(buffer const&) = delete;
  buffer& operator=(buffer const&) = delete;
  char const* data() const { return data_; }

private:
  char* data_ = nullptr;
};

} // namespace

std::vector<peak> all_peaks() {
  return {peak::fma_ymm,     peak::fma_zmm,   peak::madd_ymm,  peak::madd_zmm,  peak::vnni_ymm,
          peak::vnni_zmm,    peak::bf16_zmm,  peak::amx_int8,  peak::amx_bf16,  peak::amx_int8_l2,
          peak::amx_bf16_l2, peak::stream_l1, peak::stream_l2, peak::stream_l3, peak::stream_dram};
}

std::string name_of(peak kind) {
  switch (kind) {
  case peak::none:
    return "none";
  case peak::fma_ymm:
    return "f32 fma ymm";
  case peak::fma_zmm:
    return "f32 fma zmm";
  case peak::madd_ymm:
    return "s16 madd ymm";
  case peak::madd_zmm:
    return "s16 madd zmm";
  case peak::vnni_ymm:
    return "int8 vnni ymm";
  case peak::vnni_zmm:
    return "int8 vnni zmm";
  case peak::bf16_zmm:
    return "bf16 dot zmm";
  case peak::amx_int8:
    return "int8 amx";
  case peak::amx_bf16:
    return "bf16 amx";
  case peak::amx_int8_l2:
    return "int8 amx from L2";
  case peak::amx_bf16_l2:
    return "bf16 amx from L2";
  case peak::stream_l1:
    return "read L1";
  case peak::stream_l2:
    return "read L2";
  case peak::stream_l3:
    return "read L3";
  case peak::stream_dram:
    return "read DRAM";
  }
  return {};
}

std::string unit_of(peak kind) { return kind >= peak::stream_l1 ? "GB/s" : "Gop/s"; }

bool available(peak kind) {
  cpu_features const& f = features();
  switch (kind) {
  case peak::none:
    return false;
  case peak::fma_zmm:
  case peak::madd_zmm:
    return f.avx512;
  case peak::vnni_ymm:
    return f.avx2_vnni;
  case peak::vnni_zmm:
    return f.avx512_vnni;
  case peak::bf16_zmm:
    return f.avx512_bf16;
  case peak::amx_int8:
  case peak::amx_bf16:
  case peak::amx_int8_l2:
  case peak::amx_bf16_l2:
    return f.amx;
  default:
    return f.avx2;
  }
}

peak probe_of(peak kind) {
  if (kind == peak::amx_int8) return peak::amx_int8_l2;
  if (kind == peak::amx_bf16) return peak::amx_bf16_l2;
  return peak::stream_l2;
}

double measure(peak kind, int threads) {
  if (!available(kind) || threads < 1) return 0;
  constexpr int windows = 6;
  constexpr double window_seconds = 6e-3;
  loop const l = loop_of(kind, threads);
  auto const team = static_cast<std::size_t>(threads);
  std::vector<double> rates(team * windows, 0.0);
  std::size_t repetitions = 1;
  barrier gate(threads);

  auto const work = [&](std::size_t index) {
    pin(0, index);
    buffer const data(l.bytes);
    if (index == 0) // the first thread finds out how many repetitions fill a window
      for (double took = 0;;) {
        double const start = seconds();
        l.run(repetitions, data.data(), l.bytes);
        took = seconds() - start;
        if (took > window_seconds / 8) {
          double const scaled = static_cast<double>(repetitions) * window_seconds / took;
          repetitions = std::max<std::size_t>(1, static_cast<std::size_t>(scaled));
          break;
        }
        repetitions *= 4;
      }
    for (int w = 0; w < windows; ++w) {
      gate.wait();
      double const start = seconds();
      l.run(repetitions, data.data(), l.bytes);
      double const took = seconds() - start;
      rates[index * windows + static_cast<std::size_t>(w)] =
          static_cast<double>(repetitions) * l.work / took * 1e-9;
    }
  };

  std::vector<std::thread> others;
  for (std::size_t i = 1; i < team; ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& t : others) t.join();

  double best = 0;
  for (std::size_t w = 0; w < windows; ++w) {
    double sum = 0;
    for (std::size_t i = 0; i < team; ++i) sum += rates[i * windows + w];
    best = std::max(best, sum);
  }
  return best;
}

} // namespace bench
