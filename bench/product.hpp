// SPDX-License-Identifier: Apache-2.0
//
// Types of operands, and the peak that belongs to each on the instruction set that a worker is
// compiled for.
#pragma once

#include "peak.hpp"

#include <ia_nn/arch/isa.hpp>

namespace bench {

enum class product { f32, bf16, u8s8, s8s8 }; ///< activations and weights

using own_isa =
    ia_nn::isa::IA_NN_BENCH_ISA; // the build says for which instruction set this file is
inline constexpr char const* own_isa_name = ia_nn::isa::name<own_isa>();

inline peak limit_of(product type) {
  using namespace ia_nn;
  using enum peak;
  constexpr bool wide = isa::has<own_isa, isa::avx512>;
  constexpr bool amx = isa::has<own_isa, isa::amx>;
  switch (type) {
  case product::f32:
    return wide ? fma_zmm : fma_ymm;
  case product::bf16: // widened to f32 where there is no instruction for it
    if (amx) return amx_bf16;
    if (isa::has<own_isa, isa::avx512_bf16>) return bf16_zmm;
    return wide ? fma_zmm : fma_ymm;
  case product::u8s8:
  case product::s8s8:
    if (amx) return amx_int8;
    if (isa::has<own_isa, isa::avx512_vnni>) return vnni_zmm;
    if (isa::has<own_isa, isa::avx2_vnni>) return vnni_ymm;
    return wide ? madd_zmm : madd_ymm;
  }
  return none;
}

// A type is measured on the instruction sets that change how fast it can be.
inline constexpr bool is_base =
    std::is_same_v<own_isa, ia_nn::isa::avx2> || std::is_same_v<own_isa, ia_nn::isa::avx512>;
inline constexpr bool has_bf16 = ia_nn::isa::has<own_isa, ia_nn::isa::avx512_bf16>;
inline constexpr bool has_tiles = std::is_same_v<own_isa, ia_nn::isa::amx>;
inline constexpr bool has_new_bytes = !std::is_same_v<own_isa, ia_nn::isa::avx512_bf16>;

} // namespace bench
