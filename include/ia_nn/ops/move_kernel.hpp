// SPDX-License-Identifier: Apache-2.0
//
// Blocks of a matrix transposed in registers, for elements of 1, 2 and 4 bytes.
//
//   4 bytes   8 x 8 by arch/transpose.hpp (AVX2), else element by element
//   2 bytes   4 x 4 in four 64-bit words:  exchange 2 x 2 blocks, then elements
//   1 byte    8 x 8 in eight 64-bit words: exchange 4 x 4 blocks, 2 x 2 blocks, bytes
//
// An exchange of the upper right and the lower left block of two rows a, b is three xor:
//   t = ((a >> s) ^ b) & mask;  b ^= t;  a ^= t << s
#pragma once

#include <ia_nn/arch/transpose.hpp>

#include <cstring>

#include <ia_nn/begin.hpp>

namespace detail {

IA_NN_INLINE std::uint64_t load_word(std::byte const* p) noexcept {
  std::uint64_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}
IA_NN_INLINE void exchange_parts(std::uint64_t& a, std::uint64_t& b, int shift,
                                 std::uint64_t mask) noexcept {
  std::uint64_t const t = ((a >> shift) ^ b) & mask;
  b ^= t;
  a ^= t << shift;
}

/// dst[j][i] = src[i][j] for a square of `side`; strides in bytes.
template <isa::tag I, int Size> struct square_transpose;

template <isa::tag I> struct square_transpose<I, 1> {
  static constexpr index_t side = 8;
  static IA_NN_INLINE void run(std::byte const* src, index_t src_stride, std::byte* dst,
                               index_t dst_stride) noexcept {
    std::uint64_t r[8];
    IA_NN_UNROLL
    for (int i = 0; i < 8; ++i) r[i] = load_word(src + i * src_stride);
    IA_NN_UNROLL
    for (int i = 0; i < 4; ++i) exchange_parts(r[i], r[i + 4], 32, 0x00000000ffffffffU);
    IA_NN_UNROLL
    for (int i = 0; i < 8; ++i)
      if ((i & 2) == 0) exchange_parts(r[i], r[i + 2], 16, 0x0000ffff0000ffffU);
    IA_NN_UNROLL
    for (int i = 0; i < 8; i += 2) exchange_parts(r[i], r[i + 1], 8, 0x00ff00ff00ff00ffU);
    IA_NN_UNROLL
    for (int i = 0; i < 8; ++i) std::memcpy(dst + i * dst_stride, &r[i], 8);
  }
};

template <isa::tag I> struct square_transpose<I, 2> {
  static constexpr index_t side = 4;
  static IA_NN_INLINE void run(std::byte const* src, index_t src_stride, std::byte* dst,
                               index_t dst_stride) noexcept {
    std::uint64_t r[4];
    IA_NN_UNROLL
    for (int i = 0; i < 4; ++i) r[i] = load_word(src + i * src_stride);
    IA_NN_UNROLL
    for (int i = 0; i < 2; ++i) exchange_parts(r[i], r[i + 2], 32, 0x00000000ffffffffU);
    IA_NN_UNROLL
    for (int i = 0; i < 4; i += 2) exchange_parts(r[i], r[i + 1], 16, 0x0000ffff0000ffffU);
    IA_NN_UNROLL
    for (int i = 0; i < 4; ++i) std::memcpy(dst + i * dst_stride, &r[i], 8);
  }
};

template <isa::tag I> struct square_transpose<I, 4> {
  static constexpr index_t side = 8;
  static IA_NN_INLINE void run(std::byte const* src, index_t src_stride, std::byte* dst,
                               index_t dst_stride) noexcept {
    if constexpr (isa::has<I, isa::avx2>) {
      using block = word_transpose<std::conditional_t<isa::has<I, isa::avx2>, isa::avx2, I>>;
      block::eight(reinterpret_cast<std::uint32_t*>(dst), dst_stride / 4, src, src_stride, 0);
    } else
      for (index_t i = 0; i < side; ++i)
        for (index_t j = 0; j < side; ++j)
          std::memcpy(dst + j * dst_stride + i * 4, src + i * src_stride + j * 4, 4);
  }
};

/// dst[j][i] = src[i][j], i < rows, j < columns. The rows of a few columns first: lines of dst are
/// complete before the next are begun. Two other orders lost by 10 to 30 % where everything lies in
/// the L3 cache of a Zen 4: by lines of src, and through a buffer from which whole lines are
/// stored.
template <isa::tag I, int Size>
IA_NN_NOINLINE void transpose_block(std::byte const* src, index_t src_stride, std::byte* dst,
                                    index_t dst_stride, index_t rows, index_t columns) noexcept {
  using square = square_transpose<I, Size>;
  constexpr index_t side = square::side;
  index_t const whole_rows = rows / side * side, whole_columns = columns / side * side;
  for (index_t j = 0; j < whole_columns; j += side)
    for (index_t i = 0; i < whole_rows; i += side)
      square::run(src + i * src_stride + j * Size, src_stride, dst + j * dst_stride + i * Size,
                  dst_stride);
  auto const one = [&](index_t i, index_t j) IA_NN_LAMBDA {
    std::memcpy(dst + j * dst_stride + i * Size, src + i * src_stride + j * Size, Size);
  };
  for (index_t j = whole_columns; j < columns; ++j)
    for (index_t i = 0; i < whole_rows; ++i) one(i, j);
  for (index_t j = 0; j < columns; ++j)
    for (index_t i = whole_rows; i < rows; ++i) one(i, j);
}

} // namespace detail

IA_NN_END
