// SPDX-License-Identifier: Apache-2.0
//
// THE K-loop: one register tile of C = A * B for every element type and every vector ISA.
//
//   c[r][n] = init[r][n] + sum over g of dot(a[r][g], b[g][n])     r < Mr, n < Panels * Nv * width
//
// Registers (f32 on AVX-512: Mr 14, Nv 2):        28 accumulators + 2 of B + 1 of A = 31 of 32
//
//                 b[g][ 0..15]  b[g][16..31]
//     a[0][g]  ->  acc[0][0]     acc[0][1]         the Nv registers of B stay, rows of A are
//     a[1][g]  ->  acc[1][0]     acc[1][1]         broadcast one after the other
//       ...
//     a[13][g] ->  acc[13][0]    acc[13][1]
//
// A comes packed ([g][Mr][kr], one stream; pack_rows.hpp) or, where B is too narrow to pay for the
// packing, as rows of the caller's matrix, or as pixels of an image. B comes in panels (panel.hpp):
// one for matrices; a matrix of fewer than 4 rows takes several panels side by side, because two
// accumulators would leave the multipliers waiting for each other. Weights in groups of k with a
// scale each are multiplied by it when loaded; the scale registers are reloaded between groups.
//
// Each c[r][n] is one chain of additions over k in order, whatever the tile, the blocking and the
// thread: f32 results have the same bits for every number of threads and every ISA with fma.
//
// Edges: k is a whole number of groups (operands are zero-padded), rows and columns are whole
// tiles; the caller lets partial tiles write to scratch.
#pragma once

#include <ia_nn/arch/dot.hpp>
#include <ia_nn/arch/tiling.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// A packed for tiles of Mr rows: [g][Mr][kr].
template <class A, int Kr> struct packed_rows {
  static constexpr bool has_runs = false;
  A const* p;
  template <int Mr> IA_NN_INLINE A const* at(int r) const noexcept { return p + r * Kr; }
  template <int Mr> IA_NN_INLINE void next() noexcept { p += Mr * Kr; }
};

/// Rows of the caller's matrix or image: two halves of rows that lie ld elements apart, so that a
/// tile may begin in one line of an image and end in the next. Few registers address them all:
/// [half + {0, 1, 2, 4} * ld], [half + {1, 2} * 3 ld], [half + 5 ld].
///
/// k comes in runs of `run` groups; behind each of them the rows are `*jumps` elements further on:
/// the next tap of a convolution. A matrix is one run.
template <class A, int Kr, int Mr> struct strided_rows {
  static constexpr bool has_runs = true;
  static constexpr int half = Mr > 3 ? Mr / 2 : Mr;
  static_assert(Mr - half <= 7 && half <= 7);
  A const* first;
  A const* second;
  index_t ld, ld3, ld5;
  index_t run;
  index_t const* jumps;

  IA_NN_INLINE strided_rows(A const* a, A const* a2, index_t stride, index_t run_groups,
                            index_t const* jump) noexcept
      : first(a), second(a2), ld(stride), ld3(3 * stride), ld5(5 * stride), run(run_groups),
        jumps(jump) {}
  template <int> IA_NN_INLINE A const* at(int r) const noexcept {
    A const* const p = r < half ? first : second;
    int const i = r < half ? r : r - half;
    return i == 3 ? p + ld3 : i == 5 ? p + ld5 : i == 6 ? p + 2 * ld3 : p + i * ld;
  }
  template <int> IA_NN_INLINE void next() noexcept {
    first += Kr;
    second += Kr;
  }
  IA_NN_INLINE void jump() noexcept {
    index_t const by = *jumps++;
    first += by;
    second += by;
  }
};
inline constexpr index_t no_jump[1] = {0};

/// Scales of weights in groups of k: [k / group][Nr] for each panel. Unused otherwise.
struct grouped_scales {
  f32 const* p = nullptr;
  index_t panel_stride = 0, group = 0;
};

/// Where a tile starts from: nothing (zero), one row for all (stride 0), or a tile.
template <class Acc> struct tile_init {
  Acc const* p = nullptr;
  index_t ld = 0;
};

} // namespace detail

namespace detail {
/// Stores the sums of a tile as they are.
template <class Acc> struct tile_store {
  typename Acc::value_type* out;
  index_t ld;
  IA_NN_INLINE void operator()(int row, int column, Acc sum) const noexcept {
    sum.store(out + row * ld + column);
  }
};
} // namespace detail

/// One tile. `b` points to the first panel, the next one is panel_stride elements away;
/// sink(row, column, sums) takes each register of the Mr rows of Panels * Nv * width sums. `ahead` walks along with b and is
/// prefetched: to L2 where tiles are tall (one panel is read by several of them, the next one comes
/// meanwhile), to L1 where they are not.
template <class Dot, int Mr, int Nv, int Panels, int Nr, bool Grouped, class Operand, class B,
          class Sink>
