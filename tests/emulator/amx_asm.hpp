// SPDX-License-Identifier: Apache-2.0
//
// AMX instructions as functions, for the tests of the emulator: nothing but the assembler stands
// between a test and the encoding, and no header of the library is involved.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace ia_nn_test::amx_asm {

struct alignas(64) tile_config {
  std::uint8_t palette = 1, start_row = 0, reserved0[14] = {};
  std::uint16_t bytes[8] = {};
  std::uint8_t reserved1[16] = {}, rows[8] = {}, reserved2[8] = {};

  tile_config& tile(int t, int row_count, int byte_count) {
    rows[t] = static_cast<std::uint8_t>(row_count);
    bytes[t] = static_cast<std::uint16_t>(byte_count);
    return *this;
  }
  static tile_config full() {
    tile_config c;
    for (int t = 0; t < 8; ++t) c.tile(t, 16, 64);
    return c;
  }
};
static_assert(sizeof(tile_config) == 64);

inline void load_config(tile_config const& c) { asm volatile("ldtilecfg %0" : : "m"(c)); }
inline tile_config stored_config() {
  tile_config c;
  std::memset(static_cast<void*>(&c), 0xee, sizeof c);
  asm volatile("sttilecfg %0" : "=m"(c));
  return c;
}
inline void release() { asm volatile("tilerelease"); }

template <int T> void load(void const* p, long stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T> void load_t1(void const* p, long stride) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T> void store(void* p, long stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T> void zero() { asm volatile("tilezero %%tmm%c0" : : "i"(T)); }

enum class product { ssd, sud, usd, uud, bf16 };

template <product P, int C, int A, int B> void multiply() {
  if constexpr (P == product::ssd)
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  else if constexpr (P == product::sud)
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  else if constexpr (P == product::usd)
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  else if constexpr (P == product::uud)
    asm volatile("tdpbuud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  else asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

using bytes = std::vector<std::uint8_t>;

inline bytes random_bytes(std::size_t n, std::mt19937& random, bool extreme = false) {
  bytes r(n);
  constexpr std::uint8_t edges[] = {0, 1, 127, 128, 129, 255};
  for (auto& b : r) b = extreme ? edges[random() % 6] : static_cast<std::uint8_t>(random() & 255U);
  return r;
}

template <class T> T at(bytes const& b, int index) {
  T r;
  std::memcpy(&r, b.data() + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
  return r;
}

} // namespace ia_nn_test::amx_asm
