// SPDX-License-Identifier: Apache-2.0
//
// Gradients of weights: transpose(A) * B where both have a row for each sequence at each time, so that
// the inner dimension is long and the result is small.
//
//   C (m, n) = sum over rows r of A (r, m)^T B (r, n)
//
//   B is packed once           panels of nr columns and all rows; gradients of W and U share A, so the
//                              inputs and the states h(t-1) lie beside each other there
//   for each block of columns of A                       divided among the workers
//     for each block of rows, so that A stays in L2
//       pack A                                           pieces of whole rows: A is read once in all
//       for each panel of B, for each tile: C += A^T B   C itself holds the sums
//
// `gemm` packs A tile by tile, a line of each row, and once for each 16 panels: on Zen 5 that took 8 % of
// the backward pass of an LSTM of 800 units, and this takes 2 %.
//
// Sums run over rows in order, whatever the workers and the blocks.
#pragma once

#include <ia_nn/gemm/region.hpp>
#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Rows of f32: those of a matrix, or h(t-1) of every time and sequence, which are the rows of h a time
/// earlier and the initial states.
struct row_source {
  f32 const* data = nullptr;
  index_t ld = 0;
  index_t time = 0, batch = 0;  ///< where there are lengths, and for states
  s32 const* lengths = nullptr; ///< of the sequences: rows behind their ends are zeros
  bool is_previous = false;     ///< h(t-1) of h; the members below
  bool reverse = false;
  f32 const* initial = nullptr; ///< (batch, initial_ld), or null for zeros
  index_t initial_ld = 0;

  /// Null: zeros.
  f32 const* row(index_t r) const noexcept {
    if (!is_previous && !lengths) return data + r * ld;
    index_t const t = r / batch, n = r % batch;
    if (lengths && t >= lengths[n]) return nullptr;
    if (!is_previous) return data + r * ld;
    index_t const first = reverse ? (lengths ? lengths[n] : time) - 1 : 0;
    if (t == first) return initial ? initial + n * initial_ld : nullptr;
    return data + (reverse ? r + batch : r - batch) * ld;
  }
};

/// `columns` of B, and where the product goes: (m, columns), dense. Not packed where `wanted` is false.
struct row_part {
  row_source source{};
  index_t columns = 0;
  bool wanted = false;
};

