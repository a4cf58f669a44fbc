// SPDX-License-Identifier: Apache-2.0
//
// Weights of 4 bits with a scale per column and group of k, for layers whose time is that of
// reading the weights: one or a few rows. Arithmetic is f32.
//
//   dst[m][n] = sum over groups g of scale[n][g] *
//                   sum over k in g of src[m][k] * (q[n][k] - zero[n][g])
//
// One word holds 8 values of k of one column; words of the columns of a panel lie side by side, so
// that a register holds one word of each of its columns. Panels are 4 registers wide:
//
//   [n / nr][k / 8][nr]           word 0           word 1          ...  word nr - 1
//                                 k 7 6 5 4 3 2 1 0 of column 0     of column 1 ...
//
// A nibble t is not shifted into place, it is masked: (word & 15 << 4 t) is the value times 16^t,
// and the row of src was multiplied by 16^-t, which is exact (but for values below 2^-98). So a
// value costs an AND, a conversion and an fma. Nibbles are stored with 8 added, the topmost as a
// signed number, because the conversion is a signed one; what that adds is the value that sums
// start from:
//
//   start[m][g] = -8 * sum of src[m][k] over the k of g that are not in a topmost nibble
//
// Each sum is a chain over k within its group, groups are added in order: the bits are the same on
// every instruction set with fma and for any number of rows or workers.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/shape.hpp>
#include <ia_nn/core/workspace.hpp>
#include <ia_nn/gemm/epilogue.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <cmath>
#include <span>
#include <vector>

#include <ia_nn/begin.hpp>

/// Packed weights [n][k] of 4 bits.
template <isa::tag I> class packed_s4 {
public:
  static constexpr int vectors = 4, nr = vectors * vec<f32, I>::size;

  /// values [n][k] in [-8, 7]; scales [n][ceil(k / group)]; zero points as the scales, or none.
  /// Errors: errc::bad_shape (numbers of elements that do not fit), errc::bad_parameter (a group
  /// that is no multiple of 8, values, zero points or scales out of range).
  packed_s4(std::span<s8 const> values, index_t n, index_t group, std::span<f32 const> scales,
            std::span<s8 const> zero_points = {})
      : n_(n), k_(check(values.size(), n, group)), group_(group), groups_(ceil_div(k_, group)),
        words_(panels() * nr * groups_ * group / 8), scales_(panels() * nr * groups_),
        zeros_(zero_points.empty() ? 0 : panels() * nr * groups_) {
    std::size_t const cells = at(n * groups_);
    if (scales.size() != cells || (!zero_points.empty() && zero_points.size() != cells))
      throw_error(errc::bad_shape, "packed_s4: " + std::to_string(scales.size()) + " scales and " +
                                       std::to_string(zero_points.size()) +
                                       " zero points, expected " + std::to_string(cells) +
                                       " of each, or no zero points");
    for (index_t j = 0; j < n; ++j) {
      index_t const p = j / nr, lane = j % nr;
      for (index_t g = 0; g < groups_; ++g) {
        index_t const from = j * groups_ + g, to = (p * groups_ + g) * nr + lane;
        quantization::check_scale("packed_s4", scales[at(from)]);
        scales_[to] = scales[at(from)];
        if (!zero_points.empty()) zeros_[to] = in_range(zero_points[at(from)]);
      }
      for (index_t i = 0; i < k_; ++i) {
        auto const q = static_cast<std::uint32_t>(in_range(values[at(j * k_ + i)]));
        std::uint32_t const nibble = (i % 8 == 7 ? q : q + 8U) & 15U;
        s32& word = words_[(p * (groups_ * group / 8) + i / 8) * nr + lane];
        word = static_cast<s32>(static_cast<std::uint32_t>(word) | nibble << (4 * (i % 8)));
      }
    }
  }

  index_t n() const noexcept { return n_; }
  index_t k() const noexcept { return k_; }
  index_t group() const noexcept { return group_; }
  index_t groups() const noexcept { return groups_; }
  index_t panels() const noexcept { return ceil_div(n_, nr); }
  /// Bytes that a product reads.
  index_t bytes() const noexcept { return 4 * words_.size() + 4 * scales_.size() + zeros_.size(); }

  s32 const* words(index_t panel) const noexcept {
    return words_.data() + panel * (groups_ * group_ / 8) * nr;
  }
  f32 const* scales(index_t panel) const noexcept { return scales_.data() + panel * groups_ * nr; }
  /// Null if there are none.
  s8 const* zero_points(index_t panel) const noexcept {
    return zeros_.size() ? zeros_.data() + panel * groups_ * nr : nullptr;
  }

private:
  static std::size_t at(index_t i) noexcept { return static_cast<std::size_t>(i); }
  static s8 in_range(s8 q) {
    if (q < -8 || q > 7)
      throw_error(errc::bad_parameter,
                  "packed_s4: " + std::to_string(q) + " does not fit 4 bits, -8 to 7");
    return q;
  }
  static index_t check(std::size_t size, index_t n, index_t group) {
    if (n < 1 || size == 0 || size % at(n) != 0)
      throw_error(errc::bad_shape, "packed_s4: " + std::to_string(size) +
                                       " weights cannot be divided among " + std::to_string(n) +
                                       " columns");
    if (group < 8 || group % 8 != 0)
      throw_error(errc::bad_parameter,
                  "packed_s4: a group of " + std::to_string(group) + " must be a multiple of 8");
    return static_cast<index_t>(size) / n;
  }

  index_t n_, k_, group_, groups_;
  aligned_array<s32> words_;
  aligned_array<f32> scales_;
  aligned_array<s8> zeros_;
};

