// SPDX-License-Identifier: Apache-2.0
#include "expr_support.hpp"

#include <cmath>
#include <limits>

namespace ia_nn_test {

namespace {

template <class I, class D, class A, class B, class C> void broadcasts(random& r) {
  std::array<index_t, 3> const full{some_extent(r), some_extent(r), some_extent(r)};
  bool const plain = r.coin();
  operand<D, 3> y(full, r, plain);
  operand<A, 3> a(plain ? full : stretched<3>(full, r), r, plain);
  operand<B, 2> b(stretched<2>(full, r), r, plain);
  operand<C, 1> c(stretched<1>(full, r), r, plain);
  backwards three{3};
  eval<I>(y.view(), a.view() * b.view() - c.view() + 1, three);
  INFO("extents " << full[0] << " " << full[1] << " " << full[2]);
  bool good = true;
  for_each_index(full, [&](auto const& i) {
    double const expected = stored_as<D>(a.at(i) * b.at(i) - c.at(i) + 1);
    good = good && y.at(i) == expected;
  });
  CHECK(good);
}

// Each length of a run, aligned and not: every pair of element types.
template <class I, class D, class S> void lengths(random& r) {
  constexpr index_t v = vec<f32, I>::size;
  for (index_t n = 0; n <= 9 * v + 1; n += n < 3 * v + 2 || v == 1 ? 1 : v - 1) {
    exact_buffer<S> x(n, r.between(0, 3));
    exact_buffer<D> y(n, r.between(0, 3));
    r.fill_extremes(x.data(), n);
    using view = tensor_view<D, shape<dyn>>;
    using source = tensor_view<S const, shape<dyn>>;
    eval<I>(view(y.data(), shape<dyn>(n)), source(x.data(), shape<dyn>(n)));
    bool good = true;
    for (index_t i = 0; i < n; ++i) {
      f32 const value = static_cast<f32>(x[i]);
      D expected;
      if constexpr (std::same_as<D, s32>) {
        bool const fits = value >= -2147483648.0F && value < 2147483648.0F;
        expected = fits ? static_cast<s32>(std::nearbyint(value)) : INT32_MIN;
      } else if constexpr (byte_element<D>) {
        double const bounded = std::isnan(value) ? -1000.0 : static_cast<double>(value);
        expected = static_cast<D>(std::nearbyint(stored_as<D>(bounded)));
      } else expected = D(value);
      good = good && std::memcmp(&expected, &y[i], sizeof(D)) == 0;
    }
    INFO("length " << n << ", " << name_of<S>() << " to " << name_of<D>());
    CHECK(good);
  }
}
} // namespace

TEST_CASE("expressions broadcast operands of any stride and type", "[expr]") {
  random r(1);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (int repeat = 0; repeat < 40; ++repeat) {
      broadcasts<I, f32, f32, bf16, s32>(r);
      broadcasts<I, bf16, s8, u8, f32>(r);
      broadcasts<I, s8, f32, f32, f32>(r);
      broadcasts<I, u8, bf16, s8, f32>(r);
      broadcasts<I, s32, f32, s32, u8>(r);
    }
  });
}

TEST_CASE("expressions end at the last element and convert as stores do", "[expr]") {
  random r(2);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    lengths<I, f32, f32>(r);
    lengths<I, f32, bf16>(r);
    lengths<I, f32, s8>(r);
    lengths<I, f32, u8>(r);
    lengths<I, f32, s32>(r);
    lengths<I, bf16, f32>(r);
    lengths<I, s8, f32>(r);
    lengths<I, u8, f32>(r);
    lengths<I, s32, f32>(r);
    lengths<I, s8, bf16>(r);
  });
}

TEST_CASE("a statement of tensors", "[expr]") {
  random r(3);
  for (index_t n : {1, 15, 16, 64, 257, 1000}) {
    tensor<f32, shape<dyn>> a(shape<dyn>{n}), b(shape<dyn>{n}), c(shape<dyn>{n}), y(shape<dyn>{n});
    r.fill(a.data(), n);
    r.fill(b.data(), n);
    r.fill(c.data(), n);
    y = map(ramp{}, a * b + c);
    bool good = true;
    for (index_t i = 0; i < n; ++i)
      good = good && y(i) == std::max(0.0F, std::fma(a(i), b(i), c(i)));
    CHECK(good);
    y = a - b * c;
    for (index_t i = 0; i < n; ++i) good = good && y(i) == std::fma(-b(i), c(i), a(i));
    y = a * b - c;
    for (index_t i = 0; i < n; ++i) good = good && y(i) == std::fma(a(i), b(i), -c(i));
    y.view() = a / (2 + b * b);
    for (index_t i = 0; i < n; ++i) good = good && y(i) == a(i) / std::fma(b(i), b(i), 2.0F);
    y = +a;
    y += b;
    y *= 3;
    y -= 0.5;
    y /= c;
    for (index_t i = 0; i < n; ++i) {
      f32 const volatile tripled =
          (a(i) + b(i)) * 3; // a statement of its own: no fma with the next
      good = good && y(i) == (tripled - 0.5F) / c(i);
    }
    CHECK(good);
    eval(y, 7);
    for (index_t i = 0; i < n; ++i) good = good && y(i) == 7.0F;
    CHECK(good);
  }
}

