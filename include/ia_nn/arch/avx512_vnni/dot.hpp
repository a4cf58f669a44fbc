// SPDX-License-Identifier: Apache-2.0
//
// u8 x s8 by AVX512-VNNI: four products and the accumulator in 32 bits, one instruction.
#pragma once

#include <ia_nn/arch/avx512/bytes.hpp>
#include <ia_nn/arch/dot.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct dot_impl<isa::avx512_vnni, u8, s8> : bytes_of_zmm {
  using acc = vec<s32, isa::avx512_vnni>;
  static constexpr int a_registers = 1, b_registers = 1, temporaries = 0;

  static IA_NN_INLINE __m512i from_words(acc w) noexcept { return w.r; }
  static IA_NN_INLINE void mac(acc& c, __m512i a, __m512i b) noexcept {
    c.r = _mm512_dpbusd_epi32(c.r, a, b);
  }
};

} // namespace detail

IA_NN_END
