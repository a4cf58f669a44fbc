// SPDX-License-Identifier: Apache-2.0
//
// 8 x 8 words by unpacking pairs, quadruples and halves of registers. The AVX-512 ISAs use it too:
// tiles have at most 14 rows, and a 16 x 16 transposition would move padding.
#pragma once

#include <ia_nn/arch/transpose.hpp>
#include <ia_nn/arch/vec.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <> struct word_transpose<isa::avx2> {
  static IA_NN_INLINE __m256i row(std::byte const* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
  }

  // r[i] becomes column i.
  static IA_NN_INLINE void transpose(__m256i (&r)[8]) noexcept {
    __m256i t[8], u[8];
    IA_NN_UNROLL for (int i = 0; i < 4; ++i) {
      t[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
      t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    IA_NN_UNROLL for (int i = 0; i < 2; ++i) {
      u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
      u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
      u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
      u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    IA_NN_UNROLL for (int i = 0; i < 4; ++i) {
      r[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
      r[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
  }

  static IA_NN_INLINE void eight(std::uint32_t* to, index_t height, std::byte const* from,
                                 index_t row_bytes, std::uint32_t flip) noexcept {
    __m256i const f = _mm256_set1_epi32(static_cast<int>(flip));
    __m256i r[8];
    IA_NN_UNROLL for (int i = 0; i < 8; ++i) r[i] = row(from + i * row_bytes);
    transpose(r);
    IA_NN_UNROLL for (int i = 0; i < 8; ++i)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i * height), _mm256_xor_si256(r[i], f));
  }

  // `rows` (4 to 7) rows; stores eight words per group, 8 - rows too many.
  static IA_NN_INLINE void fewer(std::uint32_t* to, index_t height, std::byte const* from,
                                 index_t row_bytes, index_t rows, std::uint32_t flip) noexcept {
    __m256i const f = _mm256_set1_epi32(static_cast<int>(flip));
    __m256i r[8];
    IA_NN_UNROLL for (int i = 0; i < 8; ++i) r[i] = row(from + (i < rows ? i : 0) * row_bytes);
    transpose(r);
    IA_NN_UNROLL for (int i = 0; i < 8; ++i)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i * height), _mm256_xor_si256(r[i], f));
  }
};

} // namespace detail

IA_NN_END
