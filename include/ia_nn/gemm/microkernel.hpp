// SPDX-License-Identifier: Apache-2.0
//
// What the loops around a register tile need to know of it, the same for vectors and for AMX:
//
//   isa_type                  the instruction set it needs
//   packed_a, kr_a, a_shift   element and group of packed A; what was added to it (s8 -> u8: 128)
//   b_type, panel_type, acc   B and its panels; the accumulator element
//   max_rows, rows_step       tile heights are rows_step, 2 rows_step .. max_rows (and 1, 2, 3)
//   panels_of_tile(h)         panels that a tile of height h takes
//   context                   state of one task: the pipeline of AMX
//   run(context, tile_call)   one tile (vectors)
//   push(context, tile_call, job)   one tile whose results follow later (AMX)
#pragma once

#include <ia_nn/gemm/amx_pipeline.hpp>
#include <ia_nn/gemm/panel.hpp>
#include <ia_nn/gemm/register_tile.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// The products of Dot for weights whose pairs fit 16 bits, if it has such.
template <class Dot> struct dot_of_fitting { using type = Dot; };
template <class Dot>
  requires requires { typename Dot::fitting; }
struct dot_of_fitting<Dot> { using type = typename Dot::fitting; };

/// The rows of A that a tile multiplies: packed for it, or where the caller has them.
template <class A> struct tile_rows {
  A const* p = nullptr;
  index_t ld = 0, step = 0, term = 0; ///< elements from row to row, group to group, term to term
  bool in_place = false;              ///< not packed, and with the members below
  int first = 0;                      ///< rows of the first half; `second` is the row behind them
  A const* second = nullptr;
  index_t run = 0;                ///< k comes in runs of so many groups, with jumps[i] elements
  index_t const* jumps = no_jump; ///< between run i and the next
  A const* tail = nullptr;        ///< AMX: the end of rows that are no whole groups, packed

  /// [group][height][kr].
  IA_NN_INLINE void set_packed(A const* rows, int height, index_t kr) noexcept {
    p = rows, ld = kr, step = height * kr;
    in_place = false, tail = nullptr;
  }
  /// Of a matrix, ld elements apart, `groups` groups of kr from each.
  IA_NN_INLINE void set_matrix(A const* rows, index_t row_ld, int first_rows, index_t kr,
                               index_t groups) noexcept {
    set_image(rows, rows + first_rows * row_ld, row_ld, first_rows, kr, groups, no_jump);
  }
  /// Of an image: pixels ld elements apart, and the pixel of the second half.
  IA_NN_INLINE void set_image(A const* pixels, A const* second_half, index_t pixel_ld, int first_rows,
                              index_t kr, index_t run_groups, index_t const* run_jumps) noexcept {
    p = pixels, ld = pixel_ld, step = kr;
    in_place = true, tail = nullptr;
    first = first_rows, second = second_half, run = run_groups, jumps = run_jumps;
  }
};

/// The panels of B that a tile multiplies by.
template <class B> struct tile_panels {
  B const* p = nullptr;
  int count = 1;
  index_t stride = 0, term = 0; ///< elements from panel to panel, term to term
  bool half = false;            ///< the panel has columns in its first half only
  bool pairs_fit = false;       ///< s8 panels: packed_view::pairs_fit
  bool reused = false;          ///< more tiles will read them
  grouped_scales scales{};      ///< grouped weights: of the first panel
  bool fetch_next = false;      ///< prefetch the panel behind this one (vectors)
  B const* ahead = nullptr;     ///< what AMX prefetches instead,
  int ahead_lines = 0;          ///< lines in each group of k

  template <class View>
  tile_panels(View const& b, index_t panel, int n, index_t skipped) noexcept
      : p(b.data + panel * b.stride() + skipped), count(n), stride(b.stride()), term(b.term_stride()) {}
};

/// The sums of a tile: what they start from, and where they go.
template <class Acc> struct tile_sums {
  tile_init<Acc> init{};
  Acc* out = nullptr;
  index_t ld = 0;
};

template <class A, class B, class Acc> struct tile_call {
  int height = 0;
  int terms = 1;      ///< of bf16, of which f32 operands are the sums
  index_t groups = 0; ///< of kr (vectors) or kr_a (AMX)
  index_t l1;         ///< bytes
  tile_rows<A> a{};
  tile_panels<B> b;
  tile_sums<Acc> c{};

  /// `n` panels of packed weights from number `panel` on, without the `skipped` first elements of each,
  /// for a first cache of so many bytes.
  template <class View>
  tile_call(index_t l1_bytes, View const& packed_b, index_t panel, int n, index_t skipped = 0) noexcept
      : l1(l1_bytes), b(packed_b, panel, n, skipped) {}
};

