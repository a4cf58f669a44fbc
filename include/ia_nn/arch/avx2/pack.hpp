// SPDX-License-Identifier: Apache-2.0
//
// Packing on AVX2: 16 columns at once. Rows lie in the halves of a register; a permutation gives each
// half the columns that its words take, so that words come out in order:
//
//   rows 0 1     a0-3 a4-7 a8-11 a12-15 | b0-3 b4-7 b8-11 b12-15      then with rows 2 3: a0-3 b0-3 c0-3
//   permuted     a0-3 b0-3 a8-11 b8-11 | a4-7 b4-7 a12-15 b12-15      d0-3 | a4-7 ..., and bytes in order
#pragma once

#include <ia_nn/arch/pack.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct interleave<isa::avx2> {
  static constexpr index_t columns = 16;
  static constexpr bool masks = false;

  template <int Rows>
  static IA_NN_INLINE void words(std::byte* to, std::byte const* from, index_t row_bytes) noexcept {
    if constexpr (Rows == 4) {
      __m256i const order = _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7);
      __m256i const ab = _mm256_permutevar8x32_epi32(two(from, from + row_bytes), order);
      __m256i const cd =
          _mm256_permutevar8x32_epi32(two(from + 2 * row_bytes, from + 3 * row_bytes), order);
      __m256i const bytes = _mm256_broadcastsi128_si256(
          _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
      store(to, _mm256_shuffle_epi8(_mm256_unpacklo_epi64(ab, cd), bytes));
      store(to + 32, _mm256_shuffle_epi8(_mm256_unpackhi_epi64(ab, cd), bytes));
    } else {
      static_assert(Rows == 2);
      __m256i const a = _mm256_permute4x64_epi64(load(from), 0xd8);
      __m256i const b = _mm256_permute4x64_epi64(load(from + row_bytes), 0xd8);
      store(to, _mm256_unpacklo_epi16(a, b));
      store(to + 32, _mm256_unpackhi_epi16(a, b));
    }
  }

private:
  static IA_NN_INLINE __m256i load(std::byte const* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
  }
  static IA_NN_INLINE __m256i two(std::byte const* low, std::byte const* high) noexcept {
    __m128i const first = _mm_loadu_si128(reinterpret_cast<__m128i const*>(low));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(first),
                                   _mm_loadu_si128(reinterpret_cast<__m128i const*>(high)), 1);
  }
  static IA_NN_INLINE void store(std::byte* p, __m256i v) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }
};

template <> struct byte_sums<isa::avx2> {
  static constexpr int columns = 8;
  __m256i sum = _mm256_setzero_si256(), high = sum, low = sum;

  IA_NN_INLINE void add(s8 const* p) noexcept {
    __m256i const pairs = _mm256_maddubs_epi16(
        _mm256_set1_epi8(1), _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    high = _mm256_max_epi16(high, pairs);
    low = _mm256_min_epi16(low, pairs);
  }
  IA_NN_INLINE void store(s32* p) const noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sum);
  }
  IA_NN_INLINE bool pairs_within(int bound) const noexcept {
    __m256i const most = _mm256_set1_epi16(static_cast<short>(bound));
    __m256i const least = _mm256_set1_epi16(static_cast<short>(-bound));
    __m256i const beyond =
        _mm256_or_si256(_mm256_cmpgt_epi16(high, most), _mm256_cmpgt_epi16(least, low));
    return _mm256_movemask_epi8(beyond) == 0;
  }
};

} // namespace detail

IA_NN_END
