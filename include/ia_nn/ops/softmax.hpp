// SPDX-License-Identifier: Apache-2.0
//
// softmax and its logarithm along one axis of [outer][n][inner].
//
//   y = e^(x - m) / sum of e^(x - m)         log_softmax: y = (x - m) - log(sum of e^(x - m))
//
// m is the largest x of the row. Where x = m the difference is taken as 0, infinite m included: a
// row with +inf in it gives equal shares to those elements and 0 to the rest, a row of nothing but
// -inf gives 1 / n to each. A NaN makes its row NaN.
//
// inner = 1: vectors lie along the row, else across rows. Sums of at most 16 numbers, and their sum
// without loss. Error: softmax (12 + m - x) 2^-24 of each result, the second part being the rounded
// difference; log_softmax 50 * 2^-24 max(1, |y|).
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/math/exp.hpp>
#include <ia_nn/math/log.hpp>
#include <ia_nn/math/long_sum.hpp>

#include <ia_nn/begin.hpp>

enum class softmax_kind { linear, logarithm };

namespace detail {

template <isa::tag I> struct softmax_kernel {
  using V = vec<f32, I>;
  static constexpr index_t width = V::size;

  static IA_NN_INLINE V below(V x, V most) noexcept {
    return select(x == most, V::zero(), x - most);
  }

  static void row(softmax_kind kind, f32 const* x, f32* y, index_t n) noexcept {
    V const lowest = V::broadcast(-infinity);
    V m[4] = {lowest, lowest, lowest, lowest};
    index_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      IA_NN_UNROLL
      for (int u = 0; u < 4; ++u) m[u] = max(m[u], V::load(x + i + u * width));
    }
    each_register<V>(i, n, [&](index_t j, auto at) IA_NN_LAMBDA {
      m[0] = max(m[0], at.keep(at.template load<V>(x + j), lowest));
    });
    V const most = V::broadcast(row_highest(max(max(m[0], m[1]), max(m[2], m[3]))));

    long_sum<V> all;
    for (index_t first = 0; first < n; first += 16 * width) {
      index_t const end = min_of(n, first + 16 * width);
      V s[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
      for (i = first; i + 4 * width <= end; i += 4 * width) {
        IA_NN_UNROLL
        for (int u = 0; u < 4; ++u) {
          V const p = exp_nonpositive(below(V::load(x + i + u * width), most));
          s[u] = s[u] + p;
          if (kind == softmax_kind::linear) p.store(y + i + u * width);
        }
      }
      for (; i + width <= end; i += width) {
        V const p = exp_nonpositive(below(V::load(x + i), most));
        s[0] = s[0] + p;
        if (kind == softmax_kind::linear) p.store(y + i);
      }
      if (i < end) {
        lanes<false> const at{end - i};
        V const p = exp_nonpositive(below(at.template load<V>(x + i), most));
        s[1] = s[1] + at.keep(p, V::zero());
        if (kind == softmax_kind::linear) at.store(p, y + i);
      }
      all.add((s[0] + s[1]) + (s[2] + s[3]));
    }
    f32 part[2 * width];
    all.total.store(part), all.left.store(part + width);
    double total = 0;
    for (f32 const p : part) total += static_cast<double>(p);

    if (kind == softmax_kind::linear) {
      V const scale = V::broadcast(static_cast<f32>(1.0 / total));
      each_register<V>(0, n, [&](index_t j, auto at) IA_NN_LAMBDA {
        at.store(at.template load<V>(y + j) * scale, y + j);
      });
    } else {
      V const shift = V::broadcast(static_cast<f32>(__builtin_log(total)));
      each_register<V>(0, n, [&](index_t j, auto at) IA_NN_LAMBDA {
        at.store(below(at.template load<V>(x + j), most) - shift, y + j);
      });
    }
  }

  /// Rows side by side, one in each lane, `stride` elements from one of their elements to the next,
  /// `stride_y` in y.
  template <bool Whole>
  static IA_NN_INLINE void columns(softmax_kind kind, f32 const* x, f32* y, index_t n,
                                   index_t stride, index_t stride_y, lanes<Whole> at) noexcept {
    auto const load = [&](f32 const* p) IA_NN_LAMBDA { return at.template load<V>(p); };
    V most = V::broadcast(-infinity);
    for (index_t i = 0; i < n; ++i) most = max(most, load(x + i * stride));
    long_sum<V> all;
    for (index_t first = 0; first < n; first += 8) {
      V part = V::zero();
      for (index_t i = first; i < min_of(n, first + 8); ++i) {
        V const p = exp_nonpositive(below(load(x + i * stride), most));
        part = part + p;
        if (kind == softmax_kind::linear) at.store(p, y + i * stride_y);
      }
      all.add(part);
    }
    V const total = all.value();
    if (kind == softmax_kind::linear) {
      V const scale = V::broadcast(1.0F) / total;
      for (index_t i = 0; i < n; ++i) at.store(load(y + i * stride_y) * scale, y + i * stride_y);
    } else {
      V const shift = math::log(total);
      for (index_t i = 0; i < n; ++i)
        at.store(below(load(x + i * stride), most) - shift, y + i * stride_y);
    }
  }

private:
  static IA_NN_INLINE f32 row_highest(V v) noexcept { return highest(v); }
};

} // namespace detail

