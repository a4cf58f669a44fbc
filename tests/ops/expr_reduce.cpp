// SPDX-License-Identifier: Apache-2.0
#include "expr_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>

#include <cmath>
#include <limits>

namespace ia_nn_test {

namespace {

// Of the sum of magnitudes, for a sum of any length: see reduce_kernel.hpp.
constexpr double sum_bound = 76 * 0x1p-24;

// Small integers: sums are exact in any order. `Keep` says whether y has the reduced dimensions.
template <class I, class D, class S, bool Keep, int... Axes> void reduces(random& r) {
  constexpr std::size_t rank = 3;
  constexpr int count = static_cast<int>(sizeof...(Axes));
  std::array<index_t, rank> const full{some_extent(r), some_extent(r), some_extent(r)};
  bool const plain = r.coin();
  operand<S, rank> x(full, r, plain);
  operand<f32, 2> b(stretched<2>(full, r), r, plain);
  bool reduced[rank] = {};
  for (int axis : {Axes...}) reduced[axis < 0 ? axis + 3 : axis] = true;
  constexpr std::size_t y_rank = Keep ? rank : rank - static_cast<std::size_t>(count);
  std::array<index_t, y_rank> extent{};
  std::size_t next = 0;
  for (std::size_t d = 0; d < rank; ++d)
    if (Keep || !reduced[d]) extent[next++] = reduced[d] ? 1 : full[d];
  operand<D, y_rank> y(extent, r, plain);
  auto const place = [&](std::array<index_t, rank> const& i) {
    std::array<index_t, y_rank> p{};
    std::size_t at = 0;
    for (std::size_t d = 0; d < rank; ++d)
      if (Keep || !reduced[d]) p[at++] = reduced[d] ? 0 : i[d];
    return static_cast<std::size_t>(y.offset(p));
  };
  std::size_t const cells = static_cast<std::size_t>(y.buffer().size());
  std::vector<double> sums(cells), highest(cells, -1e30), lowest(cells, 1e30), number(cells);
  for_each_index(full, [&](auto const& i) {
    double const v = x.at(i) * b.at(i) + 1;
    std::size_t const p = place(i);
    sums[p] += v;
    number[p] += 1;
    highest[p] = std::max(highest[p], v);
    lowest[p] = std::min(lowest[p], v);
  });
  INFO("extents " << full[0] << " " << full[1] << " " << full[2] << (plain ? " plain" : ""));
  auto const check = [&](std::vector<double> const& expected) {
    bool good = true;
    for_each_index(extent, [&](auto const& i) {
      std::size_t const p = static_cast<std::size_t>(y.offset(i));
      good = good && y.at(i) == std::nearbyint(stored_as<D>(expected[p]));
    });
    CHECK(good);
  };
  backwards three{3};
  eval<I>(y.view(), sum(x.view() * b.view() + 1, axes<Axes...>), three);
  check(sums);
  eval<I>(y.view(), max(x.view() * b.view() + 1, axes<Axes...>));
  check(highest);
  eval<I>(y.view(), min(x.view() * b.view() + 1, axes<Axes...>), three);
  check(lowest);
  if constexpr (std::same_as<D, f32>) {
    eval<I>(y.view(), mean(x.view() * b.view() + 1, axes<Axes...>));
    bool good = true;
    for_each_index(extent, [&](auto const& i) {
      std::size_t const p = static_cast<std::size_t>(y.offset(i));
      good = good && y.at(i) == static_cast<double>(static_cast<f32>(sums[p] / number[p]));
    });
    CHECK(good);
  }
}

} // namespace

TEST_CASE("reductions along axes of any layout", "[expr]") {
  random r(11);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (int repeat = 0; repeat < 20; ++repeat) {
      reduces<I, f32, f32, true, 0>(r);
      reduces<I, f32, s8, false, 1>(r);
      reduces<I, s32, f32, false, -1>(r);
      reduces<I, f32, bf16, true, 0, 2>(r);
      reduces<I, f32, f32, false, 0, 1>(r);
      reduces<I, s8, f32, true, 1, 2>(r);
      reduces<I, f32, f32, true, 0, 1, 2>(r);
    }
  });
}

