// SPDX-License-Identifier: Apache-2.0
//
// bf16 x bf16 by AVX512-BF16. The instruction takes denormals as zero, whatever MXCSR says.
#pragma once

#include <ia_nn/arch/dot.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct dot_impl<isa::avx512_bf16, bf16, bf16> {
  using acc = vec<f32, isa::avx512_bf16>;
  static constexpr int kr = 2, width = 16;
  static constexpr int a_registers = 1, b_registers = 1, temporaries = 0;

  static IA_NN_INLINE __m512i load_b(bf16 const* p) noexcept { return _mm512_loadu_si512(p); }
  static IA_NN_INLINE __m512i load_a(bf16 const* p) noexcept {
    s32 both;
    __builtin_memcpy(&both, p, sizeof both);
    return _mm512_set1_epi32(both);
  }
  static IA_NN_INLINE void mac(acc& c, __m512i a, __m512i b) noexcept {
    c.r = _mm512_dpbf16_ps(c.r, __builtin_bit_cast(__m512bh, a), __builtin_bit_cast(__m512bh, b));
  }
};

} // namespace detail

IA_NN_END
