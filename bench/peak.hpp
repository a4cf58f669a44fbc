// SPDX-License-Identifier: Apache-2.0
//
// What this machine can do at best, measured in the same run as everything else: arithmetic loops
// that touch registers only, the tile unit fed from the L2 cache, and read streams per cache level.
#pragma once

#include <string>
#include <vector>

namespace bench {

enum class peak {
  none,     ///< nothing comparable: no percentage is given
  fma_ymm,  ///< f32 vfmadd231ps, 256 bits
  fma_zmm,  ///< f32 vfmadd231ps, 512 bits
  madd_ymm, ///< s16 pairs, vpmaddwd + vpaddd: exact 8-bit products without VNNI
  madd_zmm,
  vnni_ymm,    ///< vpdpbusd in the VEX encoding
  vnni_zmm,    ///< vpdpbusd, 512 bits
  bf16_zmm,    ///< vdpbf16ps
  amx_int8,    ///< tdpbusd on resident tiles
  amx_bf16,    ///< tdpbf16ps on resident tiles
  amx_int8_l2, ///< a tile load from L2 for every tdpbusd
  amx_bf16_l2,
  stream_l1, ///< reads, bytes instead of operations
  stream_l2,
  stream_l3,
  stream_dram
};

std::vector<peak> all_peaks();
std::string name_of(peak kind);
/// "Gop/s" (a multiply and an add count as two) or "GB/s".
std::string unit_of(peak kind);
bool available(peak kind);

/// Sum over `threads` pinned threads that run at once, in 1e9 operations or bytes per second; the
/// best of several short windows, about 50 ms in all. 0 if the machine lacks the instruction.
/// A register loop does not see a neighbour that slows the caches down: see `probe_of`.
double measure(peak kind, int threads);

/// The loop fed from L2 that belongs to an arithmetic peak: both must hold still for a measurement
/// to count.
peak probe_of(peak kind);

} // namespace bench
