// SPDX-License-Identifier: Apache-2.0
//
// h(t-1) as the left operand of the next product: written by blocks of units, read whole.
//
//   vectors   packed as the K-loop reads it, [tile][group of kr units][row of the tile][kr]
//   AMX       rows of units, 64 bytes of padding apart from a multiple of 4 KB
//
// Whoever finishes units writes them here in the operand's type, so that the next step starts with
// the K-loop at once: there is no packing pass between two steps.
#pragma once

#include <ia_nn/gemm/region.hpp>
#include <ia_nn/rnn/quantization.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// q = round(x * inverse) + zero, for narrow integers; x as it is for floats.
struct quantizer {
  f32 inverse = 1, zero = 0;
  explicit quantizer(quantization const& a) noexcept
      : inverse(1.0F / a.scale), zero(static_cast<f32>(a.zero_point)) {}
  quantizer() = default;
  template <element T, class V> IA_NN_INLINE V apply(V x) const noexcept {
    if constexpr (byte_element<T>) return round(x * V::broadcast(inverse)) + V::broadcast(zero);
    else return x;
  }
};

/// Rows of tiles: heights of the tiles that m rows are cut into.
template <class Kernel> constexpr int recurrent_height(index_t m) noexcept {
  if (m == 1) return 1;
  int const h = tile_height(m, Kernel::max_rows, Kernel::rows_step, Kernel::few_rows);
  // 4 rows of one panel are faster than 2 or 3: with few sums in flight, each waits for the last.
  return Kernel::is_amx || h >= 4 ? h : 4;
}
template <class Kernel> constexpr int recurrent_height_at(index_t left, int height) noexcept {
  if (Kernel::is_amx || height == 1) return static_cast<int>(min_of(left, height));
  return left >= height
             ? height
             : static_cast<int>(
                   max_of(min_of(height, 4), min_of(height, round_up(left, Kernel::rows_step))));
}

template <class A, class Kernel, int Parts> class operand_rows {
  using packed = typename Kernel::packed_a;
  static constexpr index_t kr = Kernel::kr_a;

public:
  /// For up to `rows` rows of k units.
  static constexpr index_t bytes(index_t k, index_t rows) noexcept {
    return round_up(part_size(k, rows) * Parts * static_cast<index_t>(sizeof(packed)), 64);
  }

  operand_rows(std::byte* data, index_t k, index_t rows) noexcept
      : data_(reinterpret_cast<packed*>(data)), groups_(ceil_div(k, kr)), ld_(row_stride(k)),
        part_(part_size(k, rows)) {}

  /// The rows that are written next, and read after that.
  void set_rows(index_t rows) noexcept {
    rows_ = rows;
    height_ = recurrent_height<Kernel>(rows);
  }
  index_t rows() const noexcept { return rows_; }
  int height() const noexcept { return height_; }
  index_t groups() const noexcept { return groups_; }
  packed const* data() const noexcept { return data_; }

  /// Describes the tile that begins at `row` to the kernel.
  template <class Call>
  IA_NN_INLINE void place(Call& call, index_t row, int height) const noexcept {
    call.height = height;
    call.groups = groups_;
    call.terms = Parts;
    call.a.term = part_;
    if constexpr (Kernel::is_amx)
      call.a.set_matrix(data_ + row * ld_, ld_, Kernel::first_rows(height), kr, groups_);
    else call.a.set_packed(data_ + row * groups_ * kr, height, kr);
  }

  /// Units unit .. unit + n - 1 of a row. `values` holds whole registers, nr of them in all.
  template <class V, int Vectors>
  IA_NN_INLINE void put(index_t row, index_t unit, index_t n, V const (&values)[Vectors],
                        quantizer const& q) const noexcept {
    constexpr int width = V::size;
    if constexpr (Parts == 1) {
      alignas(64) A line[Vectors * width];
      IA_NN_UNROLL
      for (int v = 0; v < Vectors; ++v) q.template apply<A>(values[v]).store(line + v * width);
      copy<Vectors * width>(0, row, unit, n, line);
    } else {
      alignas(64) bf16 line[Vectors * width];
      V rest[Vectors];
      for (int v = 0; v < Vectors; ++v) rest[v] = values[v];
      for (int part = 0; part < Parts; ++part) {
        for (int v = 0; v < Vectors; ++v) {
          rest[v].store(line + v * width);
          rest[v] = rest[v] - V::load(line + v * width);
        }
        copy<Vectors * width>(part, row, unit, n, line);
      }
    }
  }

private:
  static constexpr index_t row_stride(index_t k) noexcept { // 64 bytes more than a multiple of 128
    constexpr index_t line = 64 / static_cast<index_t>(sizeof(packed));
    return round_up(k, 2 * line) + line;
  }
  static constexpr index_t part_size(index_t k, index_t rows) noexcept {
    if constexpr (Kernel::is_amx) return rows * row_stride(k);
    else return (rows == 1 ? 1 : round_up(rows, 2) + Kernel::max_rows) * ceil_div(k, kr) * kr;
  }

  template <int Whole, class T>
  IA_NN_INLINE void copy(int part, index_t row, index_t unit, index_t n,
                         T const* line) const noexcept {
    constexpr index_t whole = Whole;
    packed* const to = data_ + part * part_;
    if constexpr (Kernel::is_amx) {
      packed* const at = to + row * ld_ + unit;
      if (n == whole) __builtin_memcpy(static_cast<void*>(at), line, sizeof(T) * Whole);
      else __builtin_memcpy(static_cast<void*>(at), line, sizeof(T) * static_cast<std::size_t>(n));
    } else {
      constexpr bool shift = std::same_as<T, s8>;
      index_t const tile = row / height_ * height_;
      index_t const h = recurrent_height_at<Kernel>(rows_ - tile, height_);
      packed* word = to + (tile * groups_ + unit / kr * h + row - tile) * kr;
      static_assert(sizeof(packed) * kr == 4);
      for (index_t i = 0; i < n; i += kr, word += h * kr) {
        std::uint32_t w;
        __builtin_memcpy(&w, line + i, 4);
        if (kr > 1 && n - i < kr)
          w &= (1U << (8 * sizeof(T) * static_cast<std::size_t>(n - i))) - 1U;
        if constexpr (shift) w ^= 0x80808080U;
        __builtin_memcpy(static_cast<void*>(word), &w, 4);
      }
    }
  }

  packed* data_;
  index_t groups_, ld_, part_;
  index_t rows_ = 0;
  int height_ = 1;
};

