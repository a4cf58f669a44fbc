// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/cumulative_sum.hpp>
#include <ia_nn/ops/where.hpp>

namespace ia_nn_test {

namespace {

using ia_nn::cumulative_sum;
using ia_nn::comparison;
using ia_nn::where_call;
using ia_nn::where_operand;

bool holds(comparison is, f32 x, f32 n) {
  switch (is) {
  case comparison::not_equal: return x != n;
  case comparison::equal: return x == n;
  case comparison::less: return x < n;
  case comparison::less_equal: return x <= n;
  case comparison::greater: return x > n;
  case comparison::greater_equal: return x >= n;
  }
  return false;
}

void check_sums(index_t outer, index_t n, index_t inner, random& r) {
  INFO(outer << " x " << n << " x " << inner);
  index_t const size = outer * n * inner;
  exact_buffer<f32> x(size, 1);
  r.fill(x.data(), size);
  for (bool const exclusive : {false, true})
    for (bool const reverse : {false, true}) {
      std::vector<double> expected(at(size)), norms(at(size));
      for (index_t i = 0; i < size; ++i) {
        index_t const own = i / inner % n;
        for (index_t j = 0; j < n; ++j) {
          if (!((reverse ? j > own : j < own) || (j == own && !exclusive))) continue;
          double const v = static_cast<double>(x[i + (j - own) * inner]);
          expected[at(i)] += v, norms[at(i)] += std::abs(v);
        }
      }
      for_each_isa<vector_isas>([&](auto tag) {
        cumulative_sum<decltype(tag)> const layer(n, inner, {exclusive, reverse});
        exact_buffer<f32> y(size, 3), first(size);
        auto const right = [&] {
          CHECK(deviation(size, y.data(), [&](index_t i) { return expected[at(i)]; }, [&](index_t i) {
                  return 2 * f32_eps * std::abs(expected[at(i)]) + static_cast<double>(n) * 0x1p-46 * norms[at(i)];
                }) == "");
        };
        layer.run(outer, x.data(), y.data());
        right();
        std::copy(y.begin(), y.end(), first.begin());
        for (int const threads : {2, 3}) {
          ia_nn::thread_pool pool(threads);
          std::copy(x.begin(), x.end(), y.begin());
          layer.run(outer, y.data(), y.data(), pool); // in place
          CHECK(std::equal(y.begin(), y.end(), first.begin()));
        }
      });
    }
}

} // namespace

TEST_CASE("where: relations, operands that are repeated, NaN") {
  random r(341);
  index_t const items = 2, rows = 3;
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t const columns : {1, 7, 8, 16, 17, 35}) {
      index_t const size = items * rows * columns, ld = columns + 2;
      where_operand const places[] = {{nullptr, rows * columns, columns, 1}, {nullptr, columns, 0, 1}, {nullptr, rows, 1, 0}, {nullptr, 1, 0, 0}};
      index_t const sizes[] = {size, items * columns, items * rows, items};
      for (int k = 0; k < 4 * 4 * 4; ++k) {
        int const of[3] = {k % 4, k / 4 % 4, k / 16};
        exact_buffer<f32> x(sizes[of[0]]), a(sizes[of[1]]), b(sizes[of[2]]), y((items * rows - 1) * ld + columns);
        for (f32& v : x) v = static_cast<f32>(r.between(-1, 1)) / 2;
        x[0] = NAN;
        r.fill(a.data(), a.size()), r.fill(b.data(), b.size());
        auto const operand = [&](int i, exact_buffer<f32> const& p) {
          where_operand o = places[of[i]];
          o.data = p.data();
          return o;
        };
        where_operand const ox = operand(0, x), oa = operand(1, a), ob = operand(2, b);
        auto const element = [&](where_operand const& o, index_t i) {
          return o.data[i / columns / rows * o.item + i / columns % rows * o.row + i % columns * o.column];
        };
        for (comparison const is : {comparison::not_equal, comparison::equal, comparison::less, comparison::less_equal, comparison::greater, comparison::greater_equal}) {
          where_call const c{.items = items, .rows = rows, .columns = columns, .x = ox, .a = oa, .b = ob, .dst = y.data(), .dst_ld = ld, .is = is, .number = 0.5F};
          ia_nn::where<I>(c, last_task_first{3});
          bool right = true;
          for (index_t i = 0; i < size; ++i)
            right = right && y[i / columns * ld + i % columns] == element(holds(is, element(ox, i), 0.5F) ? oa : ob, i);
          REQUIRE(right);
        }
      }
    }
  });
}

TEST_CASE("cumulative_sum: along rows and across them") {
  random r(342);
  for (index_t const n : {1, 2, 7, 130})
    for (index_t const inner : {1, 2, 8, 15, 16, 17, 35}) check_sums(2, n, inner, r);
  check_sums(5, 3000, 1, r);
}

TEST_CASE("cumulative_sum: errors") {
  REQUIRE_ERROR([] { cumulative_sum<ia_nn::isa::native>(0); }, ia_nn::errc::bad_shape, "cumulative_sum: rows of 0 elements");
}

} // namespace ia_nn_test
