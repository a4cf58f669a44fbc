// SPDX-License-Identifier: Apache-2.0
//
// What the tests of forward operators share.
#pragma once

#include "../gemm/throws.hpp"
#include "../isa.hpp"
#include "../random.hpp"

#include <ia_nn/core/executor.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace ia_nn_test {

/// Runs tasks in the calling thread, last first, and pretends to have several workers.
struct last_task_first {
  int workers = 1;
  int concurrency() const noexcept { return workers; }
  template <ia_nn::task_function F> void parallel_for(index_t n, F&& f) const noexcept {
    for (index_t t = n; t-- > 0;) f(t, static_cast<int>(t % workers));
  }
};

/// One unit of f32's last place, relative.
inline constexpr double f32_eps = 0x1p-24;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// True if run(dst, ld) writes rows of `width` elements, as many as `rows` has and the same bits,
/// ld elements apart, and nothing between them.
template <class Run>
bool same_in_slice(exact_buffer<ia_nn::f32> const& rows, index_t width, Run&& run) {
  index_t const ld = width + 3, count = rows.size() / width;
  exact_buffer<ia_nn::f32> dst((count - 1) * ld + width);
  for (ia_nn::f32& x : dst) x = 7;
  run(dst.data(), ld);
  bool same = true;
  for (index_t i = 0; i < dst.size(); ++i) {
    ia_nn::f32 const want = i % ld < width ? rows[i / ld * width + i % ld] : 7.0F;
    same = same && std::memcmp(&dst[i], &want, sizeof want) == 0;
  }
  return same;
}

/// "" if got[i] is within bound(i) of expected(i) for all i < n: infinities are equal, NaN is where
/// NaN is expected; else the worst element.
template <class Got, class Expected, class Bound>
std::string deviation(index_t n, Got const* got, Expected&& expected, Bound&& bound) {
  double worst = 1;
  std::string text;
  for (index_t i = 0; i < n; ++i) {
    double const g = static_cast<double>(got[i]), e = expected(i);
    if (g == e || (std::isnan(g) && std::isnan(e))) continue;
    double const off = std::abs(g - e) / bound(i);
    if (std::isfinite(off) && off <= worst) continue;
    worst = std::isfinite(off) ? off : HUGE_VAL;
    text = "element " + std::to_string(i) + " is " + std::to_string(g) + ", expected " +
           std::to_string(e) + ", " + std::to_string(worst) + " times the bound";
  }
  return text;
}

} // namespace ia_nn_test