TEST_CASE("reductions over everything", "[expr]") {
  random r(12);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t n : {1, 2, 7, 8, 15, 16, 17, 63, 64, 65, 255, 257, 8191, 16384, 50001}) {
      exact_buffer<f32> x(n, 1), z(n);
      r.fill(x.data(), n);
      r.fill(z.data(), n);
      using view = tensor_view<f32, shape<dyn>>;
      view const a(x.data(), shape<dyn>{n}), b(z.data(), shape<dyn>{n});
      double exact = 0, size = 0, product = 0, products = 0;
      f32 highest = x[0], lowest = x[0];
      for (index_t i = 0; i < n; ++i) {
        exact += static_cast<double>(x[i]);
        size += std::fabs(static_cast<double>(x[i]));
        product += static_cast<double>(x[i]) * static_cast<double>(z[i]);
        products += std::fabs(static_cast<double>(x[i]) * static_cast<double>(z[i]));
        highest = std::max(highest, x[i]);
        lowest = std::min(lowest, x[i]);
      }
      INFO("n " << n);
      CHECK(std::fabs(static_cast<double>(sum<I>(a)) - exact) <= sum_bound * size);
      CHECK(std::fabs(static_cast<double>(mean<I>(a)) * static_cast<double>(n) - exact) <=
            sum_bound * size);
      CHECK(std::fabs(static_cast<double>(dot_product<I>(a, b)) - product) <= sum_bound * products);
      CHECK(max<I>(a) == highest);
      CHECK(min<I>(a) == lowest);
      CHECK(max<I>(-a) == -lowest);
      // Lanes behind the end would add e^0-like values.
      CHECK(sum<I>(a * 0 + 1) == static_cast<f32>(n));
      CHECK(max<I>(a * 0 - 1) == -1.0F);
    }
  });
}

TEST_CASE("reductions have the same bits for any number of threads", "[expr]") {
  random r(13);
  tensor<f32, shape<dyn, dyn>> x(shape(211, 1013)), y(shape(211, 1)), z(shape(1, 1013)),
      y2(shape(211, 1)), z2(shape(1, 1013));
  r.fill(x.data(), x.size());
  thread_pool pool(3);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    f32 const all = sum<I>(x * x);
    eval<I>(y, mean(x, axes<1>));
    eval<I>(z, sum(x, axes<0>));
    auto const again = [&](auto& executor) {
      CHECK(sum<I>(x * x, executor) == all);
      eval<I>(y2, mean(x, axes<1>), executor);
      eval<I>(z2, sum(x, axes<0>), executor);
      CHECK(std::memcmp(y.data(), y2.data(), 211 * sizeof(f32)) == 0);
      CHECK(std::memcmp(z.data(), z2.data(), 1013 * sizeof(f32)) == 0);
    };
    for (int workers : {1, 2, 3, 8}) {
      backwards several{workers};
      again(several);
    }
    again(pool);
  });
}

