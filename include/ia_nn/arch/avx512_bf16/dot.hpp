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

  /// A of which each lane has elements of its own: those of two rows, or of one and zero.
  static IA_NN_INLINE __m512i from_rows(bf16 const* low, bf16 const* high) noexcept {
    return side_by_side(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(low)),
                        _mm256_loadu_si256(reinterpret_cast<__m256i const*>(high)));
  }
  static IA_NN_INLINE __m512i from_rows(bf16 const* low, bf16 const* high, index_t n) noexcept {
    return side_by_side(_mm256_maskz_loadu_epi16(lanes16(n), low),
                        _mm256_maskz_loadu_epi16(lanes16(n), high));
  }
  static IA_NN_INLINE __m512i from_row(bf16 const* low) noexcept {
    return widened(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(low)));
  }
  static IA_NN_INLINE __m512i from_row(bf16 const* low, index_t n) noexcept {
    return widened(_mm256_maskz_loadu_epi16(lanes16(n), low));
  }

private:
  // All lanes by name: GCC 12 warns of what its own header leaves undefined in the plain form.
  static IA_NN_INLINE __m512i widened(__m256i v) noexcept { return _mm512_maskz_cvtepu16_epi32(0xffff, v); }
  static IA_NN_INLINE __m512i side_by_side(__m256i low, __m256i high) noexcept {
    __m512i const order = _mm512_setr_epi32(0x200000, 0x210001, 0x220002, 0x230003, 0x240004,
                                            0x250005, 0x260006, 0x270007, 0x280008, 0x290009,
                                            0x2a000a, 0x2b000b, 0x2c000c, 0x2d000d, 0x2e000e,
                                            0x2f000f);
    return _mm512_permutex2var_epi16(_mm512_castsi256_si512(low), order,
                                     _mm512_castsi256_si512(high));
  }
};

} // namespace detail

IA_NN_END