/// The same for one sequence: a plain row, in the type that the vector kernel reads (s8 is shifted
/// to u8).
template <class A, class Kernel, int Parts> class operand_row {
public:
  using packed = typename Kernel::packed_a;
  static constexpr index_t bytes(index_t k) noexcept {
    return round_up(part_size(k) * Parts * static_cast<index_t>(sizeof(packed)), 64);
  }

  operand_row(std::byte* data, index_t k) noexcept
      : data_(reinterpret_cast<packed*>(data)), part_(part_size(k)) {}
  packed const* data() const noexcept { return data_; }
  static constexpr index_t rows() noexcept { return 1; }
  static constexpr void set_rows(index_t) noexcept {}

  /// Units unit .. unit + n - 1, of whole registers.
  template <class V, int Vectors>
  IA_NN_INLINE void put(index_t, index_t unit, index_t n, V const (&values)[Vectors],
                        quantizer const& q) const noexcept {
    quantizer shifted = q;
    if constexpr (Parts == 1) shifted.zero += static_cast<f32>(Kernel::a_shift);
    IA_NN_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      index_t const left = n - v * V::size;
      packed* to = data_ + unit + v * V::size;
      V rest = shifted.template apply<packed>(values[v]);
      IA_NN_UNROLL
      for (int part = 0; part < Parts; ++part, to += part_) {
        if (left >= V::size) rest.store(to);
        else if (left > 0) rest.store(to, left);
        if constexpr (Parts > 1) {
          alignas(64) packed rounded[V::size];
          rest.store(rounded);
          rest = rest - V::load(rounded);
        }
      }
    }
  }

private:
  // Zeros behind the last unit, to whole lines.
  static constexpr index_t part_size(index_t k) noexcept {
    return round_up(k, 64 / static_cast<index_t>(sizeof(packed)));
  }

  packed* data_;
  index_t part_;
};

} // namespace detail

IA_NN_END
