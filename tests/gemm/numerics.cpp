// SPDX-License-Identifier: Apache-2.0
//
// NaN and infinity go through as IEEE 754 says; plans for fewer rows; batches.
#include "support.hpp"

#include <limits>

namespace ia_nn_test {
namespace {

constexpr f32 inf = std::numeric_limits<f32>::infinity();
constexpr f32 nan = std::numeric_limits<f32>::quiet_NaN();

template <class T> f32 number(T x) { return static_cast<f32>(x); }

// Special values in single places of A and B: only their row and column may change.
template <element T> void special_values(std::uint64_t stream) {
  random r(stream);
  for (index_t m : {1, 3, 4, 7, 18, 33})
    for (index_t k : {1, 5, 33, 64}) {
      product_case p;
      p.m = m, p.n = 37, p.k = k;
      INFO(ia_nn::name_of<T>() << ' ' << p.text());
      product<T, T, f32> x(p, r);
      // No zeros, so that inf times an element is infinite.
      for (T& v : x.a()) v = T(r.coin() ? r.uniform(1, 2) : r.uniform(-2, -1));
      for (T& v : x.b()) v = T(r.coin() ? r.uniform(1, 2) : r.uniform(-2, -1));
      index_t const i = r.between(0, m - 1), j = r.between(0, p.n - 1), q = r.between(0, k - 1);
      exact_buffer<f32> plain(m * p.n), out(m * p.n);
      for_each_isa<swept_isas>([&](auto tag) {
        using I = decltype(tag);
        x.template run<I>(plain);
        auto const with = [&](f32 in_a, f32 in_b, auto expected) {
          T const a_before = x.a()[i * k + q], b_before = x.b()[q * p.n + j];
          if (in_a != 1) x.a()[i * k + q] = T(in_a);
          if (in_b != 1) x.b()[q * p.n + j] = T(in_b);
          x.template run<I>(out);
          index_t wrong = 0;
          for (index_t row = 0; row < m; ++row)
            for (index_t column = 0; column < p.n; ++column) {
              f32 const got = out[row * p.n + column], was = plain[row * p.n + column];
              bool const touched = (row == i && in_a != 1) || (column == j && in_b != 1);
              wrong += touched ? !expected(got, row, column)
                               : std::memcmp(&got, &was, sizeof got) != 0;
            }
          REQUIRE(wrong == 0);
          x.a()[i * k + q] = a_before;
          x.b()[q * p.n + j] = b_before;
        };
        auto const is_nan = [](f32 got, index_t, index_t) { return std::isnan(got); };
        with(nan, 1, is_nan);
        with(1, nan, is_nan);
        with(inf, 1, [&](f32 got, index_t, index_t column) {
          return got == (number(x.b()[q * p.n + column]) > 0 ? inf : -inf);
        });
        with(1, -inf, [&](f32 got, index_t row, index_t) {
          return got == (number(x.a()[row * k + q]) > 0 ? -inf : inf);
        });
        // inf * 0 in one place, inf * number and number * 0 along the row and the column.
        with(inf, 0, [&](f32 got, index_t row, index_t column) {
          if (row == i && column == j) return std::isnan(got);
          return row == i ? std::isinf(got) : std::isfinite(got);
        });
      });
    }
}

} // namespace

TEST_CASE("NaN and infinity in f32", "[gemm][special]") { special_values<f32>(60); }
TEST_CASE("NaN and infinity in bf16", "[gemm][special]") { special_values<bf16>(61); }

TEST_CASE("an infinite sum becomes the infinity, a NaN stays one, of every destination type",
          "[gemm][special]") {
  constexpr index_t m = 5, n = 20, k = 2;
  exact_buffer<f32> a(m * k), b(k * n);
  for (f32& x : a) x = 0x1.8p127F;
  for (f32& x : b) x = 1;
  a[0] = nan;
  auto const run = [&]<class I, class C>(I, exact_buffer<C>& c) {
    using G = gemm<I, f32, f32, C>;
    G const plan(m, n, k);
    auto const w = pack_for<G, standard>(b.data(), k, n, n, 1);
    ia_nn::workspace scratch(plan.workspace_bytes());
    plan.run(a.data(), k, w, c.data(), n, chain<>{}, scratch);
  };
  for_each_isa<vector_isas>([&](auto tag) {
    exact_buffer<f32> c(m * n);
    exact_buffer<bf16> h(m * n);
    exact_buffer<u8> u(m * n);
    run(tag, c), run(tag, h), run(tag, u);
    index_t wrong = 0;
    for (index_t j = 0; j < n; ++j) {
      wrong += !std::isnan(c[j]) || !std::isnan(number(h[j])) || u[j] != 0; // NaN stores the lowest
      for (index_t i = 1; i < m; ++i)
        wrong += c[i * n + j] != inf || number(h[i * n + j]) != inf || u[i * n + j] != 255;
    }
    REQUIRE(wrong == 0);
  });
}

TEST_CASE("f32 in bf16 terms: what is not finite stays in its row and is not finite after",
          "[gemm][special][terms]") {
  random r(62);
  product_case p;
  p.m = 20, p.n = 40, p.k = 33;
  auto const check = [&]<class Policy>(Policy) {
    product<f32, f32, f32, Policy> x(p, r);
    exact_buffer<f32> plain(p.m * p.n), out(p.m * p.n);
    for_each_isa<swept_isas>([&](auto tag) {
      using I = decltype(tag);
      x.template run<I>(plain);
      for (f32 special : {nan, inf, -inf}) {
        f32 const before = x.a()[7 * p.k + 3];
        x.a()[7 * p.k + 3] = special;
        x.template run<I>(out);
        x.a()[7 * p.k + 3] = before;
        index_t wrong = 0;
        for (index_t i = 0; i < p.m; ++i)
          for (index_t j = 0; j < p.n; ++j)
            wrong += i == 7 ? std::isfinite(out[i * p.n + j]) : out[i * p.n + j] != plain[i * p.n + j];
        REQUIRE(wrong == 0);
      }
    });
  };
  check(ia_nn::bf16_terms<2>{});
  check(ia_nn::bf16_terms<3>{});
}

namespace {

// All row counts of one plan, in a workspace of exactly the plan's size.
template <element A, element B, element C, class Policy = standard>
void all_row_counts(product_case const& p, random& r, index_t step = 1) {
  INFO(ia_nn::name_of<A>() << " * " << ia_nn::name_of<B>() << ' ' << p.text());
  product<A, B, C, Policy> const x(p, r);
  matmul_reference ref = x.reference();
  for_each_isa<kinds_of_kernels>([&](auto tag) {
    using I = decltype(tag);
    using G = gemm<I, A, B, C, Policy>;
    if (traps<I, A, Policy>() && (p.m * p.n * p.k > 200000 || std::same_as<I, ia_nn::isa::avx2_vnni>))
      return;
    G const plan(p.m, p.n, p.k, p.workers, p.options);
    auto const w = x.template pack<G>();
    exact_buffer<C> out(p.m * p.n);
    exact_buffer<std::byte> scratch(plan.workspace_bytes());
    for (index_t rows = 0; rows <= p.m; rows += step) {
      INFO(rows << " rows");
      std::copy(x.c_before().begin(), x.c_before().end(), out.begin());
      std::memset(scratch.data(), 0xff, at(scratch.size()));
      G const fewer = plan.with_rows(rows);
      REQUIRE(fewer.m() == rows);
      REQUIRE(fewer.workspace_bytes() <= scratch.size());
      fewer.run(x.a_source(), w, out.data(), p.n, chain<>{}, {scratch.data(), scratch.size()},
                reversed_tasks{p.workers});
      ref.m = rows;
      REQUIRE(x.template verdict<I>(ref, out) == "");
      REQUIRE(std::memcmp(out.data() + rows * p.n, x.c_before().data() + rows * p.n,
                          at((p.m - rows) * p.n) * sizeof(C)) == 0);
    }
    ref.m = p.m;
  });
}

} // namespace

TEST_CASE("a plan serves every smaller number of rows in its own workspace", "[gemm][rows]") {
  random r(63);
  for (int workers : {1, 3}) {
    product_case p;
    p.m = 70, p.n = 37, p.k = 13, p.workers = workers;
    all_row_counts<f32, f32, f32>(p, r);
    all_row_counts<bf16, bf16, f32>(p, r);
    all_row_counts<f32, f32, f32, ia_nn::bf16_terms<3>>(p, r);
    p.options = {true, 7, -3};
    all_row_counts<u8, s8, s32>(p, r);
  }
  product_case p;
  p.m = 33, p.n = 70, p.k = 8400; // k cut for most
  all_row_counts<f32, f32, f32>(p, r, 4);
  all_row_counts<bf16, bf16, f32>(p, r, 8);
  p.m = 600, p.n = 3, p.k = 20; // more than one block
  all_row_counts<f32, f32, f32>(p, r, 29);
}

TEST_CASE("a plan for no rows does nothing", "[gemm][rows]") {
  for_each_isa<kinds_of_kernels>([&](auto tag) {
    using I = decltype(tag);
    gemm<I, f32, f32, f32> const plan(0, 5, 7);
    gemm<I, u8, s8, s32> const bytes(0, 5, 7, 2, {true, 1, 1});
    REQUIRE(plan.m() == 0);
    f32 c = 3;
    plan.run({nullptr, 0, 0}, {}, &c, 5, chain<>{}, {});
    bytes.run({nullptr, 0, 0}, {}, nullptr, 5, chain<>{}, {});
    REQUIRE(c == 3);
    typename gemm<I, f32, f32, f32>::weights const w = [] {
      exact_buffer<f32> const b(7 * 5);
      return pack_for<gemm<I, f32, f32, f32>, standard>(b.data(), 7, 5, 5, 1);
    }();
    ia_nn::workspace scratch(plan.workspace_bytes());
    REQUIRE_NOTHROW(plan.check({nullptr, 7, 1}, w, nullptr, 5, scratch));
  });
}

namespace {

// A batch against its items one by one; the epilogue sees rows numbered through the batch.
template <element A, element B, element C, class Policy = standard>
void batches(gemm_options const& o, index_t group, bool own_weights, std::uint64_t stream) {
  constexpr index_t n = 37, k = 21, batch = 3;
  random r(stream);
  for (index_t m : {1, 5, 18}) {
    index_t const a_stride = m * k + 5, c_stride = m * n + 3;
    exact_buffer<A> a(batch * a_stride);
    exact_buffer<B> b(batch * k * n);
    exact_buffer<f32> scales(group ? batch * ia_nn::ceil_div(k, group) * n : 0);
    exact_buffer<f32> residual(batch * m * n);
    r.fill(a.data(), a.size());
    r.fill(b.data(), b.size());
    r.fill_between(scales.data(), scales.size(), 0.1F, 1.0F);
    r.fill_between(residual.data(), residual.size(), -100, 100);
    for_each_isa<kinds_of_kernels>([&](auto tag) {
      using I = decltype(tag);
      using G = gemm<I, A, B, C, Policy>;
      G const plan(m, n, k, 2, o);
      ia_nn::workspace scratch(plan.workspace_bytes());
      std::vector<typename G::weights> w;
      for (index_t i = 0; i < batch; ++i)
        w.push_back(pack_for<G, Policy>(
            b.data() + i * k * n, k, n, n, 1,
            {scales.data() + (group ? i * ia_nn::ceil_div(k, group) * n : 0), group}));
      // Weights of a batch lie one behind the other, as `store` writes them.
      index_t const stored = w[0].stored_bytes();
      ia_nn::aligned_array<std::byte> file(batch * stored);
      for (index_t i = 0; i < batch; ++i) w[at(i)].store(file.data() + i * stored, stored);
      auto const view = G::weights::view_stored(file.data(), stored);
      index_t const b_stride =
          own_weights
              ? stored / static_cast<index_t>(sizeof(typename G::weights::view_type::value_type))
              : 0;
      exact_buffer<C> together(batch * c_stride), single(batch * c_stride);
      r.fill(together.data(), together.size());
      std::copy(together.begin(), together.end(), single.begin());
      auto const stages = chain{ia_nn::add_residual{residual.data(), n}};
      plan.run_batch(batch, {a.data(), k, 1}, a_stride, view, b_stride, together.data(), n, c_stride,
                     stages, scratch, reversed_tasks{2});
      for (index_t i = 0; i < batch; ++i)
        plan.run(a.data() + i * a_stride, k, w[at(own_weights ? i : 0)], single.data() + i * c_stride,
                 n, chain{ia_nn::add_residual{residual.data() + i * m * n, n}}, scratch);
      INFO("m " << m << (own_weights ? ", own weights" : ", shared weights"));
      REQUIRE(std::memcmp(together.data(), single.data(), at(single.size()) * sizeof(C)) == 0);
    });
  }
}

} // namespace

TEST_CASE("batches with shared and with own weights", "[gemm][batch]") {
  for (bool own : {false, true}) {
    batches<f32, f32, f32>({}, 0, own, 64);
    batches<s8, s8, f32>({false, 3, -2}, 0, own, 65);
    batches<f32, s8, f32, grouped>({}, 8, own, 66);
    batches<bf16, bf16, bf16>({}, 0, own, 67);
    batches<f32, f32, f32, ia_nn::bf16_terms<2>>({}, 0, own, 68);
  }
}

} // namespace ia_nn_test
