// SPDX-License-Identifier: Apache-2.0
//
// The packed layout of B (k x n): panels of Nr columns, in which the Kr values of k that one dot
// step takes lie side by side.
//
//   panel<Nr, Kr>:  [n / Nr][k / Kr][Nr][Kr]       Nr = 4, Kr = 2:
//
//        n0      n1      n2      n3
//     | k0 k1 | k0 k1 | k0 k1 | k0 k1 |     group 0
//     | k2 k3 | k2 k3 | k2 k3 | k2 k3 |     group 1 ...
//
// Columns are padded with zeros to whole panels. With Kr > 1, k is padded with zeros to 64 bytes, so
// that VNNI, BF16 and AMX (whose tiles take 64 bytes of k) read the same memory. The layout depends
// on (type, Nr, Kr) only: packed weights may be stored and used on any ISA of that geometry.
#pragma once

#include <ia_nn/arch/transpose.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/tensor.hpp>

#include <ia_nn/begin.hpp>

template <int Nr, int Kr> struct panel {
  static constexpr int nr = Nr, kr = Kr;

  template <element T> static constexpr index_t k_padded(index_t k) noexcept {
    return Kr == 1 ? k : round_up(k, 64 / static_cast<index_t>(sizeof(T)));
  }
  static constexpr index_t panels(index_t n) noexcept { return ceil_div(n, Nr); }
  /// Elements from one panel to the next.
  template <element T> static constexpr index_t stride(index_t k) noexcept {
    return k_padded<T>(k) * Nr;
  }
  template <element T> static constexpr index_t size(index_t k, index_t n) noexcept {
    return panels(n) * stride<T>(k);
  }
};

/// What a packed matrix holds beside elements as they are. It is part of the type: kernels read as
/// many terms as they were compiled for.
struct packing {
  int terms = 1;       ///< bf16 terms that an f32 matrix is split into
  bool scaled = false; ///< one f32 scale for each column and group of k
};

/// What a kernel reads: packed B that somebody else owns. 64-byte aligned.
template <element T, class Panel, packing Form = packing{}> struct packed_view {
  using value_type = T;
  using panel_type = Panel;
  static constexpr packing form = Form;
  T const* data = nullptr;       ///< [term][panel][group][Nr][Kr]
  s32 const* sums = nullptr;     ///< s8 only: sum over k of every column, padded to whole panels, and
                                 ///< behind them whether the pairs of each panel fit 16 bits
  f32 const* scales = nullptr;   ///< scaled weights only: [panel][k / group][Nr]
  index_t k = 0, n = 0;
  index_t group = 0;             ///< values of k that share a scale; 0 if there are none

  index_t stride() const noexcept { return Panel::template stride<T>(k); }
  index_t part_stride() const noexcept { return Panel::template size<T>(k, n); }
  /// s8 only: no sum of two products of u8 by neighbouring k of these panels leaves 16 bits.
  bool pairs_fit(index_t panel, int count = 1) const noexcept {
    s32 const* const fit = sums + Panel::panels(n) * Panel::nr + panel;
    bool all = true;
    for (int i = 0; i < count; ++i) all = all && fit[i] != 0;
    return all;
  }
};

namespace detail {

// Groups [first, last) of one panel of B from any strided source of U, element by element. The value
// of term `part` of f32 split into bf16 is what the terms before it left over.
template <class Panel, element T, class U>
void pack_groups(T* to, U const* from, index_t k_stride, index_t n_stride, index_t k, index_t columns,
                 index_t first, index_t last, int part) noexcept {
  constexpr index_t nr = Panel::nr, kr = Panel::kr;
  for (index_t g = first; g < last; ++g)
    for (index_t j = 0; j < nr; ++j)
      for (index_t i = 0; i < kr; ++i) {
        index_t const kk = g * kr + i;
        T value{};
        if (kk < k && j < columns) {
          U const x = from[kk * k_stride + j * n_stride];
          if constexpr (std::same_as<T, U>) value = x;
          else {
            f32 rest = static_cast<f32>(x);
            value = T(rest);
            for (int q = 0; q < part; ++q) {
              rest -= static_cast<f32>(value);
              value = T(rest);
            }
          }
        }
        to[(g * nr + j) * kr + i] = value;
      }
}

/// One panel. Whole panels of contiguous rows are copied or interleaved, those of contiguous columns
/// (weights stored n x k) transposed; edges go element by element.
template <class Panel, isa::tag I = isa::native, element T, class U>
void pack_panel(T* to, U const* from, index_t k_stride, index_t n_stride, index_t k, index_t columns,
                int part = 0) noexcept {
  constexpr index_t nr = Panel::nr, kr = Panel::kr;
  index_t const groups = Panel::template k_padded<T>(k) / kr, whole = k / kr;
  index_t done = 0;
  if constexpr (std::same_as<T, U>) {
    if (columns == nr && n_stride == 1) {
      for (; done < whole; ++done) {
        T const* const row = from + done * kr * k_stride;
        T* const group = to + done * nr * kr;
        if constexpr (kr == 1) __builtin_memcpy(static_cast<void*>(group), row, nr * sizeof(T));
        else
          for (index_t j = 0; j < nr; ++j)
            for (index_t i = 0; i < kr; ++i) group[j * kr + i] = row[i * k_stride + j];
      }
    } else if (columns == nr && k_stride == 1 && kr * sizeof(T) == 4) {
      transpose_words<I>(reinterpret_cast<std::uint32_t*>(to), nr, bytes_of(from),
                         n_stride * static_cast<index_t>(sizeof(T)), whole, 0);
      done = whole;
    }
  }
  pack_groups<Panel>(to, from, k_stride, n_stride, k, columns, done, groups, part);
}

/// Whether a0 * b0 + a1 * b1 of no two neighbouring k leaves 16 bits, whatever the u8 a are: the
/// extremes are 255 times the positive ones of a pair, and 255 times the negative ones.
template <class Panel> bool pairs_fit(s8 const* panel_data, index_t k) noexcept {
  static_assert(255 * 128 <= 32767 && 255 * 129 > 32768);
  index_t most = 0;
  for (index_t i = 0; i < Panel::template stride<s8>(k); i += 2) {
    index_t const a = panel_data[i], b = panel_data[i + 1];
    most = max_of(most, max_of(max_of(a, 0) + max_of(b, 0), max_of(-a, 0) + max_of(-b, 0)));
  }
  return most <= 128;
}

/// What a packed matrix keeps of panel p beside its data: packed_view::sums.
template <class Panel>
void sum_panel(s32* sums, s8 const* panel_data, index_t p, index_t k, index_t n) noexcept {
  constexpr index_t nr = Panel::nr, kr = Panel::kr;
  s32* const sum = sums + p * nr;
  for (index_t j = 0; j < nr; ++j) sum[j] = 0;
  for (index_t g = 0; g < Panel::template k_padded<s8>(k) / kr; ++g)
    for (index_t j = 0; j < nr; ++j)
      for (index_t i = 0; i < kr; ++i) sum[j] += panel_data[(g * nr + j) * kr + i];
  sums[Panel::panels(n) * nr + p] = kr > 1 && pairs_fit<Panel>(panel_data, k);
}

} // namespace detail

IA_NN_END
