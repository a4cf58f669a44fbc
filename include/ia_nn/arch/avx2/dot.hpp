// SPDX-License-Identifier: Apache-2.0
//
// Exact u8 x s8 on AVX2. vpmaddubsw saturates sums of two products at 16 bits. Where the weights are
// so small that none gets there, which packing finds out panel by panel, `fitting` uses it, 3
// instructions for 32 products. Elsewhere (255 * 127 * 2 is twice the limit) bytes are widened to 16
// bits, even and odd ones apart, and vpmaddwd adds pairs in 32 bits, 4 instructions and the widening:
//
//   bytes of one column   k3 k2 k1 k0      even: k2 k0     odd: k3 k1
//
// Even bytes are taken by two shifts, not by a mask: the constant would cost a register and spill.
#pragma once

#include <ia_nn/arch/avx2/bytes.hpp>
#include <ia_nn/arch/dot.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct dot_impl<isa::avx2, u8, s8> {
  using acc = vec<s32, isa::avx2>;
  struct pair {
    __m256i even, odd;
  };
  static constexpr int kr = 4, width = 8;
  static constexpr int a_registers = 2, b_registers = 2, temporaries = 1;

  static IA_NN_INLINE pair load_b(s8 const* p) noexcept {
    __m256i const v = bytes_of_ymm::load_b(p);
    return {_mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8), _mm256_srai_epi16(v, 8)};
  }
  static IA_NN_INLINE pair load_a(u8 const* p) noexcept {
    __m256i const v = bytes_of_ymm::load_a(p);
    return {_mm256_srli_epi16(_mm256_slli_epi16(v, 8), 8), _mm256_srli_epi16(v, 8)};
  }
  static IA_NN_INLINE pair from_words(acc w) noexcept {
    return {_mm256_srli_epi16(_mm256_slli_epi16(w.r, 8), 8), _mm256_srli_epi16(w.r, 8)};
  }
  static IA_NN_INLINE void mac(acc& c, pair a, pair b) noexcept {
    c.r = _mm256_add_epi32(c.r, _mm256_madd_epi16(a.even, b.even));
    c.r = _mm256_add_epi32(c.r, _mm256_madd_epi16(a.odd, b.odd));
  }

  /// For weights of which no pair of neighbouring k can leave 16 bits (panel.hpp has the bound).
  struct fitting : bytes_of_ymm {
    using acc = dot_impl::acc;
    static IA_NN_INLINE void mac(acc& c, __m256i a, __m256i b) noexcept {
      __m256i const pairs = _mm256_maddubs_epi16(a, b);
      c.r = _mm256_add_epi32(c.r, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  };
};

} // namespace detail

IA_NN_END
