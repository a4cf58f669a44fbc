// SPDX-License-Identifier: Apache-2.0
//
// How the operands of byte products are loaded, for all instructions on these registers.
#pragma once

#include <ia_nn/arch/vec.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Operands of instructions that take four neighbouring k in each lane.
struct bytes_of_zmm {
  static constexpr int kr = 4, width = 16;
  static IA_NN_INLINE __m512i load_b(s8 const* p) noexcept { return _mm512_loadu_si512(p); }
  static IA_NN_INLINE __m512i load_a(u8 const* p) noexcept {
    s32 four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
};

} // namespace detail

IA_NN_END
