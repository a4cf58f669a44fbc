// SPDX-License-Identifier: Apache-2.0
//
// Packing B into panels (panel.hpp): when weights load, and in products whose B changes.
//
//   row-major B      a group is Kr rows, Nr columns of each: interleaved in registers (arch/pack.hpp).
//                    Four panels are packed side by side, group by group, so that whole cache lines
//                    are read
//   n x k            64 bytes of k of every column: transposed as words (arch/transpose.hpp)
//   f32 as bf16      rounded on the way; all terms in one pass
//   other strides    element by element
//
// Edges take the same paths: columns beyond the last are masked or, like k beyond its end, come from a
// copy with zeros.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/pack.hpp>
#include <ia_nn/arch/transpose.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/gemm/panel.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Panels side by side, from any strided source of U. Fields: `to` is the first panel, `from` its
/// first column, `columns` all that there are.
template <class Panel, isa::tag I, int Terms, element T, class U> struct panel_packer {
  static constexpr index_t nr = Panel::nr, kr = Panel::kr;
  static constexpr bool converts = !std::same_as<T, U>;
  static constexpr bool has_words = kr * sizeof(T) == 4;
  using V = vec<f32, I>;

  T* to;
  index_t stride, term_stride;
  U const* from;
  index_t k_stride, n_stride, k, columns;
  bool is_far; // larger than the caches of a core

  void run() const noexcept {
    if constexpr (has_words)
      if (k_stride == 1) return pack_columns();
    if (n_stride == 1) return pack_rows();
    pack_elements();
  }

private:
  index_t panels() const noexcept { return Panel::panels(columns); }
  index_t groups() const noexcept { return Panel::template k_padded<T>(k) / kr; }
  index_t columns_of(index_t panel) const noexcept { return min_of(nr, columns - panel * nr); }
  T* group_of(index_t panel, index_t group) const noexcept {
    return to + panel * stride + group * nr * kr;
  }

  void pack_rows() const noexcept {
    // In registers: what is stored could be a field for all that the compiler knows.
    index_t const all = panels(), whole = columns / nr, used = ceil_div(k, kr), last = k % kr;
    index_t const next = stride, term = term_stride, pitch = k_stride, edge = columns - whole * nr;
    index_t const row_bytes = columns * static_cast<index_t>(sizeof(U));
    U const* row = from;
    T* group = to;
    for (index_t g = k / kr; g > 0; --g, row += kr * pitch, group += nr * kr) {
      if (is_far) // a row lies on another page each, where no prefetcher of the hardware goes
        for (index_t i = 8 * kr; i < 9 * kr; ++i)
          for (index_t c = 0; c < row_bytes; c += 64)
            __builtin_prefetch(bytes_of(row + i * pitch) + c, 0, 3);
      for (index_t p = 0; p < whole; ++p)
        pack_group(group + p * next, term, row + p * nr, pitch, kr, nr);
      if (edge > 0) pack_edge(group + whole * next, term, row + whole * nr, pitch, kr, edge);
    }
    for (index_t p = 0; p < all; ++p) {
      if (last > 0) pack_edge(group + p * next, term, row + p * nr, pitch, last, columns_of(p));
      for (int t = 0; t < Terms; ++t)
        clear(group_of(p, used) + t * term, (groups() - used) * nr * kr);
    }
  }

  // One group from `rows` rows of n columns.
  static IA_NN_NOINLINE void pack_edge(T* group, index_t term_distance, U const* row, index_t pitch,
                                       index_t rows, index_t n) noexcept {
    pack_group(group, term_distance, row, pitch, rows, n);
  }
  static IA_NN_INLINE void pack_group(T* group, index_t term_distance, U const* row, index_t pitch,
                                      index_t rows, index_t n) noexcept {
    if constexpr (converts) {
      // Registers of a word, or two of neighbouring columns.
      constexpr index_t width = kr == 1 ? 2 * V::size : V::size, count = 2;
      static_assert(kr <= 2);
      for (index_t c = 0; c < nr; c += width) {
        V rest[count];
        IA_NN_UNROLL for (index_t i = 0; i < count; ++i) {
          index_t const r = kr == 1 ? 0 : i, j = kr == 1 ? c + i * V::size : c;
          U const* const p = row + r * pitch + j;
          rest[i] = r >= rows || j >= n ? V::zero() : n - j >= V::size ? V::load(p) : V::load(p, n - j);
        }
        IA_NN_UNROLL for (int t = 0; t < Terms; ++t) {
          T* const word = group + t * term_distance + c * kr;
          V term[count];
          IA_NN_UNROLL for (index_t i = 0; i < count; ++i) {
            term[i] = nearest_bf16(rest[i]);
            rest[i] = rest[i] - term[i];
          }
          if constexpr (kr == 2 && V::size > 1)
            join_bf16(term[0], term[1]).store(reinterpret_cast<s32*>(word));
          else store_high(word, term[0], term[1]);
        }
      }
    } else if constexpr (kr == 1) {
      if (n == nr) copy(group, row, nr);
      else {
        copy(group, row, n);
        clear(group + n, nr - n);
      }
    } else if constexpr (has_words && !std::same_as<I, isa::scalar>) {
      using lanes = interleave<I>;
      auto const words = [](T* out, T const* in, index_t apart, auto... edges) IA_NN_LAMBDA {
        lanes::template words<int{kr}>(bytes_to(out), bytes_of(in),
                                       apart * static_cast<index_t>(sizeof(T)), edges...);
      };
      if (rows == kr && n == nr) {
        IA_NN_UNROLL for (index_t c = 0; c < nr; c += lanes::columns)
          words(group + c * kr, row + c, pitch);
      } else if constexpr (lanes::masks) {
        words(group, row, pitch, rows, n);
      } else {
        alignas(64) T some[kr * nr] = {};
        for (index_t i = 0; i < rows; ++i) copy(some + i * nr, row + i * pitch, n);
        IA_NN_UNROLL for (index_t c = 0; c < nr; c += lanes::columns)
          words(group + c * kr, some + c, nr);
      }
    } else {
      for (index_t j = 0; j < nr; ++j)
        for (index_t i = 0; i < kr; ++i)
          group[j * kr + i] = i < rows && j < n ? row[i * pitch + j] : T{};
    }
  }

  void pack_columns() const noexcept {
    constexpr index_t line = 64 / static_cast<index_t>(sizeof(T)); // of k
    index_t const whole = k / line * line;
    for (index_t p = 0; p < panels(); ++p) {
      index_t const n = columns_of(p);
      U const* const column = from + p * nr * n_stride;
      index_t done = 0;
      if constexpr (!converts)
        if (n == nr) {
          transpose(group_of(p, 0), column, n_stride, whole / kr);
          done = whole;
        }
      if (done == groups() * kr) continue;
      alignas(64) T lines[Terms][nr][line] = {};
      for (; done < groups() * kr; done += line) {
        index_t const some = min_of(line, k - done);
        for (index_t j = 0; j < n; ++j) {
          U const* const values = column + j * n_stride + done;
          if constexpr (converts) split_line<I, Terms>(lines[0][j], nr * line, values, some);
          else if (some == line) copy(lines[0][j], values, line);
          else {
            copy(lines[0][j], values, some);
            clear(lines[0][j] + some, line - some);
          }
        }
        for (int t = 0; t < Terms; ++t)
          transpose(group_of(p, done / kr) + t * term_stride, lines[t][0], line,
                    min_of(line, groups() * kr - done) / kr);
      }
    }
  }

  void pack_elements() const noexcept {
    for (index_t p = 0; p < panels(); ++p)
      for (index_t g = 0; g < groups(); ++g)
        for (index_t j = 0; j < nr; ++j)
          for (index_t i = 0; i < kr; ++i) {
            index_t const kk = g * kr + i;
            bool const inside = kk < k && j < columns_of(p);
            U rest = inside ? from[kk * k_stride + (p * nr + j) * n_stride] : U{};
            for (int t = 0; t < Terms; ++t) {
              T const value = T(rest);
              group_of(p, g)[t * term_stride + j * kr + i] = value;
              if constexpr (Terms > 1) rest -= static_cast<f32>(value);
            }
          }
  }

  static std::byte* bytes_to(T* p) noexcept { return reinterpret_cast<std::byte*>(p); }
  static IA_NN_INLINE void copy(T* out, T const* in, index_t n) noexcept {
    __builtin_memcpy(static_cast<void*>(out), in, static_cast<std::size_t>(n) * sizeof(T));
  }
  static IA_NN_INLINE void clear(T* out, index_t n) noexcept {
    __builtin_memset(static_cast<void*>(out), 0, static_cast<std::size_t>(n) * sizeof(T));
  }
  static void transpose(T* out, T const* in, index_t pitch, index_t words) noexcept {
    transpose_words<I>(reinterpret_cast<std::uint32_t*>(out), nr, bytes_of(in),
                       pitch * static_cast<index_t>(sizeof(T)), words, 0);
  }
};