template <isa::tag I, element T> class row_products {
  using select = kernel_for<I, T, T, standard>;
  using kernel = typename select::main;
  using packed = typename kernel::packed_a;
  using panel_type = typename kernel::panel_type;
  using view_type = packed_view<T, panel_type>;
  using V = vec<f32, I>;
  static constexpr index_t nr = panel_type::nr, kr = panel_type::kr, kr_a = kernel::kr_a;
  static constexpr index_t step = 32; ///< blocks of rows are multiples of it
  static constexpr index_t tiles_at_once = 256 / kernel::max_rows;

public:
  /// For at most `rows` rows, and `columns` of the two parts of B.
  static index_t workspace_bytes(index_t rows, index_t columns0, index_t columns1,
                                 int workers) noexcept {
    return b_bytes(rows, columns0) + b_bytes(rows, columns1) + workers * worker_bytes();
  }

  row_products(index_t rows, row_part const& first, row_part const& second, int workers,
               std::byte* memory) noexcept
      : rows_(rows), workers_(workers), parts_{first, second} {
    for (int i = 0; i < 2; ++i) {
      view_[i].data = reinterpret_cast<T*>(memory);
      view_[i].k = rows, view_[i].n = parts_[i].columns;
      memory += b_bytes(rows, parts_[i].columns);
    }
    scratch_ = memory;
  }

  /// Packs B.
  template <executor E> void pack(E& e) const noexcept {
    for (int i = 0; i < 2; ++i) {
      if (!parts_[i].wanted) continue;
      index_t const groups = ceil_div(panel_type::panels(parts_[i].columns), 4);
      e.parallel_for(groups, [&, i](index_t g, int) { pack_panels(i, 4 * g); });
    }
  }

  /// The products of columns column .. column + m - 1 of A with both parts, each to its request.
  template <executor E>
  void run(T const* a, index_t a_ld, index_t m, gradient const& first, gradient const& second,
           E& e) const noexcept {
    gradient const to[2] = {first, second};
    for (int i = 0; i < 2; ++i)
      if (rows_ == 0 && to[i] && !to[i].add)
        __builtin_memset(static_cast<void*>(to[i].data), 0,
                         static_cast<std::size_t>(m * parts_[i].columns) * sizeof(f32));
    if (rows_ == 0 || (!first && !second)) return;
    index_t const height = tile_height(m, kernel::max_rows, kernel::rows_step, kernel::few_rows);
    index_t const tiles = ceil_div(m, height);
    index_t const blocks = min_of(tiles, round_up(ceil_div(tiles, tiles_at_once), workers_));
    run_tasks(e, workers_, blocks, [&](index_t task, int worker) {
      block const mine = block_of(tiles, static_cast<int>(blocks), static_cast<int>(task));
      std::byte* const memory = scratch_ + worker * worker_bytes();
      index_t const depth = block_rows();
      for (index_t r = 0; r < rows_; r += depth)
        multiply(a, a_ld, m, height, mine, {r, min_of(rows_, r + depth)}, to, memory);
    });
  }

private:
  // Rows of a block: A of them takes three eighths of L2.
  static index_t block_rows() noexcept {
    index_t const bytes = tiles_at_once * kernel::max_rows * static_cast<index_t>(sizeof(packed));
    return max_of(step, cpu::cache_sizes().l2 * 3 / 8 / bytes / step * step);
  }
  static index_t cell_bytes() noexcept { return (kernel::max_rows + 1) * nr * 4; }
  static index_t worker_bytes() noexcept {
    return round_up(tiles_at_once * kernel::max_rows * block_rows() *
                        static_cast<index_t>(sizeof(packed)),
                    64) +
           round_up(cell_bytes(), 64);
  }
  static index_t b_bytes(index_t rows, index_t columns) noexcept {
    return columns > 0 ? round_up(panel_type::template size<T>(rows, columns) *
                                      static_cast<index_t>(sizeof(T)),
                                  64)
                       : 0;
  }

  // Up to four panels, kr rows at a time.
  void pack_panels(int part, index_t first) const noexcept {
    row_part const& p = parts_[part];
    index_t const stride = view_[part].stride();
    index_t const last = min_of(first + 4, panel_type::panels(p.columns));
    T* const to = const_cast<T*>(view_[part].data) + first * stride;
    index_t const padded = panel_type::template k_padded<T>(rows_);
    for (index_t r = 0; r < padded; r += kr) {
      f32 const* from[kr];
      for (index_t i = 0; i < kr; ++i) from[i] = r + i < rows_ ? p.source.row(r + i) : nullptr;
      for (index_t q = first; q < last; ++q)
        for (index_t c = 0; c < nr; c += V::size) {
          index_t const left = p.columns - q * nr - c;
          T* const at = to + (q - first) * stride + r * nr + c * kr;
          V v[kr];
          IA_NN_UNROLL
          for (index_t i = 0; i < kr; ++i) {
            f32 const* const source = from[i] ? from[i] + q * nr + c : nullptr;
            v[i] = !source || left <= 0 ? V::zero()
                   : left >= V::size    ? V::load(source)
                                        : V::load(source, left);
          }
          if constexpr (kr == 1) v[0].store(at);
          else if constexpr (V::size == 1)
            for (index_t i = 0; i < kr; ++i) v[i].store(at + i);
          else join_bf16(nearest_bf16(v[0]), nearest_bf16(v[1])).store(reinterpret_cast<s32*>(at));
        }
    }
  }

  // Tiles `mine` of the rows of C, by rows `range` of A and B.
  void multiply(T const* a, index_t a_ld, index_t m, index_t height, block mine, block range,
                gradient const (&to)[2], std::byte* memory) const noexcept {
    packed* const rows_of_tiles = reinterpret_cast<packed*>(memory);
    f32* const cells =
        reinterpret_cast<f32*>(memory + round_up(tiles_at_once * kernel::max_rows * block_rows() *
                                                     static_cast<index_t>(sizeof(packed)),
                                                 64));
    index_t const groups = ceil_div(range.size(), kr_a), tile_size = height * block_rows();
    for (index_t k = 0; k < range.size();
         k += step) // whole lines of A are used up before they leave L1
      for (index_t t = mine.begin; t < mine.end; ++t) {
        index_t const left = m - t * height;
        int const h = height_of<kernel>(left, static_cast<int>(height));
        index_t const count = min_of(step, range.size() - k);
        pack_rows<I, kernel::kr_a>(rows_of_tiles + (t - mine.begin) * tile_size + k * h,
                                   a_source<T>{a + (range.begin + k) * a_ld + t * height, 1, a_ld},
                                   h, min_of(h, left), count, ceil_div(count, kr_a));
      }
    typename kernel::context state;
    for (int i = 0; i < 2; ++i) {
      if (!to[i]) continue;
      index_t const columns = parts_[i].columns, panels = panel_type::panels(columns);
      for (index_t p = 0; p < panels; ++p) {
        typename kernel::call call(cpu::cache_sizes().l1, view_[i], p, 1, range.begin * nr);
        call.groups = groups;
        call.b.reused = mine.size() > 1;
        for (index_t t = mine.begin; t < mine.end; ++t) {
          index_t const left = m - t * height;
          int const h = height_of<kernel>(left, static_cast<int>(height));
          call.height = h;
          call.a.set_packed(rows_of_tiles + (t - mine.begin) * tile_size, h, kr_a);
          call.b.fetch_next = t == mine.begin && p + 1 < panels;
          bool const begins = range.begin == 0 && !to[i].add;
          tile(state, call, to[i].data + t * height * columns + p * nr, columns, min_of(h, left),
               min_of(nr, columns - p * nr), begins, cells);
        }
      }
    }
    if constexpr (kernel::is_amx) state.drain();
  }

  // A tile of C, of which `rows` and `columns` exist.
  static void tile(typename kernel::context& state, typename kernel::call& call, f32* c,
                   index_t ldc, index_t rows, index_t columns, bool begins, f32* cells) noexcept {
    bool whole = rows == call.height && columns == nr;
    if constexpr (kernel::is_amx) whole = whole && kernel::touches_rows(ldc * 4);
    if (whole) {
      call.c.init = {begins ? nullptr : c, ldc};
      call.c.out = c, call.c.ld = ldc;
      for (index_t i = 0; i < rows; ++i)
        for (index_t j = 0; j < nr; j += 16) __builtin_prefetch(c + i * ldc + j, 1, 3);
      if constexpr (kernel::is_amx) kernel::push(state, call, {});
      else kernel::run(state, call);
      return;
    }
    if constexpr (kernel::is_amx) state.drain(); // cells may still be in use
    for (index_t i = 0; i < call.height; ++i)
      for (index_t j = 0; j < nr; ++j)
        cells[i * nr + j] = !begins && i < rows && j < columns ? c[i * ldc + j] : 0.0F;
    call.c.init = {cells, nr};
    call.c.out = cells, call.c.ld = nr;
    if constexpr (kernel::is_amx) {
      kernel::push(state, call, {});
      state.drain();
    } else {
      kernel::run(state, call);
    }
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < columns; ++j) c[i * ldc + j] = cells[i * nr + j];
  }

  index_t rows_;
  int workers_;
  row_part parts_[2];
  view_type view_[2];
  std::byte* scratch_;
};

} // namespace detail

IA_NN_END
