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
  index_t term_stride() const noexcept { return Panel::template size<T>(k, n); }
  /// s8 only: no sum of two products of u8 by neighbouring k of these panels leaves 16 bits.
  bool pairs_fit(index_t panel, int count = 1) const noexcept {
    s32 const* const fit = sums + Panel::panels(n) * Panel::nr + panel;
    bool all = true;
    for (int i = 0; i < count; ++i) all = all && fit[i] != 0;
    return all;
  }
};

IA_NN_END