/// y = softmax(x) or log softmax(x) along the middle axis of f32 [outer][n][inner]; inner is 1 for
/// the last axis. Errors at construction: errc::bad_shape (n or inner below 1),
/// errc::unsupported_isa. The result has the same bits for any executor.
template <isa::tag I> class softmax {
  using kernel = detail::softmax_kernel<I>;

public:
  explicit softmax(index_t n, index_t inner = 1, softmax_kind kind = softmax_kind::linear)
      : n_(n), inner_(inner), kind_(kind) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (n < 1 || inner < 1)
      throw_error(errc::bad_shape, "softmax: rows of " + std::to_string(n) + " elements, " +
                                       std::to_string(inner) + " side by side");
  }

  /// src, dst [outer][n][inner]; dst may be src.
  template <executor E = sequential>
  void run(index_t outer, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    run(outer, src, dst, inner_ == 1 ? n_ : inner_, e);
  }
  /// dst as a slice of a larger tensor: dst_ld elements from one row of the last axis to the next,
  /// at least as many as it has. dst is not src.
  template <executor E = sequential>
  void run(index_t outer, f32 const* src, f32* dst, index_t dst_ld, E&& e = {}) const noexcept {
    IA_NN_ASSERT(dst_ld >= (inner_ == 1 ? n_ : inner_), "softmax: rows of dst ", dst_ld,
                 " elements apart overlap each other");
    if (inner_ == 1) {
      parallel_blocks(e, outer, ceil_div(1024, n_), [&](index_t begin, index_t end, int) {
        for (index_t r = begin; r < end; ++r)
          kernel::row(kind_, src + r * n_, dst + r * dst_ld, n_);
      });
      return;
    }
    constexpr index_t width = kernel::width;
    index_t const groups = ceil_div(inner_, width);
    parallel_blocks(e, outer * groups, ceil_div(1024, n_ * width),
                    [&](index_t begin, index_t end, int) {
                      for (index_t g = begin; g < end; ++g) {
                        index_t const c = g % groups * width, count = min_of(width, inner_ - c);
                        f32 const* const x = src + g / groups * n_ * inner_ + c;
                        f32* const y = dst + g / groups * n_ * dst_ld + c;
                        if (count == width)
                          kernel::columns(kind_, x, y, n_, inner_, dst_ld, detail::lanes<true>{count});
                        else
                          kernel::columns(kind_, x, y, n_, inner_, dst_ld, detail::lanes<false>{count});
                      }
                    });
  }

private:
  index_t n_, inner_;
  softmax_kind kind_;
};

IA_NN_END
