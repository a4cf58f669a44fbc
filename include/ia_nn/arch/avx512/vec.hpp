// SPDX-License-Identifier: Apache-2.0
//
// vec for AVX-512 (F, BW, DQ, VL): 16 lanes, tails by mask registers.
#pragma once

#include <ia_nn/arch/vec.hpp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized" // GCC 12's own header (_mm512_undefined)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <ia_nn/arch/registers.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

IA_NN_INLINE __mmask16 lanes16(index_t n) noexcept {
  return static_cast<__mmask16>(n >= 16 ? 0xffffU : (1U << (n < 0 ? 0 : n)) - 1U);
}

template <> struct vec_impl<s32, isa::avx512>;

template <> struct vec_impl<f32, isa::avx512> {
  using value_type = f32;
  using xsimd_arch = xsimd::avx512bw;
  using reg = typename xsimd::types::simd_register<float, xsimd_arch>::register_type;
  using mask = __mmask16;
  static constexpr int size = 16;
  reg r;

  static IA_NN_INLINE vec_impl zero() noexcept { return {_mm512_setzero_ps()}; }
  static IA_NN_INLINE vec_impl broadcast(f32 x) noexcept { return {_mm512_set1_ps(x)}; }

  static IA_NN_INLINE vec_impl load(f32 const* p) noexcept { return {_mm512_loadu_ps(p)}; }
  static IA_NN_INLINE vec_impl load(f32 const* p, index_t n) noexcept {
    return {_mm512_maskz_loadu_ps(lanes16(n), p)};
  }
  static IA_NN_INLINE vec_impl load(bf16 const* p) noexcept {
    return widen(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)));
  }
  static IA_NN_INLINE vec_impl load(bf16 const* p, index_t n) noexcept {
    return widen(_mm256_maskz_loadu_epi16(lanes16(n), p));
  }
  static IA_NN_INLINE vec_impl load(s32 const* p) noexcept {
    return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))};
  }
  static IA_NN_INLINE vec_impl load(s32 const* p, index_t n) noexcept {
    return {_mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(lanes16(n), p))};
  }
  template <byte_element T> static IA_NN_INLINE vec_impl load(T const* p) noexcept {
    return widen<T>(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)));
  }
  template <byte_element T> static IA_NN_INLINE vec_impl load(T const* p, index_t n) noexcept {
    return widen<T>(_mm_maskz_loadu_epi8(lanes16(n), p));
  }

  IA_NN_INLINE void store(f32* p) const noexcept { _mm512_storeu_ps(p, r); }
  IA_NN_INLINE void stream(f32* p) const noexcept { _mm512_stream_ps(p, r); }
  IA_NN_INLINE void stream(bf16* p) const noexcept {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), narrow());
  }
  IA_NN_INLINE void store(f32* p, index_t n) const noexcept {
    _mm512_mask_storeu_ps(p, lanes16(n), r);
  }
  IA_NN_INLINE void store(bf16* p) const noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow());
  }
  IA_NN_INLINE void store(bf16* p, index_t n) const noexcept {
    _mm256_mask_storeu_epi16(p, lanes16(n), narrow());
  }
  template <byte_element T> IA_NN_INLINE void store(T* p) const noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), saturate<T>());
  }
  template <byte_element T> IA_NN_INLINE void store(T* p, index_t n) const noexcept {
    _mm_mask_storeu_epi8(p, lanes16(n), saturate<T>());
  }
  IA_NN_INLINE void store(s32* p) const noexcept { _mm512_storeu_si512(p, _mm512_cvtps_epi32(r)); }
  IA_NN_INLINE void store(s32* p, index_t n) const noexcept {
    _mm512_mask_storeu_epi32(p, lanes16(n), _mm512_cvtps_epi32(r));
  }
  IA_NN_INLINE reg native() const noexcept { return r; }
  IA_NN_INLINE void pin() noexcept { asm("" : "+v"(r)); }

  friend IA_NN_INLINE vec_impl operator+(vec_impl a, vec_impl b) noexcept {
    return {_mm512_add_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a, vec_impl b) noexcept {
    return {_mm512_sub_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator*(vec_impl a, vec_impl b) noexcept {
    return {_mm512_mul_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator/(vec_impl a, vec_impl b) noexcept {
    return {_mm512_div_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a) noexcept {
    return {_mm512_xor_ps(a.r, _mm512_set1_ps(-0.0F))};
  }
  friend IA_NN_INLINE vec_impl fma(vec_impl a, vec_impl b, vec_impl c) noexcept {
    return {_mm512_fmadd_ps(a.r, b.r, c.r)};
  }
  friend IA_NN_INLINE vec_impl min(vec_impl a, vec_impl b) noexcept {
    return {_mm512_min_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl max(vec_impl a, vec_impl b) noexcept {
    return {_mm512_max_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl abs(vec_impl a) noexcept { return {_mm512_abs_ps(a.r)}; }
  friend IA_NN_INLINE vec_impl sqrt(vec_impl a) noexcept { return {_mm512_sqrt_ps(a.r)}; }
  friend IA_NN_INLINE vec_impl round(vec_impl a) noexcept {
    return {_mm512_roundscale_ps(a.r, _MM_FROUND_TO_NEAREST_INT)};
  }
  friend IA_NN_INLINE mask operator<(vec_impl a, vec_impl b) noexcept {
    return _mm512_cmp_ps_mask(a.r, b.r, _CMP_LT_OQ);
  }
  friend IA_NN_INLINE mask operator<=(vec_impl a, vec_impl b) noexcept {
    return _mm512_cmp_ps_mask(a.r, b.r, _CMP_LE_OQ);
  }
  friend IA_NN_INLINE mask operator==(vec_impl a, vec_impl b) noexcept {
    return _mm512_cmp_ps_mask(a.r, b.r, _CMP_EQ_OQ);
  }
  friend IA_NN_INLINE vec_impl select(mask m, vec_impl a, vec_impl b) noexcept {
    return {_mm512_mask_blend_ps(m, b.r, a.r)};
  }
  friend IA_NN_INLINE void store_high(bf16* p, vec_impl a, vec_impl b) noexcept {
    __m512i const odd = _mm512_setr_epi32(0x30001, 0x70005, 0xb0009, 0xf000d, 0x130011, 0x170015,
                                          0x1b0019, 0x1f001d, 0x230021, 0x270025, 0x2b0029,
                                          0x2f002d, 0x330031, 0x370035, 0x3b0039, 0x3f003d);
    _mm512_storeu_si512(p, _mm512_permutex2var_epi16(_mm512_castps_si512(a.r), odd,
                                                     _mm512_castps_si512(b.r)));
  }
#if defined(__AVX512BF16__)
  /// Stores x[i] as bf16 at p + i * ld.
  template <int N>
  static IA_NN_INLINE void store_rows(vec_impl const (&x)[N], bf16* p, index_t ld) noexcept {
    mask any = denormals(x[0]);
    IA_NN_UNROLL for (int i = 1; i < N; ++i) any = _kor_mask16(any, denormals(x[i]));
    if (__builtin_expect(_kortestz_mask16_u8(any, any) != 0, 1)) {
      IA_NN_UNROLL for (int i = 0; i < N; ++i)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + i * ld),
                            __builtin_bit_cast(__m256i, _mm512_cvtneps_pbh(x[i].r)));
      return;
    }
    alignas(64) f32 copy[N * size];
    IA_NN_UNROLL for (int i = 0; i < N; ++i) {
      vec_impl one = x[i];
      one.pin(); // or all of x is kept in memory, to be copied from there
      one.store(copy + i * size);
    }
    store_each(copy, N, p, ld);
  }
  friend IA_NN_INLINE void store_both(bf16* p, vec_impl a, vec_impl b) noexcept {
    _mm512_storeu_si512(p, narrow(a, b));
  }
  friend IA_NN_INLINE void stream_both(bf16* p, vec_impl a, vec_impl b) noexcept {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), narrow(a, b));
  }
#endif
  friend IA_NN_INLINE bool any_nan(vec_impl a) noexcept {
    return _mm512_cmp_ps_mask(a.r, a.r, _CMP_UNORD_Q) != 0;
  }
  // Halves are folded onto each other: 16 -> 8 -> 4 -> 2 -> 1.
  friend IA_NN_INLINE f32 sum(vec_impl a) noexcept { return _mm512_reduce_add_ps(a.r); }
  friend IA_NN_INLINE f32 highest(vec_impl a) noexcept {
    return any_nan(a) ? __builtin_nanf("") : _mm512_reduce_max_ps(a.r);
  }
  friend IA_NN_INLINE f32 lowest(vec_impl a) noexcept {
    return any_nan(a) ? __builtin_nanf("") : _mm512_reduce_min_ps(a.r);
  }

private:
  static IA_NN_INLINE vec_impl widen(__m256i v) noexcept {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16))};
  }
  template <byte_element T> static IA_NN_INLINE vec_impl widen(__m128i v) noexcept {
    if constexpr (std::same_as<T, u8>) return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(v))};
    else return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(v))};
  }
  // vcvtneps2bf16 takes denormals as zeros; they are rounded as integers, so that there is one result
  // on every ISA.
  IA_NN_INLINE __m256i narrow() const noexcept {
#if defined(__AVX512BF16__)
    if (__builtin_expect(denormals(*this) == 0, 1))
      return __builtin_bit_cast(__m256i, _mm512_cvtneps_pbh(r));
#endif
    __m512i const u = _mm512_castps_si512(r);
    __m512i const even = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i const rounded = _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), even);
    __m512i const quiet = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
    __mmask16 const nan = _mm512_cmp_ps_mask(r, r, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
  }
