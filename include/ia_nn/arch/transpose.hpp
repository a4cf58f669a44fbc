// SPDX-License-Identifier: Apache-2.0
//
// Transposing rows of 32-bit words, the heart of packing: to[g * height + r] = row r, word g.
#pragma once

#include <ia_nn/arch/isa.hpp>

IA_NN_BEGIN

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

IA_NN_BEGIN

namespace detail {

/// to[g * height + r] = word g of row r, xor flip, for r < rows <= height and g < words.
template <isa::tag I>
void transpose_words(std::uint32_t* to, index_t height, std::byte const* from, index_t row_bytes,
                     index_t rows, index_t words, std::uint32_t flip) noexcept {
  index_t g = 0;
  if constexpr (isa::has<I, isa::avx2>) {
    using block = word_transpose<isa::avx2>;
    for (; g + 8 <= words; g += 8) {
      index_t r = 0;
      for (; r + 8 <= rows; r += 8)
        block::eight(to + g * height + r, height, from + r * row_bytes + g * 4, row_bytes, flip);
      if (r < rows)
        block::fewer(to + g * height + r, height, from + r * row_bytes + g * 4, row_bytes, rows - r,
                     flip);
    }
  }
  transpose_words_plain(to, height, from, row_bytes, rows, g, words, flip);
}

} // namespace detail

IA_NN_END
