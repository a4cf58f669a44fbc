// SPDX-License-Identifier: Apache-2.0
//
// The second and last K-loop: AMX, int8 and bf16 (and f32 split into bf16 terms).
//
//   c[r][n] = init[r][n] + sum over segments, k of a[r][k] * b[k][n]
//
// Tiles, 2 x 2 (2 x 1 without the right half)           1 x 4 (1 x 2, 1 x 1), up to 16 rows
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
// the next, which describes the caller's matrix and packed rows alike. Where the caller's rows end
// within 64 bytes, their last bytes are packed (`tail`).
//
// The operand that is not used again soon is loaded as a stream, so that L1 keeps the other: B
// panels serve all tiles of A beside each other, unless there is one tile only.
//
// Segments are pairs (a term of A, a term of B) whose products add up in the same accumulators.
//
// Blocks are rotated (amx_pipeline.hpp): the sums of the block before are stored between the first
// products of this one, each just before its tile begins anew, and sums that are in memory become
// results between the other products, some rows a step. A sum that is stored right behind its last
// product waits 52 cycles for it, and one that is read right behind its store as long again.
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
constexpr term_pair const* term_pairs(int terms) noexcept {
  return terms == 1 ? term_pairs_1 : terms == 2 ? term_pairs_2 : term_pairs_3;
}
constexpr int term_pair_count(int terms) noexcept { return terms * (terms + 1) / 2; }

template <class A, class B, class Acc> struct amx_operands {
  index_t steps;        ///< of 64 bytes of k
  index_t run;          ///< steps of a run of k; behind run i, A is
  index_t const* jumps; ///< jumps[i] elements further on
  int first;            ///< rows of the first tile
  A const* a;
  A const* a2;                  ///< the first row of the second tile
  index_t a_ld, a_step, a_term; ///< bytes
  A const* tail;                ///< rows of 64 bytes for one more step; or null
  B const* b;
  index_t panel_stride, b_term; ///< bytes
  std::byte const* ahead;       ///< lines of B to be fetched meanwhile,
  int ahead_lines;              ///< so many in each step; 0: none
  int terms;
  Acc const* init; ///< or null
  index_t init_ld; ///< elements; 0 repeats one row
};

/// Where the tiles of a block go.
struct amx_place {
  std::byte* to = nullptr; ///< null: there is no such block
  index_t ld = 0;          ///< bytes
};

/// What becomes of a block of sums: results, some rows at a time.
struct amx_job {
  void (*finish)(amx_job const&, std::byte* sums, int from, int to) noexcept = nullptr;
  void const* owner = nullptr; ///< whose function that is
  index_t row = 0, panel = 0, columns = 0;
  int rows = 0;
  index_t width = 0; ///< columns from one row of sums to the next
};

/// A block whose sums are in memory and not yet, or not all, results.
struct amx_unfinished {
  amx_job job{};
  std::byte* sums = nullptr;
  int next = 0, at_once = 0; ///< rows