/// Tiles in vector registers. A is packed [group][height][kr].
template <isa::tag I, element A, element B, bool Grouped = false> struct vector_kernel {
  static constexpr bool is_amx = false;
  using packed_a = std::conditional_t<std::same_as<A, s8>, u8, A>;
  using isa_type = dot_isa<I, packed_a, B>;
  using dot_type = dot<I, packed_a, B>;
  using tiling_type = tiling<I, packed_a, B>;
  using acc = typename dot_type::acc::value_type;
  using b_type = B;
  using panel_type = panel<tiling_type::nr, dot_type::kr>;
  using call = tile_call<packed_a, B, acc>;
  static constexpr int kr = dot_type::kr, kr_a = kr, nr = tiling_type::nr;
  static constexpr s32 a_shift = std::same_as<A, s8> ? 128 : 0;
  // Scales of a group occupy as many registers as one group of B.
  static constexpr int max_rows =
      tiling_type::rows - (Grouped && isa::has<I, isa::avx2> && tiling_type::rows > 4 ? 2 : 0);
  // Tall tiles come in every second height, to compile fewer of them; a row too many costs them
  // little.
  static constexpr int rows_step = max_rows > 6 ? 2 : 1, few_rows = 3;

  struct context {};

  /// Rows of the first half of a tile that reads rows in place (tile_rows::second).
  static constexpr int first_rows(int height) noexcept { return height > 3 ? height / 2 : height; }
  // As many panels as the accumulators leave registers for, so that enough sums are in flight.
  static constexpr int panels_of_tile(int height) noexcept {
    if (height > few_rows) return 1;
    // clang loads all of B ahead: pairs of bf16 halves would fill the 16 registers of AVX2.
    int p = vector_registers<I> == 16 && std::same_as<A, bf16> ? 2 : 4;
    while (p > 1 && (height + Grouped) * tiling_type::vectors * p + height * dot_type::a_registers +
                            dot_type::b_registers + dot_type::temporaries >
                        vector_registers<I>)
      p /= 2;
    return p;
  }

  static void run(context&, call const& c) noexcept {
    if constexpr (may_fit)
      if (c.b.pairs_fit) return any<fitting_dot>(c);
    any<dot_type>(c);
  }

  /// Rows a multiple of 4096 bytes apart fall into the same sets of L1: tiles that read them in
  /// place have so few that they fit its ways.
  static constexpr int aliased_rows = max_rows < 6 ? max_rows : 6;
  static constexpr int rows_height(index_t row_bytes) noexcept {
    return row_bytes % 4096 == 0 ? aliased_rows : max_rows;
  }
  /// Rows are read in place while B is narrow: packing costs about as much as half a panel. (Zen 4,
  /// m 1760, k 1760: n 32 from 76 to 97 %, n 256 from 92 to 95 % of the peak.)
  static constexpr bool reads_rows(int height, index_t panels, index_t k,
                                   index_t row_bytes) noexcept {
    if (k % kr != 0) return false;
    return height == 1 || (height == rows_height(row_bytes) && height > few_rows && panels <= 16);
  }

  /// One whole tile of max_rows rows read in place. sink(row, column, sums) takes the sums from the
  /// registers: worth an instantiation of its own where k is short.
  template <class Sink> IA_NN_NOINLINE static void run_into(call const& c, Sink const& sink) noexcept {
    if constexpr (may_fit)
      if (c.b.pairs_fit) return tile_into<fitting_dot, max_rows, 1, false, true>(c, sink);
    tile_into<dot_type, max_rows, 1, false, true>(c, sink);
  }

private:
  using fitting_dot = typename dot_of_fitting<dot_type>::type;
  static constexpr bool may_fit = !std::same_as<fitting_dot, dot_type>;

  template <class Dot> static void any(call const& c) noexcept {
    switch (c.height) {
    case 1:
      return few<Dot, 1>(c);
    case 2:
      return few<Dot, 2>(c);
    case 3:
      return few<Dot, 3>(c);
    default:
      return many<Dot, 4>(c);
    }
  }
  template <class Dot, int H> static void few(call const& c) noexcept {
    if constexpr (panels_of_tile(H) > 1)
      if (c.b.count > 1) return tile<Dot, H, panels_of_tile(H)>(c);
    tile<Dot, H, 1>(c);
  }
  template <class Dot, int H> static void many(call const& c) noexcept {
    if constexpr (H >= max_rows) {
      if (c.b.half) return c.a.in_place ? tile<Dot, H, 1, true, true>(c) : tile<Dot, H, 1, true, false>(c);
      if (c.a.in_place) return tile<Dot, H, 1, false, true>(c);
      tile<Dot, H, 1>(c);
    } else {
      if constexpr (H == aliased_rows)
        if (c.height == H && c.a.in_place)
          return c.b.half ? tile<Dot, H, 1, true, true>(c) : tile<Dot, H, 1, false, true>(c);
      if (c.height <= H) tile<Dot, H, 1>(c);
      else many<Dot, H + rows_step>(c);
    }
  }
  template <class Dot, int H, int P, bool Half = false, bool Rows = false>
  IA_NN_NOINLINE static void tile(call const& c) noexcept {
    tile_into<Dot, H, P, Half, Rows>(c, tile_store<typename Dot::acc>{c.c.out, c.c.ld});
  }
  template <class Dot, int H, int P, bool Half, bool Rows, class Sink>
  IA_NN_INLINE static void tile_into(call const& c, Sink const& sink) noexcept {
    // A tile of several panels uses B at once: fetch what the same panels hold 512 bytes on (more
    // took 25 % off at m = 1, k = n = 1024 on Zen 4). One panel is used by many tiles: the first of
    // them fetches the next panel to L2 (m = 6, weights in memory: 0.39 instead of 0.53 ms with the
    // hint for L1). The panel itself comes from L2 for the other tiles, and asking for it
    // 4 KB ahead took large products from 89 to 95 %.
    B const* const ahead = P > 1            ? c.b.p + 512 / sizeof(B)
                           : c.b.fetch_next ? c.b.p + c.b.stride
                                            : c.b.p;
    constexpr int nv = Half ? tiling_type::vectors / 2 : tiling_type::vectors;
    using rows = std::conditional_t<Rows, strided_rows<packed_a, kr, H>, packed_rows<packed_a, kr>>;
    rows const a = [&] {
      if constexpr (Rows) return rows(c.a.p, c.a.second, c.a.ld, c.a.run, c.a.jumps);
      else return rows{c.a.p};
    }();
    register_tile<Dot, H, nv, P, nr, Grouped>(
        c.groups, a, c.b.p, c.b.stride, ahead, c.b.scales, c.c.init, sink);
  }
};

