// SPDX-License-Identifier: Apache-2.0
//
// AMX tiles. GCC's intrinsics cannot take template arguments, and its tile load does not tell the
// optimizer what memory it reads, so the instructions are written in assembly; that also lets a
// translation unit without -mamx flags hold the kernels.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>

namespace amx {

/// The operand of LDTILECFG, palette 1: eight tiles of up to 16 rows of up to 64 bytes.
struct alignas(64) tile_config {
  u8 palette = 1;
  u8 start_row = 0;
  u8 reserved_a[14] = {};
  std::uint16_t row_bytes[8] = {};
  std::uint16_t reserved_b[8] = {};
  u8 rows[8] = {};
  u8 reserved_c[8] = {};
};
static_assert(sizeof(tile_config) == 64);

IA_NN_INLINE void load_config(tile_config const& c) noexcept {
  __asm__ volatile("ldtilecfg %0" ::"m"(c) : "memory");
}
IA_NN_INLINE void release() noexcept { __asm__ volatile("tilerelease" ::: "memory"); }

template <int N> IA_NN_INLINE void zero() noexcept {
  static_assert(N >= 0 && N < 8);
  __asm__ volatile("tilezero %%tmm%c0" ::"i"(N));
}
/// Rows `stride` bytes apart; stride 0 repeats one row. Streaming asks not to keep them in L1.
template <int N, bool Streaming = false> IA_NN_INLINE void load(void const* p, index_t stride) noexcept {
  static_assert(N >= 0 && N < 8);
  if constexpr (Streaming)
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(N) : "memory");
  else __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(N) : "memory");
}
template <int N> IA_NN_INLINE void store(void* p, index_t stride) noexcept {
  static_assert(N >= 0 && N < 8);
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(N) : "memory");
}

/// Tile C += A * B, where B has the kr values of k of one column side by side.
template <element A, element B, int C, int Ta, int Tb> IA_NN_INLINE void dot() noexcept {
  static_assert(C != Ta && C != Tb && Ta != Tb);
  if constexpr (std::same_as<A, bf16>)
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(Ta), "i"(Tb));
  else if constexpr (std::same_as<A, u8>)
    __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(Ta), "i"(Tb));
  else __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(Ta), "i"(Tb));
}

} // namespace amx

IA_NN_END
