// SPDX-License-Identifier: Apache-2.0
//
// vec for AVX2 with FMA: 8 lanes, tails of f32 and s32 by vmaskmov, of narrow types by copies.
#pragma once

#include <ia_nn/arch/registers.hpp>
#include <ia_nn/arch/vec.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

// All ones in the first n of 8 lanes.
IA_NN_INLINE __m256i lanes8(index_t n) noexcept {
  __m256i const lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n > 8 ? 8 : n)), lane);
}

// The first n of 8 elements of 1 or 2 bytes, the rest zero; nothing behind them is read.
template <class T> IA_NN_INLINE __m128i load_narrow(T const* p, index_t n) noexcept {
  alignas(16) T buffer[16 / sizeof(T)] = {};
  for (index_t i = 0; i < n && i < 8; ++i) buffer[i] = p[i];
  return _mm_load_si128(reinterpret_cast<__m128i const*>(buffer));
}
template <class T> IA_NN_INLINE void store_narrow(T* p, __m128i v, index_t n) noexcept {
  alignas(16) T buffer[16 / sizeof(T)];
  _mm_store_si128(reinterpret_cast<__m128i*>(buffer), v);
  for (index_t i = 0; i < n && i < 8; ++i) p[i] = buffer[i];
}

template <> struct vec_impl<f32, isa::avx2> {
  using value_type = f32;
  using xsimd_arch = xsimd::fma3<xsimd::avx2>;
  using reg = typename xsimd::types::simd_register<float, xsimd_arch>::register_type;
  struct mask {
    __m256 r;
  };
  static constexpr int size = 8;
  reg r;

  static IA_NN_INLINE vec_impl zero() noexcept { return {_mm256_setzero_ps()}; }
  static IA_NN_INLINE vec_impl broadcast(f32 x) noexcept { return {_mm256_set1_ps(x)}; }

  static IA_NN_INLINE vec_impl load(f32 const* p) noexcept { return {_mm256_loadu_ps(p)}; }
  static IA_NN_INLINE vec_impl load(f32 const* p, index_t n) noexcept {
    return {_mm256_maskload_ps(p, lanes8(n))};
  }
  static IA_NN_INLINE vec_impl load(bf16 const* p) noexcept {
    return widen(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)));
  }
  static IA_NN_INLINE vec_impl load(bf16 const* p, index_t n) noexcept {
    return widen(load_narrow(p, n));
  }
  static IA_NN_INLINE vec_impl load(s32 const* p) noexcept {
    return {_mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)))};
  }
  static IA_NN_INLINE vec_impl load(s32 const* p, index_t n) noexcept {
    return {_mm256_cvtepi32_ps(_mm256_maskload_epi32(p, lanes8(n)))};
  }
  template <byte_element T> static IA_NN_INLINE vec_impl load(T const* p) noexcept {
    return widen<T>(_mm_loadl_epi64(reinterpret_cast<__m128i const*>(p)));
  }
  template <byte_element T> static IA_NN_INLINE vec_impl load(T const* p, index_t n) noexcept {
    return widen<T>(load_narrow(p, n));
  }

  IA_NN_INLINE void store(f32* p) const noexcept { _mm256_storeu_ps(p, r); }
  IA_NN_INLINE void stream(f32* p) const noexcept { _mm256_stream_ps(p, r); }
  IA_NN_INLINE void stream(bf16* p) const noexcept {
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), narrow());
  }
  IA_NN_INLINE void store(f32* p, index_t n) const noexcept {
    _mm256_maskstore_ps(p, lanes8(n), r);
  }
  IA_NN_INLINE void store(bf16* p) const noexcept {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow());
  }
  IA_NN_INLINE void store(bf16* p, index_t n) const noexcept { store_narrow(p, narrow(), n); }
  template <byte_element T> IA_NN_INLINE void store(T* p) const noexcept {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), saturate<T>());
  }
  template <byte_element T> IA_NN_INLINE void store(T* p, index_t n) const noexcept {
    store_narrow(p, saturate<T>(), n);
  }
  IA_NN_INLINE void store(s32* p) const noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvtps_epi32(r));
  }
  IA_NN_INLINE void store(s32* p, index_t n) const noexcept {
    _mm256_maskstore_epi32(p, lanes8(n), _mm256_cvtps_epi32(r));
  }
  IA_NN_INLINE reg native() const noexcept { return r; }
  IA_NN_INLINE void pin() noexcept { asm("" : "+x"(r)); }

  friend IA_NN_INLINE vec_impl operator+(vec_impl a, vec_impl b) noexcept {
    return {_mm256_add_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a, vec_impl b) noexcept {
    return {_mm256_sub_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator*(vec_impl a, vec_impl b) noexcept {
    return {_mm256_mul_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator/(vec_impl a, vec_impl b) noexcept {
    return {_mm256_div_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a) noexcept {
    return {_mm256_xor_ps(a.r, _mm256_set1_ps(-0.0F))};
  }
  friend IA_NN_INLINE vec_impl fma(vec_impl a, vec_impl b, vec_impl c) noexcept {
    return {_mm256_fmadd_ps(a.r, b.r, c.r)};
  }
  friend IA_NN_INLINE vec_impl min(vec_impl a, vec_impl b) noexcept {
    return {_mm256_min_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl max(vec_impl a, vec_impl b) noexcept {
    return {_mm256_max_ps(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl abs(vec_impl a) noexcept {
    return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.r)};
  }
  friend IA_NN_INLINE vec_impl sqrt(vec_impl a) noexcept { return {_mm256_sqrt_ps(a.r)}; }
  friend IA_NN_INLINE vec_impl round(vec_impl a) noexcept {
    return {_mm256_round_ps(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  friend IA_NN_INLINE mask operator<(vec_impl a, vec_impl b) noexcept {
    return {_mm256_cmp_ps(a.r, b.r, _CMP_LT_OQ)};
  }
  friend IA_NN_INLINE mask operator<=(vec_impl a, vec_impl b) noexcept {
    return {_mm256_cmp_ps(a.r, b.r, _CMP_LE_OQ)};
  }
  friend IA_NN_INLINE mask operator==(vec_impl a, vec_impl b) noexcept {
    return {_mm256_cmp_ps(a.r, b.r, _CMP_EQ_OQ)};
  }
  friend IA_NN_INLINE vec_impl select(mask m, vec_impl a, vec_impl b) noexcept {
    return {_mm256_blendv_ps(b.r, a.r, m.r)};
  }
  friend IA_NN_INLINE void store_high(bf16* p, vec_impl a, vec_impl b) noexcept {
    __m256i const high = _mm256_packus_epi32(_mm256_srli_epi32(_mm256_castps_si256(a.r), 16),
                                             _mm256_srli_epi32(_mm256_castps_si256(b.r), 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(high, 0xd8));
  }
  friend IA_NN_INLINE bool any_nan(vec_impl a) noexcept {
    return _mm256_movemask_ps(_mm256_cmp_ps(a.r, a.r, _CMP_UNORD_Q)) != 0;
  }
  // Halves are folded onto each other: 8 -> 4 -> 2 -> 1.
  friend IA_NN_INLINE f32 sum(vec_impl a) noexcept {
    return fold(a.r, [](__m128 x, __m128 y) IA_NN_LAMBDA { return _mm_add_ps(x, y); });
  }
  friend IA_NN_INLINE f32 highest(vec_impl a) noexcept {
    if (any_nan(a)) return __builtin_nanf("");
    return fold(a.r, [](__m128 x, __m128 y) IA_NN_LAMBDA { return _mm_max_ps(x, y); });
  }
  friend IA_NN_INLINE f32 lowest(vec_impl a) noexcept {
    if (any_nan(a)) return __builtin_nanf("");
    return fold(a.r, [](__m128 x, __m128 y) IA_NN_LAMBDA { return _mm_min_ps(x, y); });
  }

private:
  template <class F> static IA_NN_INLINE f32 fold(__m256 v, F f) noexcept {
    __m128 const four = f(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 const two = f(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(f(two, _mm_shuffle_ps(two, two, 1)));
  }
  static IA_NN_INLINE vec_impl widen(__m128i v) noexcept {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16))};
  }
  template <byte_element T> static IA_NN_INLINE vec_impl widen(__m128i v) noexcept {
    if constexpr (std::same_as<T, u8>) return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v))};
    else return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v))};
  }
  IA_NN_INLINE __m128i narrow() const noexcept {
    __m256i const u = _mm256_castps_si256(r);
    __m256i const even = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i const rounded = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), even);
    __m256i const quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    __m256i const nan = _mm256_castps_si256(_mm256_cmp_ps(r, r, _CMP_UNORD_Q));
    __m256i const v = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  }
  template <byte_element T> IA_NN_INLINE __m128i saturate() const noexcept {
    __m256 const lo = _mm256_set1_ps(std::same_as<T, u8> ? 0.0F : -128.0F);
    __m256 const hi = _mm256_set1_ps(std::same_as<T, u8> ? 255.0F : 127.0F);
    __m256i const v = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(r, lo), hi));
    __m128i const h = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    if constexpr (std::same_as<T, u8>) return _mm_packus_epi16(h, h);
    else return _mm_packs_epi16(h, h);
  }
};

template <> struct vec_impl<s32, isa::avx2> {
  using value_type = s32;
  using xsimd_arch = xsimd::fma3<xsimd::avx2>;
  using reg = typename xsimd::types::simd_register<std::int32_t, xsimd_arch>::register_type;
  struct mask {
    __m256i r;
  };
  static constexpr int size = 8;
  reg r;

  static IA_NN_INLINE vec_impl zero() noexcept { return {_mm256_setzero_si256()}; }
  static IA_NN_INLINE vec_impl broadcast(s32 x) noexcept { return {_mm256_set1_epi32(x)}; }
  static IA_NN_INLINE vec_impl load(s32 const* p) noexcept {
    return {_mm256_loadu_si256(reinterpret_cast<__m256i const*>(p))};
  }
  static IA_NN_INLINE vec_impl load(s32 const* p, index_t n) noexcept {
    return {_mm256_maskload_epi32(p, lanes8(n))};
  }
  static IA_NN_INLINE vec_impl load(u8 const* p) noexcept {
    return {_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<__m128i const*>(p)))};
  }
  static IA_NN_INLINE vec_impl load(s8 const* p) noexcept {
    return {_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<__m128i const*>(p)))};
  }
  static IA_NN_INLINE vec_impl load(u8 const* p, index_t n) noexcept {
    return {_mm256_cvtepu8_epi32(load_narrow(p, n))};
  }
  static IA_NN_INLINE vec_impl load(s8 const* p, index_t n) noexcept {
    return {_mm256_cvtepi8_epi32(load_narrow(p, n))};
  }
  IA_NN_INLINE void store(s32* p) const noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), r);
  }
  IA_NN_INLINE void store(s32* p, index_t n) const noexcept {
    _mm256_maskstore_epi32(p, lanes8(n), r);
  }
  template <byte_element T> IA_NN_INLINE void store_low(T* p) const noexcept {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), low_bytes());
  }
  template <byte_element T> IA_NN_INLINE void store_low(T* p, index_t n) const noexcept {
    store_narrow(p, low_bytes(), n);
  }
  IA_NN_INLINE reg native() const noexcept { return r; }
  IA_NN_INLINE void pin() noexcept { asm("" : "+x"(r)); }

  friend IA_NN_INLINE vec_impl operator+(vec_impl a, vec_impl b) noexcept {
    return {_mm256_add_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator-(vec_impl a, vec_impl b) noexcept {
    return {_mm256_sub_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator*(vec_impl a, vec_impl b) noexcept {
    return {_mm256_mullo_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator&(vec_impl a, vec_impl b) noexcept {
    return {_mm256_and_si256(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator|(vec_impl a, vec_impl b) noexcept {
    return {_mm256_or_si256(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator^(vec_impl a, vec_impl b) noexcept {
    return {_mm256_xor_si256(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl operator<<(vec_impl a, int n) noexcept {
    return {_mm256_sll_epi32(a.r, _mm_cvtsi32_si128(n))};
  }
  friend IA_NN_INLINE vec_impl operator>>(vec_impl a, int n) noexcept {
    return {_mm256_sra_epi32(a.r, _mm_cvtsi32_si128(n))};
  }
  friend IA_NN_INLINE vec_impl min(vec_impl a, vec_impl b) noexcept {
    return {_mm256_min_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl max(vec_impl a, vec_impl b) noexcept {
    return {_mm256_max_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE mask operator<(vec_impl a, vec_impl b) noexcept {
    return {_mm256_cmpgt_epi32(b.r, a.r)};
  }
  friend IA_NN_INLINE mask operator==(vec_impl a, vec_impl b) noexcept {
    return {_mm256_cmpeq_epi32(a.r, b.r)};
  }
  friend IA_NN_INLINE vec_impl select(mask m, vec_impl a, vec_impl b) noexcept {
    return {_mm256_blendv_epi8(b.r, a.r, m.r)};
  }
  friend IA_NN_INLINE s32 sum(vec_impl a) noexcept {
    __m128i const four =
        _mm_add_epi32(_mm256_castsi256_si128(a.r), _mm256_extracti128_si256(a.r, 1));
    __m128i const two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
  }

private:
  IA_NN_INLINE __m128i low_bytes() const noexcept { // of every lane, in the first 8
    __m256i const order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    __m256i const v = _mm256_shuffle_epi8(r, order);
    return _mm_unpacklo_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  }
};

IA_NN_INLINE vec_impl<f32, isa::avx2> to_f32(vec_impl<s32, isa::avx2> a) noexcept {
  return {_mm256_cvtepi32_ps(a.r)};
}
IA_NN_INLINE vec_impl<s32, isa::avx2> to_s32(vec_impl<f32, isa::avx2> a) noexcept {
  return {_mm256_cvtps_epi32(a.r)};
}
IA_NN_INLINE vec_impl<s32, isa::avx2> bits(vec_impl<f32, isa::avx2> a) noexcept {
  return {_mm256_castps_si256(a.r)};
}
IA_NN_INLINE vec_impl<f32, isa::avx2> bits(vec_impl<s32, isa::avx2> a) noexcept {
  return {_mm256_castsi256_ps(a.r)};
}

} // namespace detail

IA_NN_END
