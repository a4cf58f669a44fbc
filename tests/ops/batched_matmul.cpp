// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/batched_matmul.hpp>

namespace ia_nn_test {

namespace {

using ia_nn::batched_matmul;
using ia_nn::batched_matmul_shape;
using list = std::vector<index_t>;

/// The oracle: coordinates of each element of the result, in double.
struct expected_products {
  list shape; ///< of c
  std::vector<double> sums, norms;

  template <class E>
  expected_products(list const& a, list const& b, bool ta, bool tb, E const* x, E const* y) {
    std::size_t const rank = std::max(a.size(), b.size());
    auto const of = [&](list const& e, std::size_t d) {
      return d + e.size() < rank ? index_t{1} : e[d + e.size() - rank];
    };
    for (std::size_t d = 0; d + 2 < rank; ++d) shape.push_back(std::max(of(a, d), of(b, d)));
    index_t const m = a[a.size() - (ta ? 1 : 2)], k = a[a.size() - (ta ? 2 : 1)],
                  n = b[b.size() - (tb ? 2 : 1)];
    shape.push_back(m), shape.push_back(n);
    index_t items = 1;
    for (std::size_t d = 0; d + 2 < rank; ++d) items *= shape[d];
    for (index_t i = 0; i < items; ++i) {
      index_t ia = 0, ib = 0, size_a = m * k, size_b = k * n, rest = i;
      for (std::size_t d = rank - 2; d-- > 0;) {
        index_t const c = rest % shape[d];
        rest /= shape[d];
        if (of(a, d) > 1) ia += c * size_a;
        if (of(b, d) > 1) ib += c * size_b;
        size_a *= of(a, d), size_b *= of(b, d);
      }
      for (index_t r = 0; r < m; ++r)
        for (index_t c = 0; c < n; ++c) {
          double sum = 0, norm = 0;
          for (index_t q = 0; q < k; ++q) {
            double const p = static_cast<double>(static_cast<f32>(x[ia + (ta ? q * m + r : r * k + q)])) *
                             static_cast<double>(static_cast<f32>(y[ib + (tb ? c * k + q : q * n + c)]));
            sum += p, norm += std::abs(p);
          }
          sums.push_back(sum), norms.push_back(norm);
        }
    }
  }
};

index_t size_of(list const& e) {
  index_t n = 1;
  for (index_t const x : e) n *= x;
  return n;
}

template <class E, class C, class I> void check_one(list a, list b, bool ta, bool tb, random& r, I) {
  if (ta) std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (tb) std::swap(b[b.size() - 1], b[b.size() - 2]);
  exact_buffer<E> x(size_of(a), 1), y(size_of(b), 3);
  r.fill(x.data(), x.size()), r.fill(y.data(), y.size());
  expected_products const right(a, b, ta, tb, x.data(), y.data());
  index_t const k = a[a.size() - (ta ? 2 : 1)], size = static_cast<index_t>(right.sums.size());
  // Of a chain of k roundings, and of the result.
  double const eps = static_cast<double>(k + 1) * f32_eps, last = std::same_as<C, bf16> ? 0x1p-8 : 0;
  auto const bound = [&](index_t i) {
    return eps * right.norms[at(i)] + last * std::abs(right.sums[at(i)]) + 1e-37;
  };
  exact_buffer<C> first(size);
  for (int const workers : {1, 2, 3}) {
    batched_matmul<I, E, C> const plan({.a = a, .b = b, .transposed_a = ta, .transposed_b = tb}, workers);
    REQUIRE(plan.c_size() == size);
    ia_nn::workspace scratch(plan.workspace_bytes());
    exact_buffer<C> c(size);
    plan.check(x.data(), y.data(), c.data(), scratch);
    plan.run(x.data(), y.data(), c.data(), scratch, last_task_first{workers});
    if (workers == 1) {
      std::copy(c.begin(), c.end(), first.begin());
      std::vector<f32> wide(c.begin(), c.end());
      CHECK(deviation(size, wide.data(), [&](index_t i) { return right.sums[at(i)]; }, bound) == "");
    }
    CHECK(std::memcmp(first.data(), c.data(), at(size) * sizeof(C)) == 0);
  }
}

} // namespace

TEST_CASE("batched_matmul: axes, transposed operands, sizes around tiles") {
  random r(301);
  struct {
    list a, b;
  } const cases[] = {{{5, 7}, {7, 3}},
                     {{3, 5, 7}, {3, 7, 17}},
                     {{2, 3, 14, 8}, {2, 1, 8, 33}},
                     {{2, 1, 4, 9}, {1, 3, 9, 16}},
                     {{3, 13, 40}, {40, 65}},
                     {{6, 4}, {2, 2, 4, 5}},
                     {{4, 1, 64}, {4, 64, 31}},
                     {{2, 15, 33}, {1, 33, 1}},
                     {{2, 1, 3, 1, 4}, {1, 5, 1, 4, 2}}};
  auto const each = [&](auto const& check) {
    for (auto const& c : cases)
      for (int const t : {0, 1, 2, 3}) {
        INFO("case " << &c - cases << ", transposed " << t);
        check(c.a, c.b, (t & 1) != 0, (t & 2) != 0);
      }
  };
  for_each_isa<vector_isas>([&](auto tag) {
    each([&](list const& a, list const& b, bool ta, bool tb) { check_one<f32, f32>(a, b, ta, tb, r, tag); });
  });
  for_each_isa<tiles_and_native>([&](auto tag) { // the rest: tests/graph
    each([&](list const& a, list const& b, bool ta, bool tb) { check_one<bf16, bf16>(a, b, ta, tb, r, tag); });
  });
}

TEST_CASE("batched_matmul: fewer items than planned, rows apart, any executor") {
  random r(302);
  index_t const batch = 5, m = 6, k = 10, n = 9, ldc = 11;
  list const a{batch, 2, m, k}, b{batch, 1, k, n};
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    exact_buffer<f32> x(3 * 2 * m * k), y(3 * k * n), all(3 * 2 * m * n), c((3 * 2 * m - 1) * ldc + n);
    r.fill(x.data(), x.size()), r.fill(y.data(), y.size());
    list const three{3, 2, m, k}, three_b{3, 1, k, n};
    batched_matmul<I> const exact({.a = three, .b = three_b});
    ia_nn::workspace own(exact.workspace_bytes());
    exact.run(x.data(), y.data(), all.data(), own);
    for (int const threads : {1, 2, 3, 4}) {
      ia_nn::thread_pool pool(threads);
      batched_matmul<I> const plan({.a = a, .b = b}, 3);
      ia_nn::workspace scratch(plan.workspace_bytes());
      std::fill(c.begin(), c.end(), 7.0F);
      plan.run(3, x.data(), y.data(), c.data(), ldc, scratch, pool);
      bool same = true;
      for (index_t i = 0; i < c.size(); ++i)
        same = same && c[i] == (i % ldc < n ? all[i / ldc * n + i % ldc] : 7.0F);
      CHECK(same);
      plan.run(0, x.data(), y.data(), c.data(), ldc, scratch, pool);
    }
  });
}