TEST_CASE("products meet sums in one rounding on every instruction set", "[expr]") {
  random r(4);
  constexpr index_t n = 301;
  tensor<f32, shape<n>> a, b, c, d, first, y;
  for (auto* t : {&a, &b, &c, &d}) r.fill(t->data(), n);
  bool any = false;
  auto const statement = [&] { return a * b + c * d - min(a, c) * b; };
  eval<isa::scalar>(first, statement());
  for_each_isa([&](auto tag) {
    eval<decltype(tag)>(y, statement());
    CHECK(std::memcmp(first.data(), y.data(), n * sizeof(f32)) == 0);
  });
  for (index_t i = 0; i < n; ++i) {
    f32 const sum = std::fma(a(i), b(i), c(i) * d(i));
    any = any || first(i) != std::fma(-std::min(a(i), c(i)), b(i), sum);
  }
  CHECK_FALSE(any);
}

TEST_CASE("conditions select and are numbers", "[expr]") {
  constexpr f32 nan = std::numeric_limits<f32>::quiet_NaN();
  f32 const values[] = {0, -0.0F, 1, -1, 2, nan, std::numeric_limits<f32>::infinity()};
  constexpr index_t n = 49;
  tensor<f32, shape<n>> a, b, y;
  tensor<u8, shape<n>> flag;
  for (index_t i = 0; i < n; ++i) a(i) = values[i / 7], b(i) = values[i % 7];
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const check = [&](auto const& condition, auto holds) {
      eval<I>(y, select(condition, 5, b * 0 + 3));
      eval<I>(flag, condition);
      bool good = true;
      for (index_t i = 0; i < n; ++i) {
        bool const h = holds(a(i), b(i));
        f32 const otherwise = std::fma(b(i), 0.0F, 3.0F);
        good = good && flag(i) == h && (h ? y(i) == 5 : y(i) == otherwise || std::isnan(otherwise));
        if (!h && std::isnan(otherwise)) good = good && std::isnan(y(i));
      }
      CHECK(good);
    };
    check(a < b, [](f32 p, f32 q) { return p < q; });
    check(a <= b, [](f32 p, f32 q) { return p <= q; });
    check(a > b, [](f32 p, f32 q) { return p > q; });
    check(a >= b, [](f32 p, f32 q) { return p >= q; });
    check(a == b, [](f32 p, f32 q) { return p == q; });
    check(a != b, [](f32 p, f32 q) { return p != q; });
    check(a < 1 && b > 0, [](f32 p, f32 q) { return p < 1 && q > 0; });
    check(a < 1 || !(b > 0), [](f32 p, f32 q) { return p < 1 || !(q > 0); });
    check(a && b, [](f32 p, f32 q) { return p != 0 && q != 0; });
    check(!a || b == 2, [](f32 p, f32 q) { return p == 0 || q == 2; });
  });
}

TEST_CASE("NaN and infinity pass through", "[expr]") {
  constexpr f32 nan = std::numeric_limits<f32>::quiet_NaN(),
                inf = std::numeric_limits<f32>::infinity();
  tensor<f32, shape<19>> a, b, y;
  for (index_t i = 0; i < 19; ++i) a(i) = i % 3 == 0 ? nan : 1, b(i) = i % 5 == 0 ? nan : inf;
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    auto const nan_where_any = [&] {
      for (index_t i = 0; i < 19; ++i)
        if (std::isnan(y(i)) != (i % 3 == 0 || i % 5 == 0)) return false;
      return true;
    };
    eval<I>(y, min(a, b));
    CHECK(nan_where_any());
    eval<I>(y, max(a, b));
    CHECK(nan_where_any());
    eval<I>(y, a + b);
    CHECK(nan_where_any());
    eval<I>(y, fma(a, b, 1));
    CHECK(nan_where_any());
    eval<I>(y, max(a, nan));
    CHECK(std::isnan(y(1)));
  });
}