IA_NN_INLINE void register_tile(index_t groups, Operand a, B const* IA_NN_RESTRICT b,
                                index_t panel_stride, B const* ahead, detail::grouped_scales scales,
                                detail::tile_init<typename Dot::acc::value_type> init,
                                Sink const& sink) noexcept {
  using acc_t = typename Dot::acc;
  constexpr int kr = Dot::kr, width = Dot::width, n_acc = Nv * Panels;
  constexpr int line = 64 / static_cast<int>(sizeof(B));
  acc_t acc[Mr][n_acc];
  if (init.p) {
    IA_NN_UNROLL for (int r = 0; r < Mr; ++r)
      IA_NN_UNROLL for (int v = 0; v < n_acc; ++v) acc[r][v] = acc_t::load(init.p + r * init.ld + v * width);
  } else {
    IA_NN_UNROLL for (int r = 0; r < Mr; ++r)
      IA_NN_UNROLL for (int v = 0; v < n_acc; ++v) acc[r][v] = acc_t::zero();
  }

  constexpr bool runs = Operand::has_runs && !Grouped;
  index_t const block = [&] {
    if constexpr (Grouped) return scales.group;
    else if constexpr (runs) return a.run;
    else return groups;
  }();
  index_t done = 0;
  do {
    acc_t scale[Grouped ? n_acc : 1];
    if constexpr (Grouped) {
      IA_NN_UNROLL for (int v = 0; v < n_acc; ++v)
        scale[v] = acc_t::load(scales.p + (v / Nv) * scales.panel_stride + (v % Nv) * width);
      scales.p += Nr;
    }
    auto const load_b = [&](int v) IA_NN_LAMBDA {
      auto const x = Dot::load_b(b + (v / Nv) * panel_stride + (v % Nv) * width * kr);
      if constexpr (Grouped) return x * scale[v];
      else return x;
    };
    index_t const end = min_of(groups, done + block);
    IA_NN_ROLLED for (; done < end; ++done) {
      if constexpr (Mr >= n_acc) { // fewer registers of B: hold them, stream A
        decltype(load_b(0)) bv[n_acc];
        IA_NN_UNROLL for (int v = 0; v < n_acc; ++v) bv[v] = load_b(v);
        IA_NN_UNROLL for (int i = 0; i < Nr * kr; i += line) {
          __builtin_prefetch(ahead + i, 0, 2);                // the next panel, to L2
          __builtin_prefetch(b + 4096 / sizeof(B) + i, 0, 3); // this one, from L2 to L1
        }
        IA_NN_UNROLL for (int r = 0; r < Mr; ++r) {
          auto const av = Dot::load_a(a.template at<Mr>(r));
          IA_NN_UNROLL for (int v = 0; v < n_acc; ++v) Dot::mac(acc[r][v], av, bv[v]);
        }
      } else { // fewer of A
        decltype(Dot::load_a(a.template at<Mr>(0))) av[Mr];
        IA_NN_UNROLL for (int r = 0; r < Mr; ++r) av[r] = Dot::load_a(a.template at<Mr>(r));
        IA_NN_UNROLL for (int v = 0; v < n_acc; ++v) {
          auto const bv = load_b(v);
          IA_NN_UNROLL for (int r = 0; r < Mr; ++r) Dot::mac(acc[r][v], av[r], bv);
        }
        IA_NN_UNROLL for (int p = 0; p < Panels; ++p)
          IA_NN_UNROLL for (int i = 0; i < Nr * kr; i += line)
          __builtin_prefetch(ahead + p * panel_stride + i, 0, 3);
      }
      a.template next<Mr>();
      b += Nr * kr;
      ahead += Nr * kr;
    }
    if constexpr (runs) a.jump();
  } while ((Grouped || runs) && done < groups);

  // What the sink holds is loaded here: numbers of stages would take registers of the loop. A copy,
  // which its stores cannot change: the tile of 14 x 32 of bf16 ends after 50 cycles instead of 130.
  Sink const behind = detail::read_here(sink);
  // GCC 12 keeps sums that are converted next in memory, inside the loop as well: pin.
  if constexpr (n_acc == 2 && requires { behind.both(0, acc[0][0], acc[0][1]); }) {
    IA_NN_UNROLL for (int r = 0; r < Mr; ++r) {
      acc[r][0].pin(), acc[r][1].pin();
      behind.both(r, acc[r][0], acc[r][1]);
    }
  } else {
    IA_NN_UNROLL for (int r = 0; r < Mr; ++r)
      IA_NN_UNROLL for (int v = 0; v < n_acc; ++v) {
        acc[r][v].pin();
        behind(r, v * width, acc[r][v]);
      }
  }
}

IA_NN_END