/// Tiles of AMX. A is the caller's rows, or packed [group of 64 bytes][height][64 bytes].
template <element A, element B> struct amx_kernel {
  static constexpr bool is_amx = true;
  using isa_type = isa::amx;
  using packed_a = A;
  using acc = accumulator_t<B>;
  using b_type = B;
  static constexpr int kr = 4 / static_cast<int>(sizeof(B));
  static constexpr int kr_a = 64 / static_cast<int>(sizeof(A)), nr = 32;
  using panel_type = panel<nr, kr>;
  using call = tile_call<A, B, acc>;
  static constexpr s32 a_shift = 0;
  static constexpr int max_rows = 32, rows_step = 1, few_rows = 0;

  static constexpr int first_rows(int height) noexcept { return height < 16 ? height : 16; }
  static constexpr int panels_of_tile(int height) noexcept { return height <= 16 ? 2 : 1; }
  static constexpr int rows_height(index_t) noexcept { return max_rows; }
  /// Rows that are 1 KB or more apart are better packed (Sapphire Rapids, 1024^3: 14 %), if enough
  /// panels read them.
  static constexpr bool reads_rows(int, index_t panels, index_t, index_t row_bytes) noexcept {
    return row_bytes < 1024 || panels <= 8;
  }
  /// Tiles whose rows lie a multiple of 4096 bytes apart fall into one set of L1: 1024^3 with such
  /// rows of C 1.10 ms, with others 0.77.
  static constexpr bool touches_rows(index_t row_bytes) noexcept { return row_bytes % 4096 != 0; }

  using context = amx_pipeline<A, B, acc>;

  /// Weights that do not stay in L2 are fetched while tiles before them run; asking for those that are
  /// in L2 costs more than it gives (Sapphire Rapids).
  template <class View> static bool comes_from_far(View const& b, index_t l2) noexcept {
    return b.term_stride() * static_cast<index_t>(sizeof(B)) > l2 / 2;
  }
  /// Tile i of `tiles`, of so many groups, fetches its share of the lines that begin at `from`.
  static void fetch_ahead(call& c, B const* from, index_t lines, index_t groups, index_t tiles,
                          index_t i) noexcept {
    constexpr index_t line = 64 / static_cast<index_t>(sizeof(B));
    index_t const each = ceil_div(lines, tiles * groups), begin = i * each * groups;
    c.b.ahead = from + begin * line;
    c.b.ahead_lines = begin < lines ? static_cast<int>(each) : 0;
  }

  /// The sums go to c.c.out, or if that is null to a place where the job finds them.
  static void push(context& state, call const& c, amx_job const& job) noexcept {
    tile_rows<A> const& a = c.a;
    tile_panels<B> const& b = c.b;
    int const first = a.in_place ? a.first : first_rows(c.height);
    constexpr index_t ea = sizeof(A), eb = sizeof(B);
    amx_operands<A, B, acc> const o{c.groups,
                                    a.in_place ? a.run : c.groups,
                                    a.jumps,
                                    first,
                                    a.p,
                                    a.in_place ? a.second : a.p + first * a.ld,
                                    a.ld * ea,
                                    a.step * ea,
                                    a.term * ea,
                                    a.tail,
                                    b.p,
                                    b.stride * eb,
                                    b.term * eb,
                                    bytes(b.ahead),
                                    b.ahead_lines,
                                    c.terms,
                                    c.c.init.p,
                                    c.c.init.ld};
    bool const fits = c.groups * (c.height * kr_a * ea + 32 * kr_a * eb) * 4 <= c.l1 * 3;
    amx_place to;
    if (c.c.out) to = {reinterpret_cast<std::byte*>(c.c.out), c.c.ld * 4};
    state.push({c.height, first, b.half ? 1 : 2 * b.count}, o, fits, b.reused, to, job);
  }
};

} // namespace detail

IA_NN_END