/// Quantizes weights [n][k] in groups of k. symmetric: max |w| / 7, values in [-7, 7]; asymmetric:
/// (max - min) / 15 over the group and 0, with a zero point.
/// Errors: those of packed_s4, errc::bad_parameter (NaN, infinities).
template <isa::tag I>
packed_s4<I> quantize_s4(std::span<f32 const> w, index_t n, index_t group,
                         scheme s = scheme::symmetric) {
  index_t const k = n > 0 ? static_cast<index_t>(w.size()) / n : 0;
  index_t const groups = group > 0 ? ceil_div(k, group) : 0;
  std::vector<s8> values(w.size()), zeros(static_cast<std::size_t>(max_of(n, 0) * groups));
  std::vector<f32> scales(zeros.size());
  for (index_t j = 0; j < n; ++j)
    for (index_t g = 0; g < groups; ++g) {
      value_range r;
      for (index_t i = g * group; i < min_of(k, (g + 1) * group); ++i) {
        f32 const x = w[static_cast<std::size_t>(j * k + i)];
        if (!(__builtin_fabsf(x) <= 0x1.fffffep127F))
          throw_error(errc::bad_parameter, "quantize_s4: a weight of column " + std::to_string(j) +
                                               " is NaN or infinite");
        r.add({x, x});
      }
      f32 scale = detail::positive_scale(r.largest() / 7.0F, r.largest()), zero = 0;
      if (s == scheme::asymmetric) {
        scale = detail::positive_scale(r.high / 15.0F - r.low / 15.0F, r.largest());
        zero = detail::nearest_even(-8.0F - r.low / scale);
        zero = zero < -8 ? -8.0F : zero > 7 ? 7.0F : zero;
      }
      scales[static_cast<std::size_t>(j * groups + g)] = scale;
      zeros[static_cast<std::size_t>(j * groups + g)] = static_cast<s8>(zero);
      for (index_t i = g * group; i < min_of(k, (g + 1) * group); ++i) {
        f32 const q = std::nearbyint(w[static_cast<std::size_t>(j * k + i)] / scale) + zero;
        values[static_cast<std::size_t>(j * k + i)] = static_cast<s8>(q < -8  ? -8.0F
                                                                      : q > 7 ? 7.0F
                                                                              : q);
      }
    }
  return packed_s4<I>(values, n, group, scales,
                      s == scheme::asymmetric ? std::span<s8 const>(zeros) : std::span<s8 const>());
}

struct s4_options {
  index_t max_rows = 1; ///< rows of the largest batch
  int workers = 1;      ///< concurrency of the executor
};

/// dst [rows][n] = stages(src [rows][k] * weights), src f32, dst any type that an epilogue stores.
/// Errors at construction: errc::bad_parameter (options), errc::unsupported_isa. `run` is const and
/// noexcept and allocates nothing; concurrent calls need a workspace each.
template <isa::tag I, element C = f32> class s4_dense {
public:
  using weights = packed_s4<I>;

  explicit s4_dense(weights w, s4_options const& o = {})
      : weights_(static_cast<weights&&>(w)), options_(o) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (o.max_rows < 1 || o.workers < 1)
      throw_error(errc::bad_parameter, "s4_dense: max_rows is " + std::to_string(o.max_rows) +
                                           " and workers " + std::to_string(o.workers) +
                                           ", both must be at least 1");
    static_cast<void>(shape<dyn, dyn>(o.max_rows, row_size())); // throws when it overflows
  }

  index_t k() const noexcept { return weights_.k(); }
  index_t n() const noexcept { return weights_.n(); }
  weights const& packed() const noexcept { return weights_; }
  index_t workspace_bytes() const noexcept {
    return round_up(options_.max_rows * row_size() * 4, 64);
  }

  template <class Epilogue = chain<>, executor E = sequential>
  void run(index_t rows, f32 const* src, index_t lda, C* dst, index_t ldc, Epilogue const& epilogue,
           workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_REQUIRE(rows >= 0 && rows <= options_.max_rows, "s4_dense: ", rows,
                  " rows, planned for at most ", options_.max_rows);
    IA_NN_ASSERT(rows == 0 || (src && dst), "s4_dense: src or dst is null");
    IA_NN_ASSERT(ldc >= n() || rows <= 1, "s4_dense: rows of dst ", ldc, " elements apart hold ",
                 n());
    IA_NN_REQUIRE(scratch.holds(workspace_bytes()), "s4_dense: a workspace of ", scratch.size,
                  " bytes, run needs ", workspace_bytes(), " aligned to 64 bytes");
    f32* const prepared = reinterpret_cast<f32*>(scratch.data);
    e.parallel_for(rows,
                   [&](index_t r, int) { prepare(src + r * lda, prepared + r * row_size()); });
    e.parallel_for(rows ? weights_.panels() : 0, [&](index_t p, int) {
      for (index_t r = 0; r < rows;) {
        index_t const left = rows - r, height = left >= most_rows ? most_rows : left >= 2 ? 2 : 1;
        alignas(64) f32 cells[most_rows * nr];
        f32 const* const from = prepared + r * row_size();
        if (height == 1) product<1>(p, from, cells);
        else if (height == 2) product<2>(p, from, cells);
        else product<most_rows>(p, from, cells);
        detail::finish_tile<I>(cells, index_t{nr}, height, min_of(nr, n() - p * nr), r, p * nr,
                               epilogue, dst + r * ldc + p * nr, ldc);
        r += height;
      }
    });
  }

