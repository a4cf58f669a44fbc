// SPDX-License-Identifier: Apache-2.0
//
// Running sums along one axis of [outer][n][inner].
//
//   y[i] = x[0] + ... + x[i]       exclusive: without x[i], 0 at first       reverse: from the end
//
// Sums are kept without what is rounded away (math/long_sum.hpp; of rows in double): a result is off by at
// most 2 * 2^-24 of itself and n 2^-46 of the magnitudes that were added. Vectors lie across rows.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/math/long_sum.hpp>

#include <ia_nn/begin.hpp>

struct cumulative_sum_options {
  bool exclusive = false, reverse = false;
};

/// f32. Errors at construction: errc::bad_shape (n or inner below 1), errc::unsupported_isa.
template <isa::tag I> class cumulative_sum {
  using V = vec<f32, I>;

public:
  explicit cumulative_sum(index_t n, index_t inner = 1, cumulative_sum_options const& o = {})
      : n_(n), inner_(inner), options_(o) {
    isa::require<typename detail::vec_tag<I>::type>();
    if (n < 1 || inner < 1)
      throw_error(errc::bad_shape, "cumulative_sum: rows of " + std::to_string(n) + " elements, " +
                                       std::to_string(inner) + " side by side");
  }

  index_t n() const noexcept { return n_; }
  /// src, dst [outer][n][inner]; dst may be src.
  template <executor E = sequential>
  void run(index_t outer, f32 const* src, f32* dst, E&& e = {}) const noexcept {
    index_t const step = options_.reverse ? -inner_ : inner_, start = options_.reverse ? (n_ - 1) * inner_ : 0;
    if (inner_ == 1) {
      parallel_blocks(e, outer, ceil_div(4096, n_), [&](index_t begin, index_t end, int) {
        for (index_t r = begin; r < end; ++r) {
          f32 const* x = src + r * n_ + start;
          f32* y = dst + r * n_ + start;
          double sum = 0;
          for (index_t i = 0; i < n_; ++i, x += step, y += step) {
            double const next = sum + static_cast<double>(*x);
            *y = static_cast<f32>(options_.exclusive ? sum : next);
            sum = next;
          }
        }
      });
      return;
    }
    index_t const groups = ceil_div(inner_, V::size);
    parallel_blocks(e, outer * groups, ceil_div(4096, n_ * V::size), [&](index_t begin, index_t end, int) {
      for (index_t g = begin; g < end; ++g) {
        index_t const c = g % groups * V::size, first = g / groups * n_ * inner_ + start + c;
        index_t const count = min_of(V::size, inner_ - c);
        if (count == V::size) column(src + first, dst + first, step, detail::lanes<true>{count});
        else column(src + first, dst + first, step, detail::lanes<false>{count});
      }
    });
  }

private:
  template <bool Whole> void column(f32 const* x, f32* y, index_t step, detail::lanes<Whole> at) const noexcept {
    detail::long_sum<V> sum;
    for (index_t i = 0; i < n_; ++i, x += step, y += step) {
      V const before = sum.value();
      sum.add(at.template load<V>(x));
      at.store(options_.exclusive ? before : sum.value(), y);
    }
  }

  index_t n_, inner_;
  cumulative_sum_options options_;
};

IA_NN_END
