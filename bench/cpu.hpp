// SPDX-License-Identifier: Apache-2.0
//
// What the machine is: instruction sets, caches, the CPUs this process may use. Written apart from
// the library's own detection, so that a mistake there cannot hide in the figures.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

/// Instruction sets the suites are measured on, in the spelling of `--isa` and of group names.
struct cpu_features {
  bool avx2 = false;      ///< AVX2 and FMA
  bool avx2_vnni = false; ///< vpdpbusd on ymm in the VEX encoding
  bool avx512 = false;    ///< F, BW, DQ, VL
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool amx = false; ///< tiles, int8 and bf16, and the kernel grants the tile state
};

/// Detected once. Asking for `amx` requests permission for the tile state from the kernel.
cpu_features const& features();

/// Names of the instruction sets above that this machine has, weakest first.
std::vector<std::string> available_isas();
bool isa_available(std::string const& name);

struct cache_sizes {
  std::size_t l1d = 0, l2 = 0, l3 = 0; ///< bytes; 0 if unknown
};
cache_sizes const& caches();

std::string cpu_model();
std::string cpu_id(); ///< family, model, stepping: some names tell the vendor alone
/// The feature flags that matter for kernels, as /proc/cpuinfo spells them.
std::vector<std::string> cpu_flags();

/// CPUs this process was allowed to use when it started.
std::vector<int> const& allowed_cpus();

/// Binds a thread of this process (0: the caller) to the `index`-th allowed CPU, cyclically.
void pin(int thread_id, std::size_t index);

/// Binds every thread of the process that has not been seen before to its own CPU: the n-th new one
/// to the n-th allowed CPU behind the caller's. Libraries create their workers on first use, and
/// those would inherit the single CPU of the thread that started them.
void pin_new_threads(int threads);

} // namespace bench
