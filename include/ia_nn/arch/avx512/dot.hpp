// SPDX-License-Identifier: Apache-2.0
//
// Exact u8 x s8 on AVX-512 without VNNI: the AVX2 form (see avx2/dot.hpp) on 64 bytes.
#pragma once

#include <ia_nn/arch/avx512/bytes.hpp>
#include <ia_nn/arch/dot.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct dot_impl<isa::avx512, u8, s8> {
  using acc = vec<s32, isa::avx512>;
  struct pair {
    __m512i even, odd;
  };
  static constexpr int kr = 4, width = 16;
  static constexpr int a_registers = 2, b_registers = 2, temporaries = 1;

  static IA_NN_INLINE pair load_b(s8 const* p) noexcept {
    __m512i const v = bytes_of_zmm::load_b(p);
    return {_mm512_srai_epi16(_mm512_slli_epi16(v, 8), 8), _mm512_srai_epi16(v, 8)};
  }
  static IA_NN_INLINE pair load_a(u8 const* p) noexcept {
    __m512i const v = bytes_of_zmm::load_a(p);
    return {_mm512_srli_epi16(_mm512_slli_epi16(v, 8), 8), _mm512_srli_epi16(v, 8)};
  }
  static IA_NN_INLINE pair from_words(acc w) noexcept {
    return {_mm512_srli_epi16(_mm512_slli_epi16(w.r, 8), 8), _mm512_srli_epi16(w.r, 8)};
  }
  static IA_NN_INLINE void mac(acc& c, pair a, pair b) noexcept {
    c.r = _mm512_add_epi32(c.r, _mm512_madd_epi16(a.even, b.even));
    c.r = _mm512_add_epi32(c.r, _mm512_madd_epi16(a.odd, b.odd));
  }

  /// For weights of which no pair of neighbouring k can leave 16 bits (panel.hpp has the bound).
  struct fitting : bytes_of_zmm {
    using acc = dot_impl::acc;
    static IA_NN_INLINE void mac(acc& c, __m512i a, __m512i b) noexcept {
      __m512i const pairs = _mm512_maddubs_epi16(a, b);
      c.r = _mm512_add_epi32(c.r, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
    }
  };
};

} // namespace detail

IA_NN_END