  bool any() const noexcept { return next < job.rows; }
  void some() noexcept {
    int const to = next + at_once < job.rows ? next + at_once : job.rows;
    job.finish(job, sums, next, to);
    next = to;
  }
  void all() noexcept {
    if (any()) job.finish(job, sums, next, job.rows);
    next = job.rows;
  }
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

IA_NN_INLINE std::byte const* bytes(void const* p) noexcept {
  return static_cast<std::byte const*>(p);
}

/// The operand that passes through without staying in L1.
enum class amx_stream { none, a, b };

/// Mt x Nt tiles: which registers they are, and one step of 64 bytes of k.
template <int Mt, int Nt, amx_stream Stream, class A, class B, class Acc> struct amx_form {
  static_assert((Mt == 2 && Nt <= 2) || (Mt == 1 && (Nt <= 2 || Nt == 4)));
  using operands = amx_operands<A, B, Acc>;
  static constexpr int c(int i, int j) noexcept { return Mt == 2 ? 2 * i + j : j; }
  static constexpr int b(int j) noexcept { return Mt == 2 ? 6 + j : 5 + j % 3; }

  /// Tile (i, j) of the block before to memory; then it begins anew.
  template <int I, int J>
  IA_NN_INLINE static void turn(operands const& o, amx_place const& before) noexcept {
    constexpr int tile = c(I, J);
    if (before.to) amx::store<tile>(before.to + I * o.first * before.ld + J * 64, before.ld);
    if (o.init) amx::load<tile>(o.init + I * o.first * o.init_ld + J * 16, o.init_ld * 4);
    else amx::zero<tile>();
  }
  template <bool Begins, int J>
  IA_NN_INLINE static void column(operands const& o, amx_place const& before,
                                  std::byte const* panel) noexcept {
    amx::load<b(J), Stream == amx_stream::b>(panel + J % 2 * 64, 128);
    if constexpr (Begins) turn<0, J>(o, before);
    amx::dot<A, B, c(0, J), 4, b(J)>();
  }
  template <bool Begins>
  IA_NN_INLINE static void step(operands const& o, amx_place const& before, std::byte const* a0,
                                std::byte const* a1, index_t a_ld, std::byte const* panel) noexcept {
    constexpr bool streams = Stream == amx_stream::a;
    amx::load<4, streams>(a0, a_ld);
    column<Begins, 0>(o, before, panel);
    if constexpr (Nt > 1) column<Begins, 1>(o, before, panel);
    if constexpr (Nt > 2) {
      std::byte const* const next = panel + o.panel_stride;
      column<Begins, 2>(o, before, next);
      column<Begins, 3>(o, before, next);
    }
    if constexpr (Mt > 1) {
      amx::load<5, streams>(a1, a_ld);
      if constexpr (Begins) turn<1, 0>(o, before);
      amx::dot<A, B, c(1, 0), 5, b(0)>();
      if constexpr (Nt > 1) {
        if constexpr (Begins) turn<1, 1>(o, before);
        amx::dot<A, B, c(1, 1), 5, b(1)>();
      }
    }
  }
  IA_NN_INLINE static void turn_all(operands const& o, amx_place const& before) noexcept {
    turn<0, 0>(o, before);
    if constexpr (Nt > 1) turn<0, 1>(o, before);
    if constexpr (Nt > 2) turn<0, 2>(o, before), turn<0, 3>(o, before);
    if constexpr (Mt > 1) turn<1, 0>(o, before);
    if constexpr (Mt > 1 && Nt > 1) turn<1, 1>(o, before);
  }
};

/// The sums of one block, which stay in the tiles. The tiles of the block `before` go to memory, and the
/// rows that `rest` has left become results.
template <int Mt, int Nt, amx_stream Stream, class A, class B, class Acc>
IA_NN_NOINLINE void amx_products(amx_operands<A, B, Acc> const& o, amx_place before,
                                 amx_unfinished& rest) noexcept {
  using form = amx_form<Mt, Nt, Stream, A, B, Acc>;
  term_pair const* const pairs = term_pairs(o.terms);
  std::byte const* ahead = o.ahead;
  index_t const a_ld = o.a_ld, a_step = o.a_step, steps = o.steps;
  int const lines = o.ahead_lines;
  bool begun = steps == 0 && !o.tail;
  if (begun) form::turn_all(o, before);
  for (int s = 0; s < term_pair_count(o.terms); ++s) {
    std::byte const* a0 = bytes(o.a) + pairs[s].a * o.a_term;
    std::byte const* a1 = bytes(o.a2) + pairs[s].a * o.a_term;
    std::byte const* b = bytes(o.b) + pairs[s].b * o.b_term;
    index_t const* jump = o.jumps;
    index_t left = o.run;
    for (index_t i = 0; i < steps; ++i) {
      if (begun) form::template step<false>(o, before, a0, a1, a_ld, b);
      else form::template step<true>(o, before, a0, a1, a_ld, b);
      begun = true;
      for (int l = 0; l < lines; ++l) __builtin_prefetch(ahead + l * 64, 0, 2);
      ahead += lines * 64;
      a0 += a_step;
      a1 += a_step;
      b += 2048;
      if (--left == 0) {
        index_t const by = *jump++ * static_cast<index_t>(sizeof(A));
        a0 += by;
        a1 += by;
        left = o.run;
      }
      if (rest.any()) rest.some();
    }
    if (o.tail) {
      a0 = bytes(o.tail);
      a1 = a0 + o.first * 64;
      if (begun) form::template step<false>(o, before, a0, a1, 64, b);
      else form::template step<true>(o, before, a0, a1, 64, b);
      begun = true;
    }
  }
  rest.all();
}

} // namespace detail

IA_NN_END