// The sums of a panel's columns, and whether a0 * b0 + a1 * b1 of no two neighbouring k leaves 16
// bits, whatever the u8 a are. The extremes are 255 times the positive ones of a pair, and 255 times
// the negative ones. If both have one sign that is their sum; if not, they fit, and so does their sum.
template <class Panel, isa::tag I>
bool sum_columns(s32* sum, s8 const* panel_data, index_t k) noexcept {
  static_assert(255 * 128 <= 32767 && 255 * 129 > 32768);
  constexpr index_t nr = Panel::nr, kr = Panel::kr;
  index_t const groups = Panel::template k_padded<s8>(k) / kr;
  if constexpr (kr == 4) {
    using sums = byte_sums<I>;
    sums some[nr / sums::columns];
    for (index_t g = 0; g < groups; ++g, panel_data += nr * kr)
      IA_NN_UNROLL for (index_t i = 0; i < nr / sums::columns; ++i)
        some[i].add(panel_data + i * sums::columns * kr);
    bool fits = true;
    for (index_t i = 0; i < nr / sums::columns; ++i) {
      some[i].store(sum + i * sums::columns);
      fits = fits && some[i].pairs_within(128);
    }
    return fits;
  } else {
    static_assert(kr == 1, "ia_nn: packed_matrix: s8 panels have 1 or 4 values of k in a group");
    using W = vec<s32, I>;
    for (index_t j = 0; j < nr; j += W::size) {
      W total = W::zero();
      for (index_t g = 0; g < groups; ++g) total = total + W::load(panel_data + g * nr + j);
      total.store(sum + j);
    }
    return false;
  }
}