TEST_CASE("layouts and static extents in one statement", "[expr]") {
  random r(5);
  tensor<f32, shape<2, 5, 3, 7>, nhwc> y, x;
  tensor<f32, shape<dyn, 5, dyn, 7>> n(shape<dyn, 5, dyn, 7>(2, 3));
  tensor<f32, shape<5, 1, 1>> channel;
  tensor<s8, shape<7, 1>, column_major> odd;
  tensor<f32, shape<>> one;
  r.fill(x.data(), x.size());
  r.fill(n.data(), n.size());
  r.fill(channel.data(), 5);
  one.data()[0] = 0.25F;
  y = x * channel + n * one;
  bool good = true;
  for_each_index(std::array<index_t, 4>{2, 5, 3, 7}, [&](auto i) {
    f32 const expected =
        std::fma(x(i[0], i[1], i[2], i[3]), channel(i[1], 0, 0), n(i[0], i[1], i[2], i[3]) * 0.25F);
    good = good && y(i[0], i[1], i[2], i[3]) == expected;
  });
  CHECK(good);
  tensor<f32, shape<3, 7>, column_major> t;
  tensor<f32, shape<7, 3>> u;
  r.fill(t.data(), 21);
  u = with<isa::scalar>(transposed(tensor_view<f32, shape<3, 7>>(t.data(), shape<3, 7>())) + odd);
  for (index_t i = 0; i < 7; ++i)
    for (index_t j = 0; j < 3; ++j) good = good && u(i, j) == t.data()[j * 7 + i];
  CHECK(good);
  tensor<f32, shape<>> scalar;
  scalar = one * 8;
  CHECK(scalar.data()[0] == 2.0F);
}

TEST_CASE("in place is allowed, a shifted overlap is not", "[expr]") {
  tensor<f32, shape<dyn>> whole(shape<dyn>{100});
  auto const part = [&](index_t from, index_t n) {
    return tensor_view<f32, shape<dyn>>(whole.data() + from, shape<dyn>{n});
  };
  for (index_t i = 0; i < 100; ++i) whole(i) = static_cast<f32>(i);
  whole = whole * 2 + whole;
  CHECK(whole(99) == 297.0F);
  auto const code_of = [](auto f) {
    try {
      f();
    } catch (error const& e) {
      return static_cast<int>(e.code());
    }
    return -1;
  };
  constexpr int overlap = static_cast<int>(errc::overlap);
  CHECK(code_of([&] { part(0, 50) = part(1, 50) + 0; }) == overlap);
  CHECK(code_of([&] { part(1, 50) = part(0, 50) + 0; }) == overlap);
  CHECK(code_of([&] { part(0, 50) = part(50, 50) + 0; }) == -1);
  CHECK(code_of([&] { part(0, 50) = part(49, 1) + 0; }) == overlap);
  CHECK(code_of([&] { part(0, 49) = part(49, 1) + 0; }) == -1);
  // Columns of one matrix: ranges interleave, elements do not.
  auto const columns = [&](index_t from, index_t n) {
    using map = strided::mapping<shape<dyn, dyn>>;
    return tensor_view<f32, shape<dyn, dyn>, strided>(whole.data() + from,
                                                      map(shape<dyn, dyn>(10, n), 10, 1));
  };
  CHECK(code_of([&] { columns(0, 5) = columns(5, 5) + 1; }) == -1);
  CHECK(code_of([&] { columns(0, 5) = columns(4, 5) + 1; }) == overlap);
  CHECK(code_of([&] { columns(0, 5) /= columns(5, 1); }) == -1);
  CHECK(code_of([&] { columns(0, 5) /= columns(4, 1); }) == overlap);
  CHECK(code_of([&] { columns(3, 5) /= columns(3, 5); }) == -1);
  // Another type over the same bytes, a transposition in place, a destination that repeats itself.
  tensor_view<s8, shape<dyn>> bytes(reinterpret_cast<s8*>(whole.data()), shape<dyn>{50});
  CHECK(code_of([&] { part(0, 50) = bytes + 0; }) == overlap);
  auto const square = matrix(whole.data(), 10, 10);
  CHECK(code_of([&] { eval(square, transposed(square)); }) == overlap);
  using map = strided::mapping<shape<dyn, dyn>>;
  tensor_view<f32, shape<dyn, dyn>, strided> again(whole.data(), map(shape<dyn, dyn>(3, 4), 0, 1));
  CHECK(code_of([&] { again = again + 1; }) == overlap);
  tensor_view<f32, shape<dyn, dyn>, strided> nested(whole.data(), map(shape<dyn, dyn>(3, 4), 2, 1));
  CHECK(code_of([&] { eval(nested, 1); }) == overlap);
}

