// SPDX-License-Identifier: Apache-2.0
#include "cpu.hpp"

#include <algorithm>
#include <cpuid.h>
#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <sched.h>
#include <set>
#include <sstream>
#include <sys/syscall.h>
#include <unistd.h>

namespace bench {
namespace {

struct leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

leaf cpuid(unsigned number, unsigned sub = 0) {
  leaf r;
  if (!__get_cpuid_count(number, sub, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}

bool bit(unsigned word, int n) { return ((word >> n) & 1U) != 0; }

unsigned enabled_state() { // XCR0: which register files the operating system saves
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool request_tiles() {
  constexpr long request_permission = 0x1023, tile_data = 18; // arch_prctl, ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

cpu_features detect() {
  cpu_features f;
  leaf const one = cpuid(1);
  if (!bit(one.c, 27)) return f; // no xgetbv
  unsigned const state = enabled_state();
  bool const ymm = (state & 0x6U) == 0x6U;
  bool const zmm = ymm && (state & 0xe0U) == 0xe0U;
  bool const tiles = (state & 0x60000U) == 0x60000U;
  leaf const seven = cpuid(7), more = cpuid(7, 1);
  f.avx2 = ymm && bit(one.c, 12) && bit(seven.b, 5);
  f.avx2_vnni = f.avx2 && bit(more.a, 4);
  f.avx512 =
      f.avx2 && zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);
  f.avx512_vnni = f.avx512 && bit(seven.c, 11);
  f.avx512_bf16 = f.avx512_vnni && bit(more.a, 5);
  f.amx = f.avx512_bf16 && tiles && bit(seven.d, 22) && bit(seven.d, 24) && bit(seven.d, 25) &&
          request_tiles();
  return f;
}

cache_sizes detect_caches() {
  cache_sizes c;
  for (unsigned number : {0x4U, 0x8000001dU}) { // Intel's leaf, then AMD's: the same fields
    if (number >= 0x80000000U && cpuid(0x80000000U).a < number) continue;
    for (unsigned sub = 0; sub < 8; ++sub) {
      leaf const r = cpuid(number, sub);
      unsigned const kind = r.a & 31U, level = (r.a >> 5) & 7U;
      if (kind == 0) break;
      if (kind == 2) continue; // instructions
      std::size_t const bytes = std::size_t{(r.b >> 22) + 1} * (((r.b >> 12) & 1023U) + 1) *
                                ((r.b & 4095U) + 1) * (std::size_t{r.c} + 1);
      (level == 1 ? c.l1d : level == 2 ? c.l2 : c.l3) = bytes;
    }
    if (c.l1d != 0) return c;
  }
  auto const ask = [](int name) {
    long const bytes = sysconf(name);
    return bytes > 0 ? static_cast<std::size_t>(bytes) : std::size_t{0};
  };
  return {ask(_SC_LEVEL1_DCACHE_SIZE), ask(_SC_LEVEL2_CACHE_SIZE), ask(_SC_LEVEL3_CACHE_SIZE)};
}

std::string cpuinfo(std::string const& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.compare(0, key.size(), key) == 0) {
      auto const colon = line.find(": ");
      return colon == std::string::npos ? std::string() : line.substr(colon + 2);
    }
  return {};
}

void set_affinity(int thread_id, std::vector<int> const& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu : cpus) CPU_SET(static_cast<unsigned>(cpu), &set);
  sched_setaffinity(thread_id, sizeof set, &set); // a refusal costs steadiness, not correctness
}

} // namespace

cpu_features const& features() {
  static cpu_features const f = detect();
  return f;
}

std::vector<std::string> available_isas() {
  cpu_features const& f = features();
  std::vector<std::string> names;
  if (f.avx2) names.emplace_back("avx2");
  if (f.avx2_vnni) names.emplace_back("avx2_vnni");
  if (f.avx512) names.emplace_back("avx512");
  if (f.avx512_vnni) names.emplace_back("avx512_vnni");
  if (f.avx512_bf16) names.emplace_back("avx512_bf16");
  if (f.amx) names.emplace_back("amx");
  return names;
}

bool isa_available(std::string const& name) {
  auto const names = available_isas();
  return std::find(names.begin(), names.end(), name) != names.end();
}

cache_sizes const& caches() {
  static cache_sizes const c = detect_caches();
  return c;
}

std::string cpu_model() { return cpuinfo("model name"); }

std::string cpu_id() {
  return "family " + cpuinfo("cpu family") + ", model " + cpuinfo("model") + ", stepping " +
         cpuinfo("stepping");
}

std::vector<std::string> cpu_flags() {
  std::istringstream words(cpuinfo("flags"));
  std::vector<std::string> flags;
  for (std::string word; words >> word;)
    if (word.rfind("avx", 0) == 0 || word.rfind("amx", 0) == 0 || word == "fma" || word == "f16c" ||
        word == "hypervisor")
      flags.push_back(word);
  return flags;
}

std::vector<int> const& allowed_cpus() {
  static std::vector<int> const cpus = [] {
    std::vector<int> list;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
      for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &set)) list.push_back(static_cast<int>(cpu));
    if (list.empty()) list.push_back(0);
    return list;
  }();
  return cpus;
}

void pin(int thread_id, std::size_t index) {
  auto const& cpus = allowed_cpus();
  set_affinity(thread_id, {cpus[index % cpus.size()]});
}

void pin_new_threads(int threads) {
  static std::set<int> seen;
  static std::size_t next = 1;
  DIR* const directory = opendir("/proc/self/task");
  if (directory == nullptr) return;
  std::set<int> now;
  while (dirent const* entry = readdir(directory))
    if (int const id = std::atoi(entry->d_name); id > 0) now.insert(id);
  closedir(directory);
  bool fresh = false;
  for (int id : now) {
    if (id == getpid() || seen.count(id) != 0) continue;
    if (!fresh) next = 1, fresh = true; // each library's team starts behind the main thread
    pin(id, next);
    next = next + 1 < static_cast<std::size_t>(threads) ? next + 1 : 1;
    seen.insert(id);
  }
}

} // namespace bench