private:
  using V = vec<f32, I>;
  using W = vec<s32, I>;
  static constexpr int nr = weights::nr, vectors = weights::vectors;
  static constexpr int most_rows = isa::has<I, isa::avx512> ? 4 : 2; // the registers of sums

  // A prepared row: [k scaled][start of each group][minus the sum of each group].
  index_t padded() const noexcept { return weights_.groups() * weights_.group(); }
  index_t row_size() const noexcept { return padded() + 2 * weights_.groups(); }

  void prepare(f32 const* src, f32* to) const noexcept {
    static constexpr f32 factor[8] = {0x1p0F,   0x1p-4F,  0x1p-8F,  0x1p-12F,
                                      0x1p-16F, 0x1p-20F, 0x1p-24F, 0x1p-28F};
    index_t const group = weights_.group();
    for (index_t g = 0; g < weights_.groups(); ++g) {
      double all = 0, shifted = 0;
      for (index_t i = g * group; i < (g + 1) * group; ++i) {
        f32 const x = i < k() ? src[i] : 0.0F;
        to[i] = x * factor[i % 8];
        all += static_cast<double>(x);
        if (i % 8 != 7) shifted += static_cast<double>(x);
      }
      to[padded() + g] = static_cast<f32>(-8 * shifted);
      to[padded() + weights_.groups() + g] = static_cast<f32>(-all);
    }
  }

  template <int R> IA_NN_NOINLINE void product(index_t p, f32 const* a, f32* cells) const noexcept {
    s32 const* IA_NN_RESTRICT w = weights_.words(p);
    f32 const* scale = weights_.scales(p);
    s8 const* zero = weights_.zero_points(p);
    index_t const row = row_size(), groups = weights_.groups(), words = weights_.group() / 8;
    f32 const* const starts = a + padded();
    for (int i = 0; i < R * nr; i += V::size) V::zero().store(cells + i);
    for (index_t g = 0; g < groups; ++g) {
      V sum[R][vectors];
      IA_NN_UNROLL for (int r = 0; r < R; ++r)
        IA_NN_UNROLL for (int v = 0; v < vectors; ++v) sum[r][v] = V::broadcast(starts[r * row + g]);
      IA_NN_ROLLED for (index_t i = 0; i < words; ++i) {
        W word[vectors];
        IA_NN_UNROLL
        for (int v = 0; v < vectors; ++v) word[v] = W::load(w + v * V::size);
        IA_NN_UNROLL
        for (int t = 0; t < 8; ++t) {
          W const mask = W::broadcast(static_cast<s32>(15U << (4 * t)));
          V x[R];
          IA_NN_UNROLL
          for (int r = 0; r < R; ++r) x[r] = V::broadcast(a[r * row + t]);
          IA_NN_UNROLL
          for (int v = 0; v < vectors; ++v) {
            V const q = to_f32(word[v] & mask);
            IA_NN_UNROLL
            for (int r = 0; r < R; ++r) sum[r][v] = fma(x[r], q, sum[r][v]);
          }
        }
        w += nr;
        a += 8;
      }
      IA_NN_UNROLL
      for (int v = 0; v < vectors; ++v) {
        V const s = V::load(scale + v * V::size);
        IA_NN_UNROLL
        for (int r = 0; r < R; ++r) {
          V x = sum[r][v];
          if (zero)
            x = fma(V::load(zero + v * V::size), V::broadcast(starts[r * row + groups + g]), x);
          f32* const cell = cells + r * nr + v * V::size;
          fma(x, s, V::load(cell)).store(cell);
        }
      }
      scale += nr;
      if (zero) zero += nr;
    }
  }

  weights weights_;
  s4_options options_;
};

IA_NN_END
