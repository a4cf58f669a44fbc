// SPDX-License-Identifier: Apache-2.0
//
// The second and last K-loop: AMX, int8 and bf16 (and f32 split into bf16 terms).
//
//   c[r][n] = init[r][n] + sum over segments, k of a[r][k] * b[k][n]
//
// Tiles, Mt = 2 row tiles and Nt = 2 column tiles       Mt = 1, Nt = 4 (up to 16 rows)
//
//             B0(6)  B1(7)                                    B0(5) B1(6) B2(7) B3(5)
//    A0(4)     C 0    C 1                             A0(4)    C 0   C 1   C 2   C 3
//    A1(5)     C 2    C 3
//
// Four accumulators, because a product takes 52 cycles until its sum can be used again and 16 until
// the next can start. The tile configuration names the real number of rows: a product costs as many
// cycles as A has rows.
//
// B comes in panels of 32 columns: 128 bytes per group of k, so a B tile is 16 rows, 128 bytes
// apart. A comes as rows of 64 bytes of k: `a_ld` bytes from row to row and `a_step` from one 64 to
// the next, which describes the caller's matrix (k a multiple of 64 bytes) and packed rows alike.
//
// The operand that is not used again soon is loaded as a stream, so that L1 keeps the other: B
// panels serve all tiles of A beside each other, unless there is one tile only.
//
// Segments are pairs (a term of A, a term of B) whose products add up in the same accumulators.
#pragma once

#include <ia_nn/arch/amx/tile.hpp>
#include <ia_nn/core/meta.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Products of terms of A and B, by number of terms: smallest first, so that they are not lost.
struct term_pair {
  u8 a, b;
};
inline constexpr term_pair term_pairs_1[] = {{0, 0}};
inline constexpr term_pair term_pairs_2[] = {{1, 0}, {0, 1}, {0, 0}};
inline constexpr term_pair term_pairs_3[] = {{2, 0}, {1, 1}, {0, 2}, {1, 0}, {0, 1}, {0, 0}};
constexpr term_pair const* term_pairs(int parts) noexcept {
  return parts == 1 ? term_pairs_1 : parts == 2 ? term_pairs_2 : term_pairs_3;
}
constexpr int term_count(int parts) noexcept { return parts * (parts + 1) / 2; }

template <class A, class B, class Acc> struct amx_operands {
  index_t steps;        ///< of 64 bytes of k
  index_t run;          ///< steps of a run of k; behind run i, A is
  index_t const* jumps; ///< jumps[i] elements further on
  int first;            ///< rows of the first tile
  A const* a;
  A const* a2;                  ///< the first row of the second tile
  index_t a_ld, a_step, a_part; ///< bytes
  B const* b;
  index_t panel_stride, b_part; ///< bytes
  B const* ahead;               ///< next panel, to be fetched meanwhile; or null
  int parts;
  Acc const* init; ///< or null
  index_t init_ld; ///< elements; 0 repeats one row
  Acc* out;
  index_t out_ld; ///< elements
};

/// Configuration for `rows` rows of A, `first` of them in the first tile: C and A tiles have the
/// real rows.
constexpr amx::tile_config amx_config(int rows, int first) noexcept {
  amx::tile_config c;
  int const second = rows - first;
  for (int t = 0; t < 8; ++t) c.row_bytes[t] = 64;
  if (second > 0) {
    c.rows[0] = c.rows[1] = c.rows[4] = static_cast<u8>(first);
    c.rows[2] = c.rows[3] = c.rows[5] = static_cast<u8>(second);
    c.rows[6] = c.rows[7] = 16;
  } else {
    c.rows[0] = c.rows[1] = c.rows[2] = c.rows[3] = c.rows[4] = static_cast<u8>(first);
    c.rows[5] = c.rows[6] = c.rows[7] = 16;
  }
  return c;
}

template <int Tile, class Acc>
IA_NN_INLINE void amx_begin(Acc const* init, index_t ld, index_t row, index_t column) noexcept {
  if (init) amx::load<Tile>(init + row * ld + column, ld * 4);
  else amx::zero<Tile>();
}

IA_NN_INLINE std::byte const* bytes(void const* p) noexcept {
  return static_cast<std::byte const*>(p);
}

/// The operand that passes through without staying in L1.
enum class amx_stream { none, a, b };

