// SPDX-License-Identifier: Apache-2.0
//
// Packing on AVX-512: 32 columns at once. As on AVX2 (avx2/pack.hpp), but one permutation takes the
// columns of a lane from two registers, and masks take what there is of rows and columns.
#pragma once

#include <ia_nn/arch/pack.hpp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized" // GCC 12's own header (_mm512_undefined)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct interleave<isa::avx512> {
  static constexpr index_t columns = 32;
  static constexpr bool masks = true;

  template <int Rows>
  static IA_NN_INLINE void words(std::byte* to, std::byte const* from, index_t row_bytes) noexcept {
    if constexpr (Rows == 4)
      bytes(to, half(from), half(from + row_bytes), half(from + 2 * row_bytes),
            half(from + 3 * row_bytes));
    else pairs(to, _mm512_loadu_si512(from), _mm512_loadu_si512(from + row_bytes));
  }

  template <int Rows>
  static IA_NN_INLINE void words(std::byte* to, std::byte const* from, index_t row_bytes, index_t rows,
                                 index_t n) noexcept {
    auto const all = static_cast<__mmask32>(n >= 32 ? ~0U : (1U << n) - 1U);
    auto const mask = [&](index_t row) IA_NN_LAMBDA { return row < rows ? all : __mmask32{0}; };
    if constexpr (Rows == 4) {
      auto const row = [&](index_t i) IA_NN_LAMBDA {
        return _mm256_maskz_loadu_epi8(mask(i), from + i * row_bytes);
      };
      bytes(to, row(0), row(1), row(2), row(3));
    } else
      pairs(to, _mm512_maskz_loadu_epi16(mask(0), from),
            _mm512_maskz_loadu_epi16(mask(1), from + row_bytes));
  }

private:
  static IA_NN_INLINE __m256i half(std::byte const* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
  }
  static IA_NN_INLINE void bytes(std::byte* to, __m256i a, __m256i b, __m256i c, __m256i d) noexcept {
    __m512i const ab = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
    __m512i const cd = _mm512_inserti64x4(_mm512_castsi256_si512(c), d, 1);
    __m512i const low =
        _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    __m512i const high = _mm512_or_si512(low, _mm512_set1_epi32(4));
    __m512i const order = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    _mm512_storeu_si512(to, _mm512_shuffle_epi8(_mm512_permutex2var_epi32(ab, low, cd), order));
    _mm512_storeu_si512(to + 64, _mm512_shuffle_epi8(_mm512_permutex2var_epi32(ab, high, cd), order));
  }
  static IA_NN_INLINE void pairs(std::byte* to, __m512i a, __m512i b) noexcept {
    __m512i const order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    __m512i const first = _mm512_permutexvar_epi64(order, a);
    __m512i const second = _mm512_permutexvar_epi64(order, b);
    _mm512_storeu_si512(to, _mm512_unpacklo_epi16(first, second));
    _mm512_storeu_si512(to + 64, _mm512_unpackhi_epi16(first, second));
  }
};

template <> struct byte_sums<isa::avx512> {
  static constexpr int columns = 16;
  __m512i sum = _mm512_setzero_si512(), high = sum, low = sum;

  IA_NN_INLINE void add(s8 const* p) noexcept {
    __m512i const pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(1), _mm512_loadu_si512(p));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
    high = _mm512_max_epi16(high, pairs);
    low = _mm512_min_epi16(low, pairs);
  }
  IA_NN_INLINE void store(s32* p) const noexcept { _mm512_storeu_si512(p, sum); }
  IA_NN_INLINE bool pairs_within(int bound) const noexcept {
    return _mm512_cmpgt_epi16_mask(high, _mm512_set1_epi16(static_cast<short>(bound))) == 0 &&
           _mm512_cmplt_epi16_mask(low, _mm512_set1_epi16(static_cast<short>(-bound))) == 0;
  }
};

} // namespace detail

IA_NN_END

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