#if defined(__AVX512BF16__)
  static IA_NN_INLINE mask denormals(vec_impl a) noexcept { return _mm512_fpclass_ps_mask(a.r, 0x20); }
  __attribute__((cold)) static IA_NN_NOINLINE void store_each(f32 const* x, int n, bf16* p, index_t ld) noexcept {
    for (int i = 0; i < n; ++i) load(x + i * size).store(p + i * ld);
  }
  static IA_NN_INLINE __m512i narrow(vec_impl a, vec_impl b) noexcept {
    if (__builtin_expect(_kortestz_mask16_u8(denormals(a), denormals(b)) != 0, 1))
      return __builtin_bit_cast(__m512i, _mm512_cvtne2ps_pbh(b.r, a.r));
    return _mm512_inserti64x4(_mm512_castsi256_si512(a.narrow()), b.narrow(), 1);
  }
#endif
  template <byte_element T> IA_NN_INLINE __m128i saturate() const noexcept {
    __m512 const lo = _mm512_set1_ps(std::same_as<T, u8> ? 0.0F : -128.0F);
    __m512 const hi = _mm512_set1_ps(std::same_as<T, u8> ? 255.0F : 127.0F);
    return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(r, lo), hi)));
  }
};

template <> struct vec_impl<s32, isa::avx512> {
  using value_type = s32;
  using xsimd_arch = xsimd::avx512bw;
  using reg = typename xsimd::types::simd_register<std::int32_t, xsimd_arch>::register_type;
  using mask = __mmask16;
  static constexpr int size = 16;
  reg r;

  static IA_NN_INLINE vec_impl zero() noexcept { return {_mm512_setzero_si512()}; }
  static IA_NN_INLINE vec_impl broadcast(s32 x) noexcept { return {_mm512_set1_epi32(x)}; }
  static IA_NN_INLINE vec_impl load(s32 const* p) noexcept { return {_mm512_loadu_si512(p)}; }
  static IA_NN_INLINE vec_impl load(s32 const* p, index_t n) noexcept {
    return {_mm512_maskz_loadu_epi32(lanes16(n), p)};
  }
  static IA_NN_INLINE vec_impl load(u8 const* p) noexcept {
    return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)))};
  }
  static IA_NN_INLINE vec_impl load(s8 const* p) noexcept {
    return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)))};
  }
  static IA_NN_INLINE vec_impl load(u8 const* p, index_t n) noexcept {
    return {_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes16(n), p))};
  }
  static IA_NN_INLINE vec_impl load(s8 const* p, index_t n) noexcept {
    return {_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes16(n), p))};
  }
  IA_NN_INLINE void store(s32* p) const noexcept { _mm512_storeu_si512(p, r); }
  IA_NN_INLINE void store(s32* p, index_t n) const noexcept {
    _mm512_mask_storeu_epi32(p, lanes16(n), r);
  }
  template <byte_element T> IA_NN_INLINE void store_low(T* p) const noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(r));
  }
  template <byte_element T> IA_NN_INLINE void store_low(T* p, index_t n) const noexcept {
    _mm_mask_storeu_epi8(p, lanes16(n), _mm512_cvtepi32_epi8(r));
  }
  /// Two rows of 32 numbers that T holds, as bytes: four shuffles where store_low takes eight.
  template <byte_element T>
  static IA_NN_INLINE void store_low_rows(vec_impl const (&row)[2][2], T* to, T* next) noexcept {
    __m512i const first = _mm512_packs_epi32(row[0][0].r, row[0][1].r),
                  second = _mm512_packs_epi32(row[1][0].r, row[1][1].r);
    __m512i bytes = std::same_as<T, u8> ? _mm512_packus_epi16(first, second)
                                        : _mm512_packs_epi16(first, second);
    // Words of four bytes, by 128 bits: both halves of row 0, then of row 1.
    bytes = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(bytes));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(next), _mm512_extracti64x4_epi64(bytes, 1));
  }
  IA_NN_INLINE reg native() const noexcept { return r; }
  IA_NN_INLINE void pin() noexcept { asm("" : "+v"(r)); }

  friend IA_NN_INLINE vec_impl operator+(vec_impl a, vec_impl b) noexcept {
    return {_mm512_add_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a, vec_impl b) noexcept {
    return {_mm512_sub_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator*(vec_impl a, vec_impl b) noexcept {
    return {_mm512_mullo_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator&(vec_impl a, vec_impl b) noexcept {
    return {_mm512_and_si512(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator|(vec_impl a, vec_impl b) noexcept {
    return {_mm512_or_si512(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator^(vec_impl a, vec_impl b) noexcept {
    return {_mm512_xor_si512(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator<<(vec_impl a, int n) noexcept {
    return {_mm512_sll_epi32(a.r, _mm_cvtsi32_si128(n))};
  }
  friend IA_NN_INLINE vec_impl operator>>(vec_impl a, int n) noexcept {
    return {_mm512_sra_epi32(a.r, _mm_cvtsi32_si128(n))};
  }
  friend IA_NN_INLINE vec_impl min(vec_impl a, vec_impl b) noexcept {
    return {_mm512_min_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl max(vec_impl a, vec_impl b) noexcept {
    return {_mm512_max_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE mask operator<(vec_impl a, vec_impl b) noexcept {
    return _mm512_cmplt_epi32_mask(a.r, b.r);
  }
  friend IA_NN_INLINE mask operator==(vec_impl a, vec_impl b) noexcept {
    return _mm512_cmpeq_epi32_mask(a.r, b.r);
  }
  friend IA_NN_INLINE vec_impl select(mask m, vec_impl a, vec_impl b) noexcept {
    return {_mm512_mask_blend_epi32(m, b.r, a.r)};
  }
  // Not _mm512_reduce_add_epi32: GCC's ends with a sum of two int, which must not overflow.
  friend IA_NN_INLINE s32 sum(vec_impl a) noexcept {
    __m256i const eight =
        _mm256_add_epi32(_mm512_castsi512_si256(a.r), _mm512_extracti64x4_epi64(a.r, 1));
    __m128i const four =
        _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i const two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
  }
};

IA_NN_INLINE vec_impl<f32, isa::avx512> to_f32(vec_impl<s32, isa::avx512> a) noexcept {
  return {_mm512_cvtepi32_ps(a.r)};
}
IA_NN_INLINE vec_impl<s32, isa::avx512> to_s32(vec_impl<f32, isa::avx512> a) noexcept {
  return {_mm512_cvtps_epi32(a.r)};
}
IA_NN_INLINE vec_impl<s32, isa::avx512> bits(vec_impl<f32, isa::avx512> a) noexcept {
  return {_mm512_castps_si512(a.r)};
}
IA_NN_INLINE vec_impl<f32, isa::avx512> bits(vec_impl<s32, isa::avx512> a) noexcept {
  return {_mm512_castsi512_ps(a.r)};
}

} // namespace detail

IA_NN_END

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
