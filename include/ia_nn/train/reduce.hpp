// SPDX-License-Identifier: Apache-2.0
//
// Gradients of reductions along the middle axis of x [outer][n][inner] to y [outer][inner]:
//
//   sum    diff_x = diff_y                mean   diff_x = diff_y / n
//   max, min   diff_x = diff_y / k where x = y, else 0; k elements are equal to y (torch.amax)
//   l2     diff_x = diff_y x / y, 0 where y = 0; y = sqrt(sum x^2)
#pragma once

#include <ia_nn/train/gradient.hpp>

#include <ia_nn/begin.hpp>

enum class reduction_function : unsigned char { sum, mean, max, min, l2 };

/// One `run`. src and dst, the result of the forward pass, may be null for sum and mean.
struct reduction_backward_call {
  index_t outer = 0;
  f32 const* src = nullptr;      ///< [outer][n][inner]
  f32 const* dst = nullptr;      ///< [outer][inner]
  f32 const* diff_dst = nullptr; ///< [outer][inner]
  gradient diff_src{};           ///< [outer][n][inner]; may be src
};

/// inner is 1 for the last axis. Errors at construction: errc::bad_shape for n or inner below 1,
/// errc::unsupported_isa.
template <isa::tag I> class reduction_backward {
  using V = vec<f32, I>;

public:
  explicit reduction_backward(reduction_function f, index_t n, index_t inner = 1)
      : f_(f), n_(n), inner_(inner) {
    isa::require<typename detail::vec_tag<I>::type>();
    detail::check_positive("reduction_backward", "n", n);
    detail::check_positive("reduction_backward", "inner", inner);
  }

  template <executor E = sequential>
  void run(reduction_backward_call const& c, E&& e = {}) const noexcept {
    if (!c.diff_src) return;
    bool const reads = f_ != reduction_function::sum && f_ != reduction_function::mean;
    IA_NN_ASSERT(c.outer <= 0 || (c.diff_dst && (!reads || (c.src && c.dst))),
                 "reduction_backward: an array is null");
    if (inner_ == 1) {
      parallel_blocks(e, c.outer, ceil_div(4096, n_), [&](index_t begin, index_t end, int) {
        for (index_t o = begin; o < end; ++o) {
          V const y = V::broadcast(reads ? c.dst[o] : 0.0F), g = V::broadcast(c.diff_dst[o]);
          f32 const* const x = reads ? c.src + o * n_ : nullptr;
          V equal = V::zero();
          if (has_ties())
            detail::each_register<V>(0, n_, [&](index_t i, auto at) IA_NN_LAMBDA {
              equal = equal + at.keep(ties(at.template load<V>(x + i), y), V::zero());
            });
          V const share = share_of(g, y, V::broadcast(lanes_of(equal)));
          detail::each_register<V>(0, n_, [&](index_t i, auto at) IA_NN_LAMBDA {
            V const v = reads ? at.template load<V>(x + i) : V::zero();
            detail::deliver(at, slope(v, y, share), c.diff_src, o * n_ + i);
          });
        }
      });
      return;
    }
    constexpr index_t width = V::size;
    index_t const groups = ceil_div(inner_, width);
    parallel_blocks(
        e, c.outer * groups, ceil_div(4096, n_ * width), [&](index_t begin, index_t end, int) {
          for (index_t k = begin; k < end; ++k) {
            index_t const o = k / groups, first = k % groups * width;
            index_t const to = o * inner_ + first, from = o * n_ * inner_ + first;
            detail::each_register<V>(
                0, min_of(width, inner_ - first), [&](index_t, auto at) IA_NN_LAMBDA {
                  V const y = reads ? at.template load<V>(c.dst + to) : V::zero();
                  V equal = V::zero();
                  if (has_ties())
                    for (index_t i = 0; i < n_; ++i)
                      equal = equal + ties(at.template load<V>(c.src + from + i * inner_), y);
                  V const share = share_of(at.template load<V>(c.diff_dst + to), y, equal);
                  for (index_t i = 0; i < n_; ++i) {
                    V const v = reads ? at.template load<V>(c.src + from + i * inner_) : V::zero();
                    detail::deliver(at, slope(v, y, share), c.diff_src, from + i * inner_);
                  }
                });
          }
        });
  }

private:
  bool has_ties() const noexcept {
    return f_ == reduction_function::max || f_ == reduction_function::min;
  }
  static IA_NN_INLINE V ties(V x, V y) noexcept {
    return select(x == y, V::broadcast(1.0F), V::zero());
  }
  static IA_NN_INLINE f32 lanes_of(V v) noexcept { return sum(v); }
  IA_NN_INLINE V share_of(V g, V y, V equal) const noexcept {
    switch (f_) {
    case reduction_function::mean:
      return g / V::broadcast(static_cast<f32>(n_));
    case reduction_function::max:
    case reduction_function::min:
      return g / equal;
    case reduction_function::l2:
      return select(y == V::zero(), V::zero(), g / y);
    case reduction_function::sum:
      break;
    }
    return g;
  }
  IA_NN_INLINE V slope(V x, V y, V share) const noexcept {
    if (has_ties()) return select(x == y, share, V::zero());
    return f_ == reduction_function::l2 ? x * share : share;
  }

  reduction_function f_;
  index_t n_, inner_;
};

IA_NN_END
