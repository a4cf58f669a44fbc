// SPDX-License-Identifier: Apache-2.0
//
// Gradients kept within bounds before a step.
//
//   gradient_norm          sqrt(sum of all squares), in double
//   clip_gradient_norm     g *= min(1, most / (norm + 1e-6))      torch.nn.utils.clip_grad_norm_
//   clip_gradient_values   g = clamp(g, -most, most)              torch.nn.utils.clip_grad_value_
//
// Each gradient is cut into parts whose number depends on its size alone; their sums are added in their
// order: the bits do not depend on the number of workers. A part whose squares leave f32 is added in
// double.
#pragma once

#include <ia_nn/math/row_sums.hpp>
#include <ia_nn/train/parameters.hpp>
#include <ia_nn/train/table_rows.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

template <isa::tag I> double sum_of_squares(f32 const* x, index_t n) noexcept {
  using V = vec<f32, I>;
  double sum[1];
  sum_row<V, 1>(
      n,
      [&](index_t i, auto at, V(&s)[1]) IA_NN_LAMBDA {
        V const v = at.template load<V>(x + i);
        s[0] = fma(v, v, s[0]);
      },
      sum);
  // Squares below 2^-126 lose digits or vanish: n of them matter where the sum is as small.
  if (IA_NN_LIKELY(sum[0] < 0x1p126 && sum[0] >= static_cast<double>(n) * 0x1p-100)) return sum[0];
  double wide = 0;
  for (index_t i = 0; i < n; ++i) wide += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return wide;
}

/// g = f(g) for each gradient; of parameter k, if tables[k] is not null, for the rows that it lists. No tables: all.
template <isa::tag I, executor E, class F>
void each_gradient(parameter_list const& list, std::span<table_rows const* const> tables, E& e, F const& f) noexcept {
  using V = vec<f32, I>;
  auto const map = [&](f32* g, index_t n, auto& by) {
    each_register_parallel<I>(by, n, [&](index_t i, auto at) IA_NN_LAMBDA {
      at.store(f(at.template load<V>(g + i)), g + i);
    });
  };
  std::size_t k = 0;
  for (parameter const& p : list) {
    table_rows const* const rows = k < tables.size() ? tables[k] : nullptr;
    ++k;
    if (!rows) {
      map(p.gradient.data(), std::ssize(p.gradient), e);
      continue;
    }
    rows->each(e, [&](index_t row) {
      sequential own;
      map(p.gradient.data() + row * rows->width(), rows->width(), own);
    });
  }
}

} // namespace detail

/// Of all gradients of the list together.
template <isa::tag I, executor E = sequential>
double gradient_norm(parameter_list const& list, E&& e = {}) noexcept {
  constexpr int most = 256;
  double total = 0, part[most];
  for (parameter const& p : list) {
    auto const n = static_cast<index_t>(p.gradient.size());
    auto const parts = static_cast<int>(min_of(most, ceil_div(n, detail::elements_of_task)));
    e.parallel_for(parts, [&](index_t task, int) {
      block const own = block_of(n, parts, static_cast<int>(task), 16);
      part[task] = detail::sum_of_squares<I>(p.gradient.data() + own.begin, own.size());
    });
    for (int i = 0; i < parts; ++i) total += part[i];
  }
  return __builtin_sqrt(total);
}

/// Returns the norm that the gradients had. Where that is not finite they are of no use afterwards, 0
/// and NaN, as in PyTorch: the step is to be left out. `most` is a number that is not negative.
/// `tables`: as in `step` of an optimizer, gradients of rows that are not listed are 0.
template <isa::tag I, executor E = sequential>
double clip_gradient_norm(parameter_list const& list, std::span<table_rows const* const> tables, double most,
                          E&& e = {}) noexcept {
  using V = vec<f32, I>;
  IA_NN_ASSERT(most >= 0, "clip_gradient_norm: the bound is negative or not a number");
  double const norm = gradient_norm<I>(list, e), factor = most / (norm + 1e-6);
  if (factor >= 1) return norm;
  V const scale = V::broadcast(static_cast<f32>(factor));
  detail::each_gradient<I>(list, tables, e, [&](V g) IA_NN_LAMBDA { return g * scale; });
  return norm;
}
template <isa::tag I, executor E = sequential>
double clip_gradient_norm(parameter_list const& list, double most, E&& e = {}) noexcept {
  return clip_gradient_norm<I>(list, {}, most, e);
}

/// A NaN stays one. `most` is a number that is not negative.
template <isa::tag I, executor E = sequential>
void clip_gradient_values(parameter_list const& list, std::span<table_rows const* const> tables, f32 most,
                          E&& e = {}) noexcept {
  using V = vec<f32, I>;
  IA_NN_ASSERT(most >= 0, "clip_gradient_values: the bound is negative or not a number");
  V const high = V::broadcast(most), low = V::broadcast(-most);
  detail::each_gradient<I>(list, tables, e, [&](V g) IA_NN_LAMBDA { return min(high, max(low, g)); });
}
template <isa::tag I, executor E = sequential>
void clip_gradient_values(parameter_list const& list, f32 most, E&& e = {}) noexcept {
  clip_gradient_values<I>(list, {}, most, e);
}

IA_NN_END
