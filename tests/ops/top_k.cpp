// SPDX-License-Identifier: Apache-2.0
//
// The largest and smallest elements against a stable sort.
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/top_k.hpp>

#include <numeric>

namespace ia_nn_test {
namespace {

using ia_nn::arg_selection;
using ia_nn::arg_shape;
using ia_nn::top_k_selection;
using ia_nn::top_k_shape;

constexpr f32 inf = std::numeric_limits<f32>::infinity();
constexpr f32 nan_value = std::numeric_limits<f32>::quiet_NaN();

/// True if a comes before b: a NaN is above everything.
bool before(f32 a, f32 b, bool largest) {
  bool const above = std::isnan(a) ? !std::isnan(b) : a > b, below = std::isnan(b) ? !std::isnan(a) : a < b;
  return largest ? above : below;
}

// Few different numbers, so that many are equal; specials.
void fill(exact_buffer<f32>& x, random& r) {
  bool const few = r.coin();
  for (f32& v : x) v = few ? static_cast<f32>(r.between(-3, 3)) : r.normal();
  for (index_t i = 0; i < 3 && r.coin(); ++i) {
    f32 const special[] = {nan_value, inf, -inf, -0.0F, 0.0F, -nan_value};
    x[r.between(0, x.size() - 1)] = special[r.between(0, 5)];
  }
}

} // namespace

TEST_CASE("top_k: against a stable sort") {
  random r(421);
  for (int round = 0; round < 80; ++round) {
    index_t const lengths[] = {1, 2, 7, 15, 16, 17, 31, 33, 63, 64, 65, 130, 259, 1030};
    top_k_shape s{.n = lengths[round % 14], .inner = r.coin() ? 1 : r.between(2, 20)};
    s.k = r.coin() ? r.between(1, s.n) : std::min<index_t>(s.n, r.between(1, 5));
    s.largest = r.coin(), s.sorted = r.between(0, 3) > 0;
    index_t const outer = r.between(1, 3), size = outer * s.k * s.inner;
    exact_buffer<f32> src(outer * s.n * s.inner, 1);
    fill(src, r);
    std::vector<s32> want(at(size));
    for (index_t row = 0; row < outer * s.inner; ++row) {
      index_t const o = row / s.inner, i = row % s.inner;
      std::vector<index_t> order(at(s.n));
      std::iota(order.begin(), order.end(), 0);
      auto const x = [&](index_t j) { return src[(o * s.n + j) * s.inner + i]; };
      std::sort(order.begin(), order.end(), [&](index_t a, index_t b) {
        return before(x(a), x(b), s.largest) || (!before(x(b), x(a), s.largest) && a < b);
      });
      if (!s.sorted) std::sort(order.begin(), order.begin() + s.k);
      for (index_t j = 0; j < s.k; ++j) want[at((o * s.k + j) * s.inner + i)] = static_cast<s32>(order[at(j)]);
    }
    INFO("n " << s.n << " k " << s.k << " inner " << s.inner << " largest " << s.largest << " sorted " << s.sorted);
    for_each_isa<vector_isas>([&](auto tag) {
      top_k_selection<decltype(tag)> const layer(s, 2);
      ia_nn::workspace scratch(layer.workspace_bytes());
      exact_buffer<f32> values(size, 1);
      exact_buffer<s32> indices(size, 3);
      auto const right = [&] {
        bool good = std::equal(want.begin(), want.end(), indices.begin());
        for (index_t i = 0; i < size; ++i) {
          index_t const row = i / (s.k * s.inner) * s.n + want[at(i)];
          good = good && std::memcmp(&values[i], &src[row * s.inner + i % s.inner], 4) == 0;
        }
        return good;
      };
      layer.run(outer, src.data(), values.data(), indices.data(), scratch, last_task_first{2});
      CHECK(right());
      for (int const threads : {1, 2, 3}) {
        ia_nn::thread_pool pool(threads);
        std::fill(indices.begin(), indices.end(), -1);
        layer.run(outer, src.data(), values.data(), indices.data(), scratch, pool);
        CHECK(right());
      }
    });
  }
}

TEST_CASE("arg_max and arg_min: the first or last of equal ones") {
  random r(422);
  for (int round = 0; round < 120; ++round) {
    index_t const lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 130, 1030};
    arg_shape const s{.n = lengths[round % 14], .inner = r.coin() ? 1 : r.between(2, 20), .largest = r.coin(), .last = r.coin()};
    index_t const outer = r.between(1, 3), size = outer * s.inner;
    exact_buffer<f32> src(outer * s.n * s.inner, 1);
    fill(src, r);
    std::vector<s32> want(at(size));
    for (index_t row = 0; row < size; ++row) {
      auto const x = [&](index_t j) { return src[(row / s.inner * s.n + j) * s.inner + row % s.inner]; };
      index_t best = 0;
      for (index_t j = 1; j < s.n; ++j) {
        bool const both = std::isnan(x(j)) && std::isnan(x(best));
        // A NaN wins here and there.
        bool const wins = std::isnan(x(best)) ? false : std::isnan(x(j)) || (s.largest ? x(j) > x(best) : x(j) < x(best));
        if (wins || (s.last && (both || x(j) == x(best)))) best = j;
      }
      want[at(row)] = static_cast<s32>(best);
    }
    INFO("n " << s.n << " inner " << s.inner << " largest " << s.largest << " last " << s.last);
    for_each_isa<vector_isas>([&](auto tag) {
      arg_selection<decltype(tag)> const layer(s);
      exact_buffer<s32> got(size, 1);
      layer.run(outer, src.data(), got.data());
      CHECK(std::equal(want.begin(), want.end(), got.begin()));
      for (int const threads : {1, 2, 3}) {
        ia_nn::thread_pool pool(threads);
        std::fill(got.begin(), got.end(), -1);
        layer.run(outer, src.data(), got.data(), pool);
        CHECK(std::equal(want.begin(), want.end(), got.begin()));
      }
    });
  }
}

TEST_CASE("top_k: errors") {
  using ia_nn::errc;
  REQUIRE_ERROR([] { top_k_selection<ia_nn::isa::native>({.n = 0}); }, errc::bad_shape, "rows of 0");
  REQUIRE_ERROR([] { top_k_selection<ia_nn::isa::native>({.n = 3, .k = 4}); }, errc::bad_parameter, "4 of 3");
  REQUIRE_ERROR([] { arg_selection<ia_nn::isa::native>({.n = 2, .inner = 0}); }, errc::bad_shape, "0 side by side");
}

} // namespace ia_nn_test