TEST_CASE("long sums do not lose their small terms", "[expr]") {
  // A running f32 sum of ones stops at 2^24. Rows of equal numbers drift: their roundings have the
  // same sign.
  constexpr index_t n = 20'000'000;
  tensor<s8, shape<dyn>> ones(shape<dyn>{n});
  for (index_t i = 0; i < n; ++i) ones(i) = 1;
  CHECK(sum(ones) == static_cast<f32>(n));
  f32 const third = 1.0F / 3, inf = std::numeric_limits<f32>::infinity();
  exact_buffer<f32> memory(600'000);
  std::fill(memory.begin(), memory.end(), third);
  double const one = static_cast<double>(third);
  auto const close = [&](f32 got, index_t terms, double term) {
    double const exact = static_cast<double>(terms) * term;
    CHECK(std::fabs(static_cast<double>(got) - exact) <= sum_bound * exact);
  };
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    // Along, across and over everything, in long runs and in short ones, with steps and without.
    using view = tensor_view<f32, shape<dyn, dyn>, strided>;
    auto const check = [&](index_t rows, index_t width, index_t row, index_t column) {
      INFO("rows of " << width << ", steps " << row << " and " << column);
      shape<dyn, dyn> const extents(rows, width);
      view const x(memory.data(), typename view::mapping_type(extents, row, column));
      tensor<f32, shape<dyn>> along(shape<dyn>{rows}), across(shape<dyn>{width});
      eval<I>(along, mean(x, axes<1>));
      eval<I>(across, sum(x, axes<0>));
      close(along(rows / 2), 1, one), close(across(width / 2), rows, one);
      close(sum<I>(x), rows * width, one);
    };
    for (index_t const width : {1, 3, 35, 600, 30'000, 600'000}) {
      check(600'000 / width, width, width, 1);
      check(width, 600'000 / width, 1, width);
      if (width < 100) check(500'000 / (width + 2), width, width + 2, 1);
    }
    tensor_view<f32, shape<dyn>> const all(memory.data(), shape<dyn>{600'000});
    for (index_t const terms : {255, 256, 257, 1023, 2048, 2049, 4096, 4097, 600'000}) {
      tensor_view<f32, shape<dyn>> const some(memory.data(), shape<dyn>{terms});
      close(dot_product<I>(some, some), terms, one * one);
    }
    // What is not finite goes through: the rests of a sum do not make a NaN of it.
    memory[5] = inf;
    CHECK(sum<I>(all) == inf);
    memory[599'998] = -inf;
    CHECK(std::isnan(sum<I>(all)));
    memory[5] = memory[599'998] = third;
  });
}

TEST_CASE("a NaN anywhere is the extreme", "[expr]") {
  constexpr f32 nan = std::numeric_limits<f32>::quiet_NaN();
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t at : {0, 5, 16, 40, 63, 64, 129}) {
      tensor<f32, shape<2, 130>> x;
      tensor<f32, shape<2>> y;
      tensor<f32, shape<130>> z;
      x = x + 1;
      x(1, at) = nan;
      CHECK(std::isnan(max<I>(x)));
      CHECK(std::isnan(min<I>(x)));
      CHECK(std::isnan(sum<I>(x)));
      eval<I>(y, max(x, axes<1>));
      CHECK(y(0) == 1.0F);
      CHECK(std::isnan(y(1)));
      eval<I>(z, min(x, axes<0>));
      for (index_t i = 0; i < 130; ++i) CHECK(std::isnan(z(i)) == (i == at));
    }
  });
}

TEST_CASE("reductions of nothing and bad destinations", "[expr]") {
  tensor<f32, shape<dyn, dyn>> none(shape(0, 3)), y(shape(1, 3)), wrong(shape(1, 4));
  CHECK(sum(none) == 0.0F);
  CHECK(max(none) == -std::numeric_limits<f32>::infinity());
  CHECK(min(none) == std::numeric_limits<f32>::infinity());
  CHECK(std::isnan(mean(none)));
  y = y + 5;
  y = sum(none, axes<0>);
  CHECK(y(0, 2) == 0.0F);
  y = max(none, axes<0>);
  CHECK(y(0, 1) == -std::numeric_limits<f32>::infinity());
  auto const code_of = [](auto f) {
    try {
      f();
    } catch (error const& e) {
      return static_cast<int>(e.code());
    }
    return -1;
  };
  tensor<f32, shape<dyn, dyn>> x(shape(4, 3)), other(shape(4, 2));
  CHECK(code_of([&] { wrong = sum(x, axes<0>); }) == static_cast<int>(errc::bad_shape));
  CHECK(code_of([&] { y = sum(x + other, axes<0>); }) == static_cast<int>(errc::bad_shape));
  CHECK(code_of([&] { static_cast<void>(sum(x + other)); }) == static_cast<int>(errc::bad_shape));
  CHECK(code_of([&] { matrix(x.data(), 1, 3) = sum(x, axes<0>); }) ==
        static_cast<int>(errc::overlap));
  tensor_view<f32 const, shape<2, 2>> null;
  CHECK(code_of([&] { static_cast<void>(sum(null)); }) == static_cast<int>(errc::bad_pointer));
  auto const before = y(0, 0);
  y = with<isa::scalar>(sum(x, axes<-2>));
  CHECK(y(0, 0) == 0.0F);
  CHECK(before != 0.0F);
}

} // namespace ia_nn_test
