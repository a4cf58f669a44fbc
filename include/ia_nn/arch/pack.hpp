// SPDX-License-Identifier: Apache-2.0
//
// What packing is made of beside transposition (transpose.hpp):
//
//   interleave<I>   rows of narrow elements into words of 32 bits, one word a column
//
//       row 0   a0 a1 a2 ...        four rows of bytes        a0 b0 c0 d0 | a1 b1 c1 d1 | ...
//       row 1   b0 b1 b2 ...        two rows of 16 bits       a0 b0 | a1 b1 | ...
//
//     columns                  that one call takes
//     masks                    whether it may take fewer
//     words<Rows>(to, from, row_bytes)                   all columns
//     words<Rows>(to, from, row_bytes, rows, columns)    the first; what is missing reads as zero
//
//   byte_sums<I>    words of four signed bytes, added up, and the extremes of neighbouring pairs
//   nearest_bf16    f32 rounded as bf16's constructor does
//   split_line      64 bytes of bf16 from f32, as one term or several
#pragma once

#include <ia_nn/arch/vec.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// The widest registers of I that panels of Nr columns fill. VNNI, BF16 and AMX add nothing to
/// packing, so that their packers are those of AVX-512.
template <isa::tag I, int Nr>
using packing_isa =
    std::conditional_t<isa::has<I, isa::avx512> && Nr % 32 == 0, isa::avx512,
                       std::conditional_t<isa::has<I, isa::avx2> && Nr % 16 == 0, isa::avx2, isa::scalar>>;

template <class I> struct interleave; // arch/<isa>/pack.hpp

template <class I> struct byte_sums;

template <> struct byte_sums<isa::scalar> {
  static constexpr int columns = 1;
  s32 sum = 0, high = 0, low = 0;
  IA_NN_INLINE void add(s8 const* p) noexcept {
    s32 const first = p[0] + p[1], second = p[2] + p[3];
    sum += first + second;
    high = high < first ? first : high;
    high = high < second ? second : high;
    low = first < low ? first : low;
    low = second < low ? second : low;
  }
  IA_NN_INLINE void store(s32* p) const noexcept { *p = sum; }
  IA_NN_INLINE bool pairs_within(int bound) const noexcept { return high <= bound && low >= -bound; }
};

// The upper half of each lane rounded to nearest even by integers, because vcvtneps2bf16 flushes
// denormals; the lower half zero.
template <class V> IA_NN_INLINE V nearest_bf16(V x) noexcept {
  auto const word = [](std::uint32_t u) IA_NN_LAMBDA {
    return decltype(bits(x))::broadcast(static_cast<s32>(u));
  };
  auto const u = bits(x);
  auto const rounded = u + word(0x7fffU) + ((u >> 16) & word(1U));
  auto const quiet = u | word(0x400000U);
  return bits(bits(select(x == x, bits(rounded), bits(quiet))) & word(0xffff0000U));
}

/// Words of two neighbouring bf16 from lanes whose lower halves are zero.
template <class V> IA_NN_INLINE auto join_bf16(V first, V second) noexcept {
  using W = decltype(bits(first));
  return ((bits(first) >> 16) & W::broadcast(0xffff)) | bits(second);
}

inline constexpr index_t bf16_line = 32; ///< values in 64 bytes

/// Writes 32 values of each of Terms terms, which lie `apart` elements from each other: from n
/// values, and zeros behind them. Every term rounds what those before it left over.
template <isa::tag I, int Terms>
IA_NN_INLINE void split_line(bf16* to, index_t apart, f32 const* from, index_t n) noexcept {
  using V = vec<f32, I>;
  auto const load = [&](index_t i) IA_NN_LAMBDA {
    return n - i >= V::size ? V::load(from + i) : n > i ? V::load(from + i, n - i) : V::zero();
  };
  for (index_t i = 0; i < bf16_line; i += 2 * V::size) {
    V rest[2] = {load(i), load(i + V::size)};
    IA_NN_UNROLL for (int t = 0; t < Terms; ++t) {
      V const a = nearest_bf16(rest[0]), b = nearest_bf16(rest[1]);
      store_high(to + t * apart + i, a, b);
      rest[0] = rest[0] - a, rest[1] = rest[1] - b;
    }
  }
}

} // namespace detail

IA_NN_END

#if defined(__AVX2__) && defined(__FMA__)
#include <ia_nn/arch/avx2/pack.hpp>
#endif
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <ia_nn/arch/avx512/pack.hpp>
#endif
