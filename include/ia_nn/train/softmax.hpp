// SPDX-License-Identifier: Apache-2.0
//
// Gradients of softmax and its logarithm along one axis of [outer][n][inner], from the result y.
//
//   softmax        diff_src = y (diff_dst - sum of diff_dst y)
//   log_softmax    diff_src = diff_dst - e^y (sum of diff_dst)
//
// inner = 1: vectors lie along the row, and sums are those of row_sums.hpp; else across rows, and
// sums of 8 are terms of a long_sum.
#pragma once

#include <ia_nn/math/long_sum.hpp>
#include <ia_nn/ops/softmax.hpp>
#include <ia_nn/train/gradient.hpp>
#include <ia_nn/math/row_sums.hpp>

#include <ia_nn/begin.hpp>

/// Errors at construction: errc::bad_shape (n or inner below 1), errc::unsupported_isa.
template <isa::tag I> class softmax_backward {
  using V = vec<f32, I>;

public:
  explicit softmax_backward(index_t n, index_t inner = 1, softmax_kind kind = softmax_kind::linear)
      : n_(n), inner_(inner), kind_(kind) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("softmax_backward", "n", n);
    detail::check_positive("softmax_backward", "inner", inner);
  }

  /// dst, the result of the forward pass, and diff_dst [outer][n][inner]; diff_src may be either of
  /// them.
  template <executor E = sequential>
  void run(index_t outer, f32 const* dst, f32 const* diff_dst, gradient diff_src,
           E&& e = {}) const noexcept {
    if (!diff_src) return;
    if (inner_ == 1) {
      parallel_blocks(e, outer, ceil_div(2048, n_), [&](index_t begin, index_t end, int) {
        for (index_t r = begin; r < end; ++r) row(r * n_, dst, diff_dst, diff_src);
      });
      return;
    }
    constexpr index_t width = V::size;
    index_t const groups = ceil_div(inner_, width);
    parallel_blocks(e, outer * groups, ceil_div(2048, n_ * width),
                    [&](index_t begin, index_t end, int) {
                      for (index_t g = begin; g < end; ++g) {
                        index_t const c = g % groups * width, at = g / groups * n_ * inner_ + c;
                        detail::each_register<V>(0, min_of(width, inner_ - c),
                                                 [&](index_t, auto lanes) IA_NN_LAMBDA {
                                                   columns(at, dst, diff_dst, diff_src, lanes);
                                                 });
                      }
                    });
  }

private:
  IA_NN_INLINE V term(V y, V diff) const noexcept {
    return kind_ == softmax_kind::linear ? y * diff : diff;
  }
  IA_NN_INLINE V slope(V y, V diff, V total) const noexcept {
    return kind_ == softmax_kind::linear ? y * (diff - total)
                                         : fma(-detail::exp_nonpositive(y), total, diff);
  }
  void row(index_t first, f32 const* dst, f32 const* diff_dst, gradient const& to) const noexcept {
    double all[1];
    detail::sum_row<V, 1>(
        n_,
        [&](index_t i, auto at, V(&s)[1]) IA_NN_LAMBDA {
          s[0] = s[0] + term(at.template load<V>(dst + first + i),
                             at.template load<V>(diff_dst + first + i));
        },
        all);
    V const total = V::broadcast(static_cast<f32>(all[0]));
    detail::each_register<V>(0, n_, [&](index_t i, auto at) IA_NN_LAMBDA {
      V const d = slope(at.template load<V>(dst + first + i),
                        at.template load<V>(diff_dst + first + i), total);
      detail::deliver(at, d, to, first + i);
    });
  }
  template <bool Whole>
  void columns(index_t first, f32 const* dst, f32 const* diff_dst, gradient const& to,
               detail::lanes<Whole> at) const noexcept {
    detail::long_sum<V> all;
    for (index_t some = 0; some < n_; some += 8) {
      V part = V::zero();
      for (index_t i = some; i < min_of(n_, some + 8); ++i) {
        index_t const k = first + i * inner_;
        part = part + term(at.template load<V>(dst + k), at.template load<V>(diff_dst + k));
      }
      all.add(part);
    }
    V const total = all.value();
    for (index_t i = 0; i < n_; ++i) {
      index_t const k = first + i * inner_;
      V const d = slope(at.template load<V>(dst + k), at.template load<V>(diff_dst + k), total);
      detail::deliver(at, d, to, k);
    }
  }

  index_t n_, inner_;
  softmax_kind kind_;
};

IA_NN_END
