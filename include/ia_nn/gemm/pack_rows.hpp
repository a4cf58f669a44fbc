// SPDX-License-Identifier: Apache-2.0
//
// Packing rows of A for a tile of H rows: [group][H][kr], so that the K-loop reads one stream.
//
//   H = 3, kr = 2:   r0k0 r0k1 | r1k0 r1k1 | r2k0 r2k1 || r0k2 r0k3 | ...
//
// Rows beyond the matrix and k beyond its end become zero. Of a transposed f32 matrix pieces of rows are
// copied, of other strides elements. s8 may be shifted to u8 by 128 (x ^ 0x80)
// for instructions that want u8 on this side; f32 may be split into bf16 terms.
#pragma once

#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/arch/pack.hpp>
#include <ia_nn/arch/transpose.hpp>
#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// A as the caller has it: element (r, k) at data[r * row_stride + k * k_stride].
template <class T> struct a_source {
  T const* data;
  index_t row_stride, k_stride;
  a_source at(index_t row, index_t k) const noexcept {
    return {data + row * row_stride + k * k_stride, row_stride, k_stride};
  }
  a_source offset(index_t elements) const noexcept { return {data + elements, row_stride, k_stride}; }
};

template <class To, class From> IA_NN_INLINE To convert_a(From x) noexcept {
  if constexpr (std::same_as<To, From>) return x;
  else if constexpr (std::same_as<To, u8> && std::same_as<From, s8>)
    return static_cast<u8>(static_cast<u8>(x) ^ 0x80U);
  else return To(static_cast<f32>(x));
}

// Any strides, any conversion; element by element.
template <int Kr, class To, class From>
void pack_rows_any(To* to, a_source<From> a, index_t height, index_t rows, index_t k,
                   index_t groups) noexcept {
  for (index_t g = 0; g < groups; ++g)
    for (index_t r = 0; r < height; ++r)
      for (index_t i = 0; i < Kr; ++i) {
        index_t const kk = g * Kr + i;
        bool const inside = r < rows && kk < k;
        to[(g * height + r) * Kr + i] =
            inside ? convert_a<To>(a.data[r * a.row_stride + kk * a.k_stride]) : To{};
      }
}

/// Rows of a transposed matrix of bf16: those of two values of k become words.
template <isa::tag I>
void pack_word_columns(bf16* to, a_source<bf16> a, index_t height, index_t rows, index_t k,
                       index_t groups) noexcept {
  using V = vec<f32, I>;
  using W = vec<s32, I>;
  s32* word = reinterpret_cast<s32*>(to);
  for (index_t g = 0; g < groups; ++g, word += height) {
    index_t const left = k - 2 * g, some = left > 0 ? rows : 0;
    bf16 const* const first = a.data + 2 * g * a.k_stride;
    bf16 const* const second = first + a.k_stride;
    each_register<W>(0, some, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const low = at.template load<V>(first + i);
      at.store(join_bf16(low, left > 1 ? at.template load<V>(second + i) : V::zero()), word + i);
    });
    for (index_t i = some; i < height; ++i) word[i] = 0;
  }
}