TEST_CASE("the search for shared bytes agrees with trying them all", "[expr]") {
  random r(6);
  int shared = 0, apart = 0;
  for (int repeat = 0; repeat < 3000; ++repeat) {
    index_t const e0 = r.between(1, 4), e1 = r.between(1, 4);
    std::array<index_t, 2> s{r.between(1, 9), r.between(1, 9)}, t = s;
    if (r.coin()) t = {r.between(0, 9), r.between(0, 9)};
    f32 memory[128] = {};
    index_t const from = r.between(0, 40), to = r.between(0, 40);
    bool self = false, expected = false;
    std::array<int, 128> written{};
    for (index_t i = 0; i < e0; ++i)
      for (index_t j = 0; j < e1; ++j)
        self = self || written[static_cast<std::size_t>(to + i * s[0] + j * s[1])]++ > 0;
    for (index_t i = 0; i < e0; ++i)
      for (index_t j = 0; j < e1; ++j)
        expected = expected || written[static_cast<std::size_t>(from + i * t[0] + j * t[1])] > 0;
    bool const same = from == to && (e0 == 1 || s[0] == t[0]) && (e1 == 1 || s[1] == t[1]);
    if (self || same) continue;
    using map = strided::mapping<shape<dyn, dyn>>;
    shape<dyn, dyn> const e(e0, e1);
    tensor_view<f32, shape<dyn, dyn>, strided> y(memory + to, map(e, s[0], s[1]));
    tensor_view<f32, shape<dyn, dyn>, strided> x(memory + from, map(e, t[0], t[1]));
    bool refused = false, self_refused = false;
    try {
      y = x + 1;
    } catch (error const& problem) {
      refused = problem.code() == errc::overlap;
      self_refused = std::string(problem.what()).find("one another") != std::string::npos;
    }
    if (self_refused) continue; // strides that interleave: refused without a search
    ++(expected ? shared : apart);
    INFO(e0 << "x" << e1 << " to " << to << " by " << s[0] << "," << s[1] << " from " << from
            << " by " << t[0] << "," << t[1]);
    CHECK(refused == expected);
  }
  CHECK(shared > 100);
  CHECK(apart > 100);
}

TEST_CASE("bad operands are refused before anything is written", "[expr]") {
  tensor<f32, shape<dyn, dyn>> y(shape(2, 3)), a(shape(2, 4)), b(shape(2, 3)), empty(shape(0, 3));
  auto const code_of = [](auto f) {
    try {
      f();
    } catch (error const& e) {
      return static_cast<int>(e.code());
    }
    return -1;
  };
  CHECK(code_of([&] { y = a + 1; }) == static_cast<int>(errc::bad_shape));
  CHECK(code_of([&] { y = empty + b; }) == static_cast<int>(errc::bad_shape));
  CHECK(code_of([&] { empty = empty + b; }) == static_cast<int>(errc::bad_shape));
  CHECK(code_of([&] { empty = empty * 2; }) == -1);
  tensor_view<f32, shape<2, 3>> null;
  CHECK(code_of([&] { y = null + b; }) == static_cast<int>(errc::bad_pointer));
  CHECK(code_of([&] { null = y + b; }) == static_cast<int>(errc::bad_pointer));
  tensor_view<f32, shape<0, 3>> nothing;
  CHECK(code_of([&] { nothing = nothing + 1; }) == -1);
  for (index_t i = 0; i < 6; ++i) CHECK(y.data()[i] == 0.0F);
  try {
    y = b + a;
  } catch (error const& e) {
    CHECK(std::string(e.what()) == "ia_nn: expression: operand 2 of shape (2, 4) does not "
                                   "broadcast to the destination's (2, 3)");
  }
}

TEST_CASE("assigning a view to a view rebinds, assigning an expression writes", "[expr]") {
  tensor<f32, shape<3>> a, b;
  a = a + 1;
  auto v = a.view();
  v = b.view();
  CHECK(v.data() == b.data());
  v = +a;
  CHECK(b(2) == 1.0F);
  static_assert(std::is_trivially_copyable_v<decltype(v)>);
}

TEST_CASE("threads do not change bits", "[expr]") {
  random r(7);
  tensor<f32, shape<dyn, dyn>> a(shape(37, 1021)), y(shape(37, 1021)), z(shape(37, 1021));
  tensor<bf16, shape<dyn>> b(shape<dyn>{1021});
  tensor<f32, shape<dyn, 1>> c(shape<dyn, 1>{37});
  r.fill(a.data(), a.size());
  r.fill(b.data(), b.size());
  r.fill(c.data(), c.size());
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (int form = 0; form < 2; ++form) {
      auto const run = [&](auto& to, auto& executor) {
        if (form == 0) eval<I>(to, a * b + c, executor);
        else eval<I>(to, a * a + 1, executor);
      };
      sequential one;
      run(y, one);
      for (int workers : {1, 2, 3, 8}) {
        backwards several{workers};
        eval(z, 0);
        run(z, several);
        CHECK(std::memcmp(y.data(), z.data(), static_cast<std::size_t>(y.size()) * sizeof(f32)) ==
              0);
      }
    }
  });
}

} // namespace ia_nn_test