/// What a packed matrix of n columns keeps of panel p beside its data: packed_view::sums.
template <class Panel, isa::tag I = isa::native>
void sum_panel(s32* sums, s8 const* panel_data, index_t p, index_t k, index_t n) noexcept {
  sums[Panel::panels(n) * Panel::nr + p] =
      sum_columns<Panel, packing_isa<I, Panel::nr>>(sums + p * Panel::nr, panel_data, k);
}

/// Panels that are packed side by side: one to eight cache lines of a row.
inline constexpr index_t panels_per_pass = 4;

/// Panels `range` of a packed matrix of k x n and, for s8, what is kept beside them. Element (k, n)
/// is at b[k * k_stride + n * n_stride]; `sums` are those of the whole matrix.
template <class Panel, isa::tag I, packing Form, element T, class U>
void pack_panels(T* data, s32* sums, U const* b, index_t k_stride, index_t n_stride, index_t k,
                 index_t n, block range) noexcept {
  constexpr index_t nr = Panel::nr;
  index_t const stride = Panel::template stride<T>(k);
  bool const is_far = k * n * static_cast<index_t>(sizeof(U)) > 4 * cpu::cache_sizes().l2;
  for (index_t p = range.begin; p < range.end; p += panels_per_pass) {
    index_t const end = min_of(p + panels_per_pass, range.end);
    panel_packer<Panel, packing_isa<I, Panel::nr>, Form.terms, T, U>{
        data + p * stride, stride, Panel::template size<T>(k, n), b + p * nr * n_stride, k_stride,
        n_stride, k, min_of(end * nr, n) - p * nr, is_far}
        .run();
    if constexpr (std::same_as<T, s8>)
      for (index_t q = p; q < end; ++q) sum_panel<Panel, I>(sums, data + q * stride, q, k, n);
  }
}

} // namespace detail

IA_NN_END
