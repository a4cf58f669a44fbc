// SPDX-License-Identifier: Apache-2.0
//
// Sums of outer products: gradients of weights.
//
//   sums (m x n) = sum over rows r of  transpose(a[r]) * b[r]          a: rows x m, b: rows x n
//
// Rows are images' pixels or a batch's rows, in f32. Both matrices have them as rows, which is the
// order that the register tile wants of both sides: packing copies pieces of rows and transposes
// nothing. A chunk of rows is packed, then multiplied:
//
//   pack   a -> [tile of m][row][height]        b -> [panel][row][nr]         rounded to E on the way
//     panel of b, which stays in L1
//       tile of a: height x nr sums, loaded from what the chunks before it left, and stored
//
// On AMX the products of bf16 are those of AVX512-BF16.
#pragma once

#include <ia_nn/arch/pack.hpp>
#include <ia_nn/gemm/region.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Neighbouring rows of a, from number `row` on, and the row of b of the first; those of the others lie a
/// constant distance apart in memory.
struct row_run {
  index_t row, count;
  f32 const* b;
};

template <isa::tag I, element E> class outer_products {
  using kernel = vector_kernel<I, E, E>;
  using panel_type = typename kernel::panel_type;
  using view = packed_view<E, panel_type>;
  using V = vec<f32, I>;
  static constexpr index_t nr = kernel::nr, kr = kernel::kr;
  static_assert(kr <= 2);

public:
  /// For chunks of at most `rows` rows.
  outer_products(index_t m, index_t n, index_t rows) noexcept
      : m_(m), n_(n), groups_(ceil_div(rows, kr)), panels_(ceil_div(n, nr)),
        height_(tile_height(m, kernel::max_rows, kernel::rows_step, kernel::few_rows)),
        tiles_(ceil_div(m, height_)), last_(height_of<kernel>(m - (tiles_ - 1) * height_, static_cast<int>(height_))),
        // Tiles or panels a multiple of 4096 bytes apart would be written to the same sets of L1.
        stride_(groups_ * kr * nr + 64 / index_t{sizeof(E)}),
        a_stride_(groups_ * kr * height_ + 64 / index_t{sizeof(E)}) {}

  index_t rows() const noexcept { return groups_ * kr; }
  /// f32 of the sums, and from one row of them to the next: `n` of each row are results.
  index_t sums_cells() const noexcept { return round_up(((tiles_ - 1) * height_ + last_) * sums_ld(), 16); }
  index_t sums_ld() const noexcept { return panels_ * nr; }
  index_t scratch_bytes() const noexcept { return round_up((a_cells() + panels_ * stride_) * index_t{sizeof(E)}, 64); }

  static constexpr index_t panel_columns = nr;
  /// Rows that are packed together: as many as fill whole cache lines of each tile.
  static constexpr index_t rows_at_once = 16;

  /// count rows: row(r) is the f32 of row r, which has to stay until rows_at_once rows more are asked for.
  /// Rows that lie `apart` elements from each other in memory are fetched ahead; 0: they do not.
  template <class Rows>
  void pack_a(index_t count, Rows const& row, index_t apart, std::byte* scratch) const noexcept {
    E* const to = reinterpret_cast<E*>(scratch);
    for (index_t first = 0; first < count; first += rows_at_once) {
      f32 const* rows[rows_at_once];
      index_t const n = take(rows, min_of(rows_at_once, count - first), first, row);
      for (index_t t = 0; t < tiles_; ++t) {
        index_t const h = t + 1 < tiles_ ? height_ : last_, begin = t * height_;
        if (apart > 0) fetch(rows, n, apart, begin, height_);
        put(to + t * a_stride_ + first * h, h * kr, rows, n, begin, min_of(h, m_ - begin), h);
      }
    }
  }
  /// Some columns of b, from the first of a panel on: element 0 of a row is column columns.begin.
  template <class Rows>
  void pack_b(index_t count, block columns, Rows const& row, index_t apart, std::byte* scratch) const noexcept {
    E* const to = reinterpret_cast<E*>(scratch) + a_cells() + columns.begin / nr * stride_;
    index_t const width = columns.size();
    for (index_t first = 0; first < count; first += rows_at_once) {
      f32 const* rows[rows_at_once];
      index_t const n = take(rows, min_of(rows_at_once, count - first), first, row);
      index_t column = 0;
      E* cells = to + first * nr;
      for (; column + nr <= width; column += nr, cells += stride_) {
        if (apart > 0) fetch(rows, n, apart, column, nr);
        for (index_t r = 0; r < n; r += kr)
          IA_NN_UNROLL for (index_t i = 0; i < nr; i += V::size)
            put_register(cells + r * nr, rows[r], kr > 1 && r + 1 < n ? rows[r + 1] : nullptr, column, i,
                         lanes<true>{V::size});
      }
      if (column < width) put(cells, nr * kr, rows, n, column, width - column, nr);
    }
  }
  /// Of the packed rows; adds to what is in `sums`, or overwrites it.
  void multiply(index_t count, bool add, f32* sums, std::byte* scratch) const noexcept {
    E const* const a = reinterpret_cast<E const*>(scratch);
    E const* const b = a + a_cells();
    index_t const ld = sums_ld();
    view whole;
    whole.data = b, whole.k = groups_ * kr, whole.n = n_;
    typename kernel::context state;
    index_t const l1 = cpu::cache_sizes().l1;
    for (index_t p = 0; p < panels_; ++p) {
      typename kernel::call call(l1, whole, 0, 1);
      call.b.p = b + p * stride_;
      call.groups = ceil_div(count, kr);
      call.b.fetch_next = false;
      bool const half = n_ - p * nr <= nr / 2;
      f32* to = sums + p * nr;
      for (index_t t = 0; t < tiles_; ++t, to += height_ * ld) {
        call.height = static_cast<int>(t + 1 < tiles_ ? height_ : last_);
        call.b.half = half && call.height == kernel::max_rows;
        call.a.set_packed(a + t * a_stride_, call.height, kr);
        call.c.init = {add ? to : nullptr, ld};
        call.c.out = to, call.c.ld = ld;
        // The sums of the next tile come while this one is multiplied.
        if (add && t + 1 < tiles_)
          for (index_t r = 0; r < height_; ++r)
            for (index_t i = 0; i < nr; i += 16) __builtin_prefetch(to + (height_ + r) * ld + i, 1, 3);
        kernel::run(state, call);
      }
    }
  }

  /// True for products that need no packed b: of f32.
  static constexpr bool reads_in_place = std::same_as<E, f32>;

  /// As multiply, for whole panels `columns` whose rows of b are where the runs say, `apart` elements
  /// from each other: nothing is copied, and rows that no run names bring nothing. `next`: elements to
  /// rows that will be read after these, or 0.
  void multiply_in_place(row_run const* runs, index_t count, index_t apart, block columns, bool add,
                         index_t next, f32* sums, std::byte const* scratch) const noexcept
    requires(reads_in_place)
  {
    if (count == 0 && add) return;
    f32 const* const a = reinterpret_cast<f32 const*>(scratch);
    index_t const ld = sums_ld();
    for (index_t c = 0; c < columns.size(); c += nr) {
      f32* to = sums + columns.begin + c;
      for (index_t t = 0; t < tiles_; ++t, to += height_ * ld) {
        int const h = static_cast<int>(t + 1 < tiles_ ? height_ : last_);
        if (add && t + 1 < tiles_)
          for (index_t r = 0; r < height_; ++r)
            for (index_t i = 0; i < nr; i += 16) __builtin_prefetch(to + (height_ + r) * ld + i, 1, 3);
        // The first tile asks for the rows of the next panel.
        index_t const ahead = t > 0 ? 0 : c + nr < columns.size() ? nr : next > 0 ? next - c : 0;
        any_height<kernel::max_rows>(h, {a + t * a_stride_, runs, count, apart, c, ahead, add, to, ld});
      }
    }
  }

private:
  struct in_place_call {
    f32 const* a;
    row_run const* runs;
    index_t count, apart, column, ahead;
    bool add;
    f32* to;
    index_t ld;
  };
  template <int H> static void any_height(int h, in_place_call const& c) noexcept {
    if constexpr (H > 1)
      if (h < H) return any_height<H - 1>(h, c);
    tile_in_place<H>(c);
  }
  // The registers of gemm/register_tile.hpp; b is read with a distance.
  template <int H> IA_NN_NOINLINE static void tile_in_place(in_place_call const& c) noexcept {
    using Dot = typename kernel::dot_type;
    constexpr int nv = nr / V::size;
    index_t const apart = c.apart, ld = c.ld, ahead = c.ahead;
    f32* const to = c.to;
    V sum[H][nv];
    if (c.add) {
      IA_NN_UNROLL for (int r = 0; r < H; ++r)
        IA_NN_UNROLL for (int v = 0; v < nv; ++v) sum[r][v] = V::load(to + r * ld + v * V::size);
    } else {
      IA_NN_UNROLL for (int r = 0; r < H; ++r)
        IA_NN_UNROLL for (int v = 0; v < nv; ++v) sum[r][v] = V::zero();
    }
    row_run const* run = c.runs;
    for (row_run const* const end = run + c.count; run < end; ++run) {
      f32 const* a = c.a + run->row * H;
      f32 const* b = run->b + c.column;
      IA_NN_ROLLED for (index_t k = run->count; k > 0; --k, a += H, b += apart) {
        V right[nv];
        IA_NN_UNROLL for (int v = 0; v < nv; ++v) right[v] = Dot::load_b(b + v * V::size);
        IA_NN_UNROLL for (int i = 0; i < nr; i += 16) __builtin_prefetch(b + ahead + i, 0, 3);
        IA_NN_UNROLL for (int r = 0; r < H; ++r) {
          auto const left = Dot::load_a(a + r);
          IA_NN_UNROLL for (int v = 0; v < nv; ++v) Dot::mac(sum[r][v], left, right[v]);
        }
      }
    }
    IA_NN_UNROLL for (int r = 0; r < H; ++r)
      IA_NN_UNROLL for (int v = 0; v < nv; ++v) {
        sum[r][v].pin();
        sum[r][v].store(to + r * ld + v * V::size);
      }
  }

  index_t a_cells() const noexcept { return round_up(tiles_ * a_stride_, 64); }

  template <class Rows>
  static IA_NN_INLINE index_t take(f32 const* (&rows)[rows_at_once], index_t n, index_t first,
                                   Rows const& row) noexcept {
    for (index_t i = 0; i < n; ++i) rows[i] = row(first + i);
    return n;
  }
  // Rows lie on other pages than those before them, where no prefetcher of the hardware goes in time.
  // Many columns would push each other out of the first cache.
  static IA_NN_INLINE void fetch(f32 const* const* rows, index_t n, index_t apart, index_t begin,
                                 index_t columns) noexcept {
    for (index_t r = 0; r < n; ++r)
      for (index_t i = 0; i < columns; i += 16)
        __builtin_prefetch(rows[r] + rows_at_once * apart + begin + i, 0, 3);
  }
  // `some` columns of n rows, from column `begin` on, as groups of `step` cells with zeros up to `all`
  // columns.
  static IA_NN_INLINE void put(E* to, index_t step, f32 const* const* rows, index_t n, index_t begin,
                               index_t some, index_t all) noexcept {
    for (index_t i = 0; i < some; i += V::size) {
      lanes<false> const at{min_of(V::size, some - i)};
      E* cells = to;
      for (index_t r = 0; r < n; r += kr, cells += step)
        put_register(cells, rows[r], kr > 1 && r + 1 < n ? rows[r + 1] : nullptr, begin, i, at);
    }
    if (some < all)
      for (index_t r = 0; r < n; r += kr, to += step)
        for (index_t i = some * kr; i < all * kr; ++i) to[i] = E{};
  }
  template <bool Whole>
  static IA_NN_INLINE void put_register(E* to, f32 const* first, f32 const* second, index_t begin, index_t i,
                                        lanes<Whole> at) noexcept {
    V const x = at.template load<V>(first + begin + i);
    if constexpr (kr == 1) {
      at.store(x, to + i);
    } else {
      V const y = second ? at.template load<V>(second + begin + i) : V::zero();
      at.store(join_bf16(nearest_bf16(x), nearest_bf16(y)), reinterpret_cast<s32*>(to + i * kr));
    }
  }

  index_t m_, n_, groups_, panels_, height_, tiles_, last_, stride_, a_stride_;
};

} // namespace detail

IA_NN_END