/// Up to 32 rows by 32 columns: 2 x 2 tiles.
template <amx_stream Stream, class A, class B, class Acc>
IA_NN_NOINLINE void amx_tile_2x2(amx_operands<A, B, Acc> const& o) noexcept {
  constexpr bool stream_a = Stream == amx_stream::a, stream_b = Stream == amx_stream::b;
  amx_begin<0>(o.init, o.init_ld, 0, 0);
  amx_begin<1>(o.init, o.init_ld, 0, 16);
  amx_begin<2>(o.init, o.init_ld, o.first, 0);
  amx_begin<3>(o.init, o.init_ld, o.first, 16);
  term_pair const* const pairs = term_pairs(o.parts);
  for (int s = 0; s < term_count(o.parts); ++s) {
    std::byte const* a0 = bytes(o.a) + pairs[s].a * o.a_part;
    std::byte const* a1 = bytes(o.a2) + pairs[s].a * o.a_part;
    std::byte const* b = bytes(o.b) + pairs[s].b * o.b_part;
    std::byte const* ahead = o.ahead ? bytes(o.ahead) + pairs[s].b * o.b_part : nullptr;
    index_t const a_ld = o.a_ld, a_step = o.a_step;
    index_t const* jump = o.jumps;
    index_t left = o.run;
    for (index_t i = 0; i < o.steps; ++i) {
      amx::load<4, stream_a>(a0, a_ld);
      amx::load<6, stream_b>(b, 128);
      amx::dot<A, B, 0, 4, 6>();
      amx::load<7, stream_b>(b + 64, 128);
      amx::dot<A, B, 1, 4, 7>();
      amx::load<5, stream_a>(a1, a_ld);
      amx::dot<A, B, 2, 5, 6>();
      amx::dot<A, B, 3, 5, 7>();
      if (ahead) {
        IA_NN_UNROLL for (int l = 0; l < 32; ++l) __builtin_prefetch(ahead + l * 64, 0, 2);
        ahead += 2048;
      }
      a0 += a_step;
      a1 += a_step;
      b += 2048;
      if (--left == 0) {
        index_t const by = *jump++ * static_cast<index_t>(sizeof(A));
        a0 += by;
        a1 += by;
        left = o.run;
      }
    }
  }
  amx::store<0>(o.out, o.out_ld * 4);
  amx::store<1>(o.out + 16, o.out_ld * 4);
  amx::store<2>(o.out + o.first * o.out_ld, o.out_ld * 4);
  amx::store<3>(o.out + o.first * o.out_ld + 16, o.out_ld * 4);
}

/// Up to 16 rows by 64 columns (two panels): 1 x 4 tiles; or by 32 columns: 1 x 2.
template <int Nt, amx_stream Stream, class A, class B, class Acc>
IA_NN_NOINLINE void amx_tile_1xn(amx_operands<A, B, Acc> const& o) noexcept {
  constexpr bool stream_b = Stream == amx_stream::b;
  amx_begin<0>(o.init, o.init_ld, 0, 0);
  amx_begin<1>(o.init, o.init_ld, 0, 16);
  if constexpr (Nt == 4) {
    amx_begin<2>(o.init, o.init_ld, 0, 32);
    amx_begin<3>(o.init, o.init_ld, 0, 48);
  }
  term_pair const* const pairs = term_pairs(o.parts);
  for (int s = 0; s < term_count(o.parts); ++s) {
    std::byte const* a = bytes(o.a) + pairs[s].a * o.a_part;
    std::byte const* b = bytes(o.b) + pairs[s].b * o.b_part;
    std::byte const* ahead = o.ahead ? bytes(o.ahead) + pairs[s].b * o.b_part : nullptr;
    index_t const a_ld = o.a_ld, a_step = o.a_step, next_panel = o.panel_stride;
    index_t const* jump = o.jumps;
    index_t left = o.run;
    for (index_t i = 0; i < o.steps; ++i) {
      amx::load<4>(a, a_ld);
      amx::load<5, stream_b>(b, 128);
      amx::dot<A, B, 0, 4, 5>();
      amx::load<6, stream_b>(b + 64, 128);
      amx::dot<A, B, 1, 4, 6>();
      if constexpr (Nt == 4) {
        amx::load<7, stream_b>(b + next_panel, 128);
        amx::dot<A, B, 2, 4, 7>();
        amx::load<5, stream_b>(b + next_panel + 64, 128);
        amx::dot<A, B, 3, 4, 5>();
      }
      if (ahead) {
        IA_NN_UNROLL for (int p = 0; p < Nt / 2; ++p)
          IA_NN_UNROLL for (int l = 0; l < 32; ++l) __builtin_prefetch(ahead + p * next_panel + l * 64, 0, 2);
        ahead += 2048;
      }
      a += a_step;
      b += 2048;
      if (--left == 0) {
        a += *jump++ * static_cast<index_t>(sizeof(A));
        left = o.run;
      }
    }
  }
  amx::store<0>(o.out, o.out_ld * 4);
  amx::store<1>(o.out + 16, o.out_ld * 4);
  if constexpr (Nt == 4) {
    amx::store<2>(o.out + 32, o.out_ld * 4);
    amx::store<3>(o.out + 48, o.out_ld * 4);
  }
}

} // namespace detail

IA_NN_END
