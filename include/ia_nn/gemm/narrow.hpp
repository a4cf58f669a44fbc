// SPDX-License-Identifier: Apache-2.0
//
// B of at most 4 columns: y = A * x. A register tile would compute 16 columns or more for it, so the
// lanes run along k instead and A is read once, as fast as memory gives it.
//
//   lane l of sum[r][j]  =  a[r][l] * b[l][j] + a[r][l + 16] * b[l + 16][j] + ...      l = 0 .. 15
//   c[r][j]              =  lanes added in the order of a binary tree
//
// There are 16 lanes on every ISA (two registers on AVX2), so the bits are the same on all of them
// that have fma. They differ from those of wider B, whose sums run through k in order.
//
// Columns of B are unpacked into scratch memory as f32 once per task; A is f32 or bf16. 128 rows of
// 1024 by one column on Zen 4: 0.069 ms in tiles of 16 columns, 0.008 ms this way. Fetching the rows
// of the next tile takes 10 to 20 % off where A comes from L3 or memory, and costs that much in L2.
#pragma once

#include <ia_nn/gemm/epilogue.hpp>
#include <ia_nn/gemm/pack_rows.hpp>
#include <ia_nn/gemm/packed_matrix.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

inline constexpr index_t narrow_columns = 4, narrow_lanes = 16;

/// Bytes of scratch memory for one task.
constexpr index_t narrow_bytes(index_t k, index_t n) noexcept {
  return n * round_up(k, narrow_lanes) * 4;
}

// Column j of packed B, widened and scaled, padded with zeros.
template <class T, class Panel, packing Form>
void unpack_column(f32* to, packed_view<T, Panel, Form> const& b, index_t j) noexcept {
  constexpr index_t nr = Panel::nr, kr = Panel::kr;
  for (index_t k = 0; k < b.k; ++k) {
    f32 x = static_cast<f32>(b.data[(k / kr * nr + j) * kr + k % kr]);
    if constexpr (Form.scaled) x *= b.scales[k / b.group * nr + j];
    to[k] = x;
  }
  for (index_t k = b.k; k < round_up(b.k, narrow_lanes); ++k) to[k] = 0;
}

// Found beside the array `sum`, which hides the function.
template <class V> IA_NN_INLINE f32 fold(V v) noexcept { return sum(v); }

// Rows x Columns results from contiguous rows of A, stride elements apart.
template <isa::tag I, int Rows, int Columns, class A>
IA_NN_NOINLINE void narrow_tile(A const* a, index_t stride, f32 const* b, index_t k,
                                f32 (&c)[Rows][narrow_columns]) noexcept {
  using V = vec<f32, I>;
  constexpr int parts = static_cast<int>(narrow_lanes) / V::size; // registers of 16 lanes
  index_t const padded = round_up(k, narrow_lanes);
  V sum[Rows][Columns][parts];
  IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
    IA_NN_UNROLL for (int j = 0; j < Columns; ++j)
      IA_NN_UNROLL for (int p = 0; p < parts; ++p) sum[r][j][p] = V::zero();
  auto const step = [&](index_t i, auto load_a) IA_NN_LAMBDA {
    IA_NN_UNROLL for (int p = 0; p < parts; ++p)
      IA_NN_UNROLL for (int r = 0; r < Rows; ++r) {
        V const x = load_a(a + r * stride + i + p * V::size, i + p * V::size);
        if (p % (64 / static_cast<int>(sizeof(A)) / V::size) == 0) // the rows of the next tile
          __builtin_prefetch(a + (r + Rows) * stride + i + p * V::size, 0, 3);
        IA_NN_UNROLL for (int j = 0; j < Columns; ++j)
          sum[r][j][p] = fma(x, V::load(b + j * padded + i + p * V::size), sum[r][j][p]);
      }
  };
  index_t i = 0;
  IA_NN_ROLLED for (; i + narrow_lanes <= k; i += narrow_lanes)
    step(i, [](A const* p, index_t) IA_NN_LAMBDA { return V::load(p); });
  if (i < k)
    step(i, [k](A const* p, index_t at) IA_NN_LAMBDA {
      return at < k ? V::load(p, k - at) : V::zero();
    });
  IA_NN_UNROLL for (int r = 0; r < Rows; ++r)
    IA_NN_UNROLL for (int j = 0; j < Columns; ++j) {
      IA_NN_UNROLL for (int half = parts / 2; half > 0; half /= 2)
        IA_NN_UNROLL for (int p = 0; p < half; ++p)
          sum[r][j][p] = sum[r][j][p] + sum[r][j][p + half];
      c[r][j] = fold(sum[r][j][0]);
    }
}

template <isa::tag I, int Rows, class A>
void narrow_rows(A const* a, index_t stride, f32 const* b, index_t k, index_t n,
                 f32 (&c)[Rows][narrow_columns]) noexcept {
  switch (n) {
  case 1: return narrow_tile<I, Rows, 1>(a, stride, b, k, c);
  case 2: return narrow_tile<I, Rows, 2>(a, stride, b, k, c);
  case 3: return narrow_tile<I, Rows, 3>(a, stride, b, k, c);
  default: return narrow_tile<I, Rows, 4>(a, stride, b, k, c);
  }
}

/// Rows t.rows of C. A must have contiguous rows.
template <isa::tag I, class Task, class Epilogue>
IA_NN_NOINLINE void run_narrow(Task const& t, bool accumulate, Epilogue const& epilogue) noexcept {
  using c_type = std::remove_pointer_t<decltype(Task{}.c)>;
  constexpr int at_once = 4;
  f32* const b = reinterpret_cast<f32*>(t.scratch);
  index_t const n = t.b.n;
  for (index_t j = 0; j < n; ++j) unpack_column(b + j * round_up(t.k, narrow_lanes), t.b, j);
  for (index_t r = t.rows.begin; r < t.rows.end;) {
    alignas(64) f32 cells[at_once][narrow_lanes] = {}; // whole registers for the epilogue
    index_t const rows = r + at_once <= t.rows.end ? at_once : 1;
    auto const a = t.a.at(r, 0);
    f32 c[at_once][narrow_columns];
    if (rows == at_once) narrow_rows<I, at_once>(a.data, a.row_stride, b, t.k, n, c);
    else narrow_rows<I, 1>(a.data, a.row_stride, b, t.k, n, reinterpret_cast<f32(&)[1][narrow_columns]>(c));
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < n; ++j) {
        cells[i][j] = c[i][j];
        if constexpr (std::same_as<c_type, f32>)
          if (accumulate) cells[i][j] += t.c[(r + i) * t.ldc + j];
      }
    finish_tile<I>(&cells[0][0], narrow_lanes, rows, n, t.first_row + r, 0, epilogue,
                   t.c + r * t.ldc, t.ldc);
    r += rows;
  }
}

} // namespace detail

IA_NN_END
