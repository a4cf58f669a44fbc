// SPDX-License-Identifier: Apache-2.0
//
// Layer normalization over the last axis.
//
//   y = (x - mean) / sqrt(variance + epsilon) * scale[i] + shift[i]        mean, variance of a row
//
// Two passes over a row, and one to write: the mean; then the sums of d = x - mean and d^2. The
// first of these is not quite 0, since the mean was rounded: it corrects mean and variance, so rows
// far from 0 keep their accuracy. A row whose squares leave f32, or whose numbers differ in their
// last bits only, is computed in double.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/memory.hpp>
#include <ia_nn/core/text.hpp>
#include <ia_nn/math/reduce.hpp>
#include <ia_nn/ops/moments.hpp>

#include <span>

#include <ia_nn/begin.hpp>

namespace detail {

inline void check_epsilon(char const* who, f32 epsilon) {
  if (!(epsilon >= 0 && epsilon < infinity))
    throw_error(errc::bad_parameter, std::string(who) + ": epsilon is " + number_text(epsilon));
}
inline aligned_array<f32> copy_or(std::span<f32 const> from, index_t n, f32 otherwise,
                                  char const* who, char const* what) {
  index_t const size = static_cast<index_t>(from.size());
  if (size != n && size != 0)
    throw_error(errc::bad_shape, std::string(who) + ": " + what + " has " + std::to_string(size) +
                                     " elements, expected " + std::to_string(n));
  aligned_array<f32> to(n);
  for (index_t i = 0; i < n; ++i) to[i] = size ? from[static_cast<std::size_t>(i)] : otherwise;
  return to;
}

} // namespace detail

/// What one call of a layer_norm reads and writes.
struct layer_norm_call {
  index_t rows = 0;
  f32 const* src = nullptr; ///< [rows][n]
  f32* dst = nullptr;       ///< [rows][dst_ld]; may be src where rows are dense
  index_t dst_ld = 0;       ///< a slice of a larger matrix: n or more; 0: n
  f32* mean = nullptr;              ///< [rows], if it is wanted
  f32* inverse_deviation = nullptr; ///< [rows], if it is wanted
};

/// Rows of n elements, f32. Errors at construction: errc::bad_shape (n < 1, scale or shift neither
/// empty nor n elements), errc::bad_parameter (epsilon), errc::unsupported_isa.
template <isa::tag I> class layer_norm {
  using V = vec<f32, I>;
  static constexpr index_t block_elements = 128 * V::size; // summed in f32, then added to a double

public:
  /// An empty scale is all 1, an empty shift all 0.
  explicit layer_norm(index_t n, std::span<f32 const> scale = {}, std::span<f32 const> shift = {},
                      f32 epsilon = 1e-5F)
      : n_(n), epsilon_(epsilon) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (n < 1) throw_error(errc::bad_shape, "layer_norm: rows of " + std::to_string(n));
    detail::check_epsilon("layer_norm", epsilon);
    scale_ = detail::copy_or(scale, n, 1.0F, "layer_norm", "scale");
    shift_ = detail::copy_or(shift, n, 0.0F, "layer_norm", "shift");
  }

  index_t n() const noexcept { return n_; }
  /// Other weights, as training makes them after each step: copied, `n` elements each. Null: all
  /// 1, all 0.
  void set_weights(f32 const* scale, f32 const* shift) noexcept {
    for (index_t i = 0; i < n_; ++i) {
      scale_[i] = scale ? scale[i] : 1.0F;
      shift_[i] = shift ? shift[i] : 0.0F;
    }
  }

  template <executor E = sequential>
  void run(layer_norm_call const& c, E&& e = {}) const noexcept {
    index_t const dst_ld = c.dst_ld == 0 ? n_ : c.dst_ld;
    IA_NN_ASSERT(dst_ld >= n_, "layer_norm: rows of dst ", dst_ld, " elements apart hold ", n_);
    parallel_blocks(e, c.rows, ceil_div(4096, n_), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) {
        f32 const* const x = c.src + r * n_;
        detail::moments m = moments_of_row(x);
        if (IA_NN_LIKELY(m.exact)) write(x, c.dst + r * dst_ld, m);
        else m = write_wide(x, c.dst + r * dst_ld);
        if (c.mean) c.mean[r] = m.mean + m.rest;
        if (c.inverse_deviation) c.inverse_deviation[r] = m.inverse;
      }
    });
  }
  /// src, dst [rows][n]; dst may be src.
  template <executor E = sequential>
  void run(index_t rows, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    run({.rows = rows, .src = src, .dst = dst}, e);
  }
  /// dst [rows][dst_ld], a slice of a larger matrix: dst_ld is at least n, dst is not src.
  template <executor E = sequential>
  void run(index_t rows, f32 const* src, f32* dst, index_t dst_ld, E&& e = {}) const noexcept {
    run({.rows = rows, .src = src, .dst = dst, .dst_ld = dst_ld}, e);
  }