TEST_CASE("batched_matmul: errors") {
  using plan = batched_matmul<ia_nn::isa::native>;
  auto const make = [](list const& a, list const& b) { plan({.a = a, .b = b}); };
  REQUIRE_ERROR([&] { make({4, 5}, {6, 3}); }, ia_nn::errc::bad_shape,
                "batched_matmul: inner extents differ: a (4, 5), b (6, 3)");
  REQUIRE_ERROR([&] { make({2, 4, 5}, {3, 5, 3}); }, ia_nn::errc::bad_shape, "leading extents differ");
  REQUIRE_ERROR([&] { make({5}, {5, 3}); }, ia_nn::errc::bad_shape, "operands have 2 to 8 axes");
  REQUIRE_ERROR([&] { make({2, 0}, {0, 3}); }, ia_nn::errc::bad_shape, "extents below 1");
  list const a{2, 2};
  auto const without_workers = [&] { plan({.a = a, .b = a}, 0); };
  REQUIRE_ERROR(without_workers, ia_nn::errc::bad_parameter, "workers is 0");
  plan const p({.a = a, .b = a});
  std::vector<f32> x(8);
  ia_nn::workspace scratch(p.workspace_bytes());
  REQUIRE_ERROR([&] { p.check(x.data(), x.data() + 4, x.data() + 2, scratch); }, ia_nn::errc::overlap,
                "the destination overlaps an operand");
  REQUIRE_ERROR([&] { p.check(nullptr, x.data(), x.data(), scratch); }, ia_nn::errc::bad_pointer, "null");
}

} // namespace ia_nn_test
