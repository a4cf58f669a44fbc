// SPDX-License-Identifier: Apache-2.0
//
// Norms that divide a row by its length and leave its mean alone.
//
//   rms_norm    y = x / sqrt(sum of x^2 / n + epsilon) * scale[i]      PyTorch's RMSNorm
//   lp_norm     y = x / max(|x|, epsilon) * scale[i]                   PyTorch's normalize, SSD's L2Norm,
//               |x| = sqrt(sum of x^2), or sum of |x| with p = 1       ONNX' LpNormalization
//
// A row of zeros stays one (with an epsilon of 0 as well). Sums are f32 over few numbers and double beyond
// (math/row_sums.hpp): a result is off by at most 26 * 2^-24 of itself, with p = 1 by 46 * 2^-24. A row
// whose squares leave f32 is computed in double.
#pragma once

#include <ia_nn/math/row_sums.hpp>
#include <ia_nn/ops/layer_norm.hpp>

#include <cmath>

#include <ia_nn/begin.hpp>

enum class length_kind : unsigned char {
  root_mean_square, ///< sqrt(mean of x^2 + epsilon)
  l2,               ///< max(sqrt(sum of x^2), epsilon)
  l1                ///< max(sum of |x|, epsilon)
};

namespace detail {

/// 1 / length of a row.
struct inverse_length {
  double value = 0;
  bool narrow = true; ///< f32 is enough for it
  bool held = false;  ///< epsilon is larger than the length
};

template <isa::tag I> struct row_length {
  using V = vec<f32, I>;
  length_kind kind;
  index_t n;
  double epsilon;

  inverse_length inverse_of(double sum) const noexcept {
    if (kind == length_kind::root_mean_square)
      return of_length(std::sqrt(sum / static_cast<double>(n) + epsilon), false);
    double const length = kind == length_kind::l2 ? std::sqrt(sum) : sum;
    return length < epsilon ? of_length(epsilon, true) : of_length(length, false);
  }
  IA_NN_INLINE inverse_length operator()(f32 const* x) const noexcept {
    double total[1];
    if (kind == length_kind::l1)
      sum_row<V, 1>(n, [&](index_t i, auto at, V(&s)[1])
                           IA_NN_LAMBDA { s[0] = s[0] + abs(at.template load<V>(x + i)); }, total);
    else
      sum_row<V, 1>(n, [&](index_t i, auto at, V(&s)[1]) IA_NN_LAMBDA {
        V const v = at.template load<V>(x + i);
        s[0] = fma(v, v, s[0]);
      }, total);
    // Squares may have overflowed, or vanished.
    if (IA_NN_LIKELY(total[0] < 0x1p120 && total[0] > 0x1p-90 * static_cast<double>(n))) return inverse_of(total[0]);
    return wide(x);
  }

private:
  static inverse_length of_length(double length, bool held) noexcept {
    if (length == 0) return {1, true, held}; // of zeros
    return {1 / length, length > 0x1p-120 && length < 0x1p120, held};
  }
  IA_NN_NOINLINE inverse_length wide(f32 const* x) const noexcept {
    double sum = 0;
    for (index_t i = 0; i < n; ++i) {
      double const v = static_cast<double>(x[i]);
      sum += kind == length_kind::l1 ? std::fabs(v) : v * v;
    }
    return inverse_of(sum);
  }
};

/// Rows of n elements, with a scale of each.
template <isa::tag I> class scale_norm {
  using V = vec<f32, I>;

public:
  scale_norm(char const* who, length_kind kind, index_t n, std::span<f32 const> scale, f32 epsilon)
      : length_{kind, n, static_cast<double>(epsilon)} {
    isa::require<typename vec_tag<I>::type>();
    if (n < 1) throw_error(errc::bad_shape, std::string(who) + ": rows of " + std::to_string(n));
    check_epsilon(who, epsilon);
    scale_ = copy_or(scale, n, 1.0F, who, "scale");
  }

  index_t n() const noexcept { return length_.n; }
  /// Another scale, as training makes them after each step: copied, n elements. Null: all 1.
  void set_weights(f32 const* scale) noexcept {
    for (index_t i = 0; i < n(); ++i) scale_[i] = scale ? scale[i] : 1.0F;
  }
  /// src [rows][n]; dst [rows][dst_ld], which may be src where rows are dense.
  template <executor E = sequential>
  void run(index_t rows, f32 const* src, f32* dst, index_t dst_ld, E&& e = {}) const noexcept {
    IA_NN_ASSERT(dst_ld >= n(), "scale_norm: rows of dst ", dst_ld, " elements apart hold ", n());
    parallel_blocks(e, rows, ceil_div(4096, n()), [&](index_t begin, index_t end, int) {
      for (index_t r = begin; r < end; ++r) row(src + r * n(), dst + r * dst_ld);
    });
  }
  template <executor E = sequential>
  void run(index_t rows, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    run(rows, src, dst, n(), e);
  }

private:
  void row(f32 const* x, f32* y) const noexcept {
    inverse_length const inverse = length_(x);
    if (IA_NN_LIKELY(inverse.narrow)) {
      V const by = V::broadcast(static_cast<f32>(inverse.value));
      each_register<V>(0, n(), [&](index_t i, auto at) IA_NN_LAMBDA {
        at.store(at.template load<V>(x + i) * by * at.template load<V>(scale_.data() + i), y + i);
      });
    } else {
      for (index_t i = 0; i < n(); ++i)
        y[i] = static_cast<f32>(static_cast<double>(x[i]) * inverse.value * static_cast<double>(scale_[i]));
    }
  }

  row_length<I> length_;
  aligned_array<f32> scale_;
};

} // namespace detail

/// f32 [rows][n]. Errors at construction: errc::bad_shape (n < 1, a scale that is neither empty nor n
/// elements), errc::bad_parameter (epsilon), errc::unsupported_isa.
template <isa::tag I> class rms_norm : public detail::scale_norm<I> {
public:
  /// An empty scale is all 1.
  explicit rms_norm(index_t n, std::span<f32 const> scale = {}, f32 epsilon = 0x1p-23F)
      : detail::scale_norm<I>("rms_norm", length_kind::root_mean_square, n, scale, epsilon) {}
};

/// The same; p is 1 or 2, else errc::bad_parameter.
template <isa::tag I> class lp_norm : public detail::scale_norm<I> {
public:
  explicit lp_norm(index_t n, std::span<f32 const> scale = {}, f32 epsilon = 1e-12F, int p = 2)
      : detail::scale_norm<I>("lp_norm", kind_of(p), n, scale, epsilon) {}

private:
  static length_kind kind_of(int p) {
    if (p != 1 && p != 2) throw_error(errc::bad_parameter, "lp_norm: p is " + std::to_string(p) + ", must be 1 or 2");
    return p == 1 ? length_kind::l1 : length_kind::l2;
  }
};

IA_NN_END