private:
  // f(number of the sum, element, lanes) over a row: four registers at a time, then a masked one.
  template <class F> IA_NN_INLINE void over(index_t from, index_t to, F&& f) const noexcept {
    index_t i = from;
    for (; i + 4 * V::size <= to; i += 4 * V::size) {
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) f(u, i + u * V::size, detail::lanes<true>{V::size});
    }
    detail::each_register<V>(i, to, [&](index_t j, auto at) IA_NN_LAMBDA { f(0, j, at); });
  }
  static IA_NN_INLINE double total(V const (&s)[4]) noexcept {
    V const all = (s[0] + s[1]) + (s[2] + s[3]);
    return static_cast<double>(sum(all));
  }

  IA_NN_INLINE detail::moments moments_of_row(f32 const* x) const noexcept {
    double const n = static_cast<double>(n_);
    double all = 0, deviations = 0, squares = 0;
    for (index_t b = 0; b < n_; b += block_elements) {
      V s[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
      over(b, min_of(n_, b + block_elements),
           [&](int u, index_t i, auto at) IA_NN_LAMBDA { s[u] = s[u] + at.template load<V>(x + i); });
      all += total(s);
    }
    f32 const mean = static_cast<f32>(all / n);
    V const m = V::broadcast(mean);
    for (index_t b = 0; b < n_; b += block_elements) {
      V s[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
      V q[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
      over(b, min_of(n_, b + block_elements),
           [&](int u, index_t i, auto at) IA_NN_LAMBDA {
             // Lanes beyond the row hold -mean, and are to count as 0.
             V const d = at.keep(at.template load<V>(x + i) - m, V::zero());
             s[u] = s[u] + d;
             q[u] = fma(d, d, q[u]);
           });
      deviations += total(s), squares += total(q);
    }
    return detail::moments_of(mean, deviations, squares, n, epsilon_);
  }
  IA_NN_INLINE void write(f32 const* x, f32* y, detail::moments const& m) const noexcept {
    V const mean = V::broadcast(m.mean), inverse = V::broadcast(m.inverse);
    V const rest = V::broadcast(-m.rest * m.inverse);
    over(0, n_, [&](int, index_t i, auto at) IA_NN_LAMBDA {
      V const d = fma(at.template load<V>(x + i) - mean, inverse, rest);
      at.store(fma(d, at.template load<V>(scale_.data() + i), at.template load<V>(shift_.data() + i)),
               y + i);
    });
  }

  IA_NN_NOINLINE detail::moments write_wide(f32 const* x, f32* y) const noexcept {
    auto const m = detail::wide_moments_of(n_, epsilon_, [&](index_t i) { return x[i]; });
    for (index_t i = 0; i < n_; ++i)
      y[i] = static_cast<f32>(m(x[i]) * static_cast<double>(scale_[i]) +
                              static_cast<double>(shift_[i]));
    return {static_cast<f32>(m.first + m.mean), 0, static_cast<f32>(m.inverse), true};
  }

  index_t n_;
  f32 epsilon_;
  aligned_array<f32> scale_, shift_;
};

IA_NN_END
