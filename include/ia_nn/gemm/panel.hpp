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

IA_NN_BEGIN

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

/// What a kernel reads: packed B that somebody else owns. 64-byte aligned.
template <element T, class Panel> struct packed_view {
  using value_type = T;
  using panel_type = Panel;
  T const* data = nullptr;       ///< [part][panel][group][Nr][Kr]
  s32 const* sums = nullptr;     ///< s8 only: sum over k of every column, padded to whole panels
  f32 const* scales = nullptr;   ///< grouped weights only: [panel][k / group][Nr]
  index_t k = 0, n = 0;
  index_t group = 0;             ///< values of k that share a scale; 0 if there are none
  int parts = 1;                 ///< bf16 terms that an f32 matrix was split into

  index_t stride() const noexcept { return Panel::template stride<T>(k); }
  index_t part_stride() const noexcept { return Panel::template size<T>(k, n); }
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

template <class Panel>
void sum_panel(s32* sums, s8 const* panel_data, index_t k) noexcept {
  constexpr index_t nr = Panel::nr, kr = Panel::kr;
  for (index_t j = 0; j < nr; ++j) sums[j] = 0;
  for (index_t g = 0; g < Panel::template k_padded<s8>(k) / kr; ++g)
    for (index_t j = 0; j < nr; ++j)
      for (index_t i = 0; i < kr; ++i) sums[j] += panel_data[(g * nr + j) * kr + i];
}

} // namespace detail

IA_NN_END
