// SPDX-License-Identifier: Apache-2.0
//
// Transposing rows of 32-bit words, the heart of packing: to[g * height + r] = row r, word g.
#pragma once

#include <ia_nn/arch/isa.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

IA_NN_INLINE std::byte const* bytes_of(void const* p) noexcept {
  return static_cast<std::byte const*>(p);
}

// Words [begin, end) of all rows, one by one.
inline void transpose_words_plain(std::uint32_t* to, index_t height, std::byte const* from,
                                  index_t row_bytes, index_t rows, index_t begin, index_t end,
                                  std::uint32_t flip) noexcept {
  for (index_t r = 0; r < rows; ++r)
    for (index_t g = begin; g < end; ++g) {
      std::uint32_t w;
      __builtin_memcpy(&w, from + r * row_bytes + g * 4, 4);
      to[g * height + r] = w ^ flip;
    }
}

template <class I> struct word_transpose {
  static constexpr index_t block = 0; // no vector form
};

} // namespace detail

IA_NN_END

#if defined(__AVX2__) && defined(__FMA__)
#include <ia_nn/arch/avx2/transpose.hpp>
#endif

#include <ia_nn/begin.hpp>

namespace detail {

/// to[g * height + r] = word g of row r, xor flip, for r < height - missing and g < words; words of
/// the missing rows are zero.
///
/// Blocks of 8 x 8, a cache line of words at a time: rows a multiple of 4096 bytes apart share few
/// cache sets, and a half-used line would be gone when its other half is wanted. Eight rows are
/// stored at once: the last block of rows overlaps the one before, and with fewer than eight rows
/// what a store writes too much is overwritten by the next group. Masked stores are slow on AMD.
template <isa::tag I>
void transpose_words(std::uint32_t* to, index_t height, std::byte const* from, index_t row_bytes,
                     index_t words, std::uint32_t flip, index_t missing = 0) noexcept {
  index_t const rows = height - missing;
  index_t g = 0;
  if constexpr (isa::has<I, isa::avx2>) {
    using block = word_transpose<std::conditional_t<isa::has<I, isa::avx2>, isa::avx2, I>>;
    if (rows >= 8) {
      for (index_t some = 0; g + 8 <= words; g += some) {
        some = g + 16 <= words ? 16 : 8;
        for (index_t r = 0; r < rows; r += 8) {
          index_t const first = r + 8 <= rows ? r : rows - 8;
          for (index_t h = g; h < g + some; h += 8)
            block::eight(to + h * height + first, height, from + first * row_bytes + h * 4, row_bytes,
                         flip);
        }
      }
    } else if (rows >= 4) { // at most four words too many: one group
      for (; g + 8 < words; g += 8)
        block::fewer(to + g * height, height, from + g * 4, row_bytes, rows, flip);
    }
  }
  transpose_words_plain(to, height, from, row_bytes, rows, g, words, flip);
  for (index_t w = 0; w < words && missing > 0; ++w)
    for (index_t r = rows; r < height; ++r) to[w * height + r] = 0;
}

} // namespace detail

IA_NN_END