/// Packs `rows` rows (at most height) of k values into groups of Kr.
template <isa::tag I, int Kr, class To, class From>
void pack_rows(To* to, a_source<From> a, index_t height, index_t rows, index_t k,
               index_t groups) noexcept {
  if constexpr (std::same_as<To, bf16> && std::same_as<From, bf16> && Kr == 2 &&
                !std::same_as<I, isa::scalar>)
    if (a.row_stride == 1) return pack_word_columns<I>(to, a, height, rows, k, groups);
  constexpr bool same_bits = std::same_as<To, From> || (std::same_as<To, u8> && std::same_as<From, s8>);
  if constexpr (std::same_as<To, From> && Kr * sizeof(To) == 64) { // AMX: whole lines
    if (a.k_stride == 1) {
      index_t const whole = min_of(k / Kr, groups);
      for (index_t r = 0; r < height; ++r) {
        From const* const row = a.data + r * a.row_stride;
        for (index_t g = 0; g < groups; ++g) {
          To* const line = to + (g * height + r) * Kr;
          if (r < rows && g < whole) {
            __builtin_memcpy(static_cast<void*>(line), row + g * Kr, 64);
            continue;
          }
          __builtin_memset(static_cast<void*>(line), 0, 64);
          if (r < rows && g * Kr < k)
            __builtin_memcpy(static_cast<void*>(line), row + g * Kr,
                             static_cast<std::size_t>(k - g * Kr) * sizeof(To));
        }
      }
      return;
    }
  }
  if constexpr (same_bits && Kr * sizeof(To) == 4) { // vectors: 32-bit words
    constexpr std::uint32_t flip = std::same_as<To, From> ? 0U : 0x80808080U;
    index_t const whole = min_of(k / Kr, groups);
    if (a.k_stride == 1) {
      transpose_words<I>(reinterpret_cast<std::uint32_t*>(to), height, bytes_of(a.data),
                         a.row_stride * static_cast<index_t>(sizeof(From)), whole, flip,
                         height - rows);
      if (whole < groups)
        pack_rows_any<Kr>(to + whole * height * Kr, a.at(0, whole * Kr), height, rows,
                          k - whole * Kr, groups - whole);
      return;
    }
  }
  if constexpr (std::same_as<To, From> && sizeof(To) == 4 && Kr == 1)
    if (a.row_stride == 1) { // a transposed matrix: pieces of its rows, as they are
      using V = vec<To, I>;
      for (index_t g = 0; g < groups; ++g, to += height) {
        index_t const some = g < k ? rows : 0;
        To const* const from = a.data + g * a.k_stride;
        each_register<V>(0, some, [&](index_t i, auto at) IA_NN_LAMBDA {
          at.store(at.template load<V>(from + i), to + i);
        });
        for (index_t i = some; i < height; ++i) to[i] = To{};
      }
      return;
    }
  pack_rows_any<Kr>(to, a, height, rows, k, groups);
}

// Rows of contiguous f32 as Terms terms, 32 values at a time.
template <int Kr, isa::tag I, int Terms>
void split_rows(bf16* to, index_t term_stride, a_source<f32> a, index_t height, index_t rows,
                index_t k, index_t groups) noexcept {
  constexpr index_t at_once = bf16_line / Kr; // groups
  for (index_t r = 0; r < height; ++r)
    for (index_t g = 0; g < groups; g += at_once) {
      f32 const* const from = a.data + r * a.row_stride + g * Kr;
      index_t const n = r < rows ? max_of(0, min_of(bf16_line, k - g * Kr)) : 0;
      bf16* const out = to + (g * height + r) * Kr;
      if constexpr (at_once == 1) split_line<I, Terms>(out, term_stride, from, n);
      else {
        alignas(64) bf16 lines[Terms][bf16_line];
        split_line<I, Terms>(lines[0], bf16_line, from, n);
        for (int t = 0; t < Terms; ++t)
          for (index_t i = 0; i < min_of(at_once, groups - g); ++i)
            __builtin_memcpy(static_cast<void*>(out + t * term_stride + i * height * Kr),
                             lines[t] + i * Kr, Kr * sizeof(bf16));
      }
    }
}

/// f32 as `terms` (2 or 3) bf16 terms, term_stride elements apart; every term rounds what is left.
template <int Kr, isa::tag I = isa::native>
void pack_rows_split(bf16* to, index_t term_stride, int terms, a_source<f32> a, index_t height,
                     index_t rows, index_t k, index_t groups) noexcept {
  if (a.k_stride == 1) {
    using lanes = packing_isa<I, bf16_line>;
    if (terms == 2) return split_rows<Kr, lanes, 2>(to, term_stride, a, height, rows, k, groups);
    return split_rows<Kr, lanes, 3>(to, term_stride, a, height, rows, k, groups);
  }
  for (index_t g = 0; g < groups; ++g)
    for (index_t r = 0; r < height; ++r)
      for (index_t i = 0; i < Kr; ++i) {
        index_t const kk = g * Kr + i;
        f32 rest = r < rows && kk < k ? a.data[r * a.row_stride + kk * a.k_stride] : 0.0F;
        for (int p = 0; p < terms; ++p) {
          bf16 const term(rest);
          to[p * term_stride + (g * height + r) * Kr + i] = term;
          rest -= static_cast<f32>(term);
        }
      }
}

} // namespace detail

IA_NN_END
