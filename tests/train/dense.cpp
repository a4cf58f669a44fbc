// SPDX-License-Identifier: Apache-2.0
//
// Training of a fully connected layer.
#include "support.hpp"

#include <ia_nn/train/dense.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::dense_training;
using ia_nn::gradient;

using ia_nn::bf16;

struct dense_reference {
  sums y, src, weights, bias;
  dense_reference(index_t m, index_t k, index_t n, doubles const& x, doubles const& w,
                  doubles const& b, doubles const& dy)
      : y(m * n), src(m * k), weights(k * n), bias(n) {
    for (index_t i = 0; i < m; ++i)
      for (index_t j = 0; j < n; ++j) {
        double const d = dy[at(i * n + j)];
        y.add(i * n + j, b[at(j)]);
        bias.add(j, d);
        for (index_t q = 0; q < k; ++q) {
          y.add(i * n + j, x[at(i * k + q)] * w[at(j * k + q)]);
          src.add(i * k + q, d * w[at(j * k + q)]);
          weights.add(j * k + q, d * x[at(i * k + q)]);
        }
      }
  }
};

// With E bf16 the operands of products are rounded.
template <class E> void check_layer(index_t m, index_t k, index_t n, index_t max_rows, random& r) {
  INFO("m " << m << ", k " << k << ", n " << n << ", products of " << ia_nn::name_of<E>());
  exact_buffer<f32> x(m * k), w(k * n), b(n), dy(m * n);
  for (auto* v : {&x, &w, &b, &dy}) r.fill(v->data(), v->size());
  auto const operand = [](exact_buffer<f32> const& v) {
    return std::same_as<E, bf16> ? rounded_to_bf16(v) : to_doubles(v);
  };
  dense_reference const want(m, k, n, operand(x), operand(w), to_doubles(b), operand(dy));
  dense_reference const exact(m, k, n, to_doubles(x), to_doubles(w), to_doubles(b), to_doubles(dy));
  for_each_isa<vector_isas>([&](auto tag) {
    using layer_type = dense_training<decltype(tag), E>;
    exact_buffer<f32> y(m * n), first(m * n), dx(x.size()), dw(w.size()), db(n);
    for (int workers : {1, 2, 3}) {
      layer_type const layer({k, n, max_rows}, workers);
      layer.forward(m, x.data(), w.data(), b.data(), y.data(), scratch(layer.workspace_bytes()),
                    pool_of(workers));
      REQUIRE(rounding_difference(y, want.y) == "");
      if (workers == 1) std::memcpy(first.data(), y.data(), at(y.size()) * sizeof(f32));
      REQUIRE(same_bits(y, first));
    }
    auto const backward = [&](gradient s, gradient g, gradient c, int workers) {
      layer_type const layer({k, n, max_rows}, workers);
      layer.backward({m, x.data(), dy.data(), w.data(), s, g, c}, scratch(layer.workspace_bytes()),
                     pool_of(workers));
    };
    check_requests(dx.size(), dx, [&](gradient g, int v) { backward(g, not_wanted, not_wanted, v); });
    check_requests(dw.size(), dw, [&](gradient g, int v) { backward(not_wanted, g, not_wanted, v); });
    check_requests(db.size(), db, [&](gradient g, int v) { backward(not_wanted, not_wanted, g, v); });
    REQUIRE(rounding_difference(dx, want.src) == "");
    REQUIRE(rounding_difference(dw, want.weights) == "");
    REQUIRE(rounding_difference(db, exact.bias) == "");
  });
}

template <class E> void check_layers(unsigned seed) {
  random r(seed);
  struct extents {
    index_t k, n, max_rows;
  };
  for (extents const e :
       {extents{1, 1, 1}, {7, 3, 5}, {33, 17, 40}, {64, 65, 17}, {130, 10, 600}, {31, 32, 257}})
    for (index_t m : {index_t{1}, e.max_rows / 2, e.max_rows})
      if (m > 0) check_layer<E>(m, e.k, e.n, e.max_rows, r);
}

} // namespace

TEST_CASE("training of a dense layer", "[train][dense]") { check_layers<f32>(20); }
TEST_CASE("training of a dense layer, products of bf16", "[train][dense][bf16]") { check_layers<bf16>(22); }

TEST_CASE("bias gradients over many rows", "[train][dense]") {
  // Equal numbers drift most in a running sum; an infinity goes through.
  for (index_t const rows : {63, 64, 65, 255, 257, 5000, 1'000'000}) {
    exact_buffer<f32> dy(rows * 3), db(3);
    std::fill(dy.begin(), dy.end(), 0.1F);
    dy[rows / 2 * 3 + 1] = std::numeric_limits<f32>::infinity();
    double const exact = static_cast<double>(rows) * static_cast<double>(0.1F);
    for_each_isa<vector_isas>([&](auto tag) {
      dense_training<decltype(tag)> const layer({1, 3, rows});
      layer.backward({.rows = rows, .diff_dst = dy.data(), .diff_bias = write_to(db.data())},
                     scratch(layer.workspace_bytes()), pool_of(2));
      INFO(rows << " rows");
      CHECK(std::fabs(static_cast<double>(db[2]) - exact) <= 19 * 0x1p-24 * exact);
      CHECK(db[0] == db[2]);
      CHECK(db[1] == std::numeric_limits<f32>::infinity());
    });
  }
}

TEST_CASE("gradients of a dense layer are slopes", "[train][dense]") {
  random r(21);
  constexpr index_t m = 4, k = 5, n = 3;
  exact_buffer<f32> x(m * k), w(k * n), dy(m * n), dx(m * k), dw(k * n), db(n);
  for (auto* v : {&x, &w, &dy}) r.fill(v->data(), v->size());
  doubles const X = to_doubles(x), W = to_doubles(w), D = to_doubles(dy), B(at(n));
  auto const loss = [&](doubles const& a, doubles const& b, doubles const& c) {
    return dot(dense_reference(m, k, n, a, b, c, D).y.sum, D);
  };
  using I = ia_nn::isa::scalar;
  dense_training<I> const layer({k, n, m});
  layer.backward({m, x.data(), dy.data(), w.data(), write_to(dx.data()), write_to(dw.data()),
                  write_to(db.data())},
                 scratch(layer.workspace_bytes()), pool_of(1));
  REQUIRE(difference(dx, central_differences(X, [&](auto const& v) { return loss(v, W, B); })) ==
          "");
  REQUIRE(difference(dw, central_differences(W, [&](auto const& v) { return loss(X, v, B); })) ==
          "");
  REQUIRE(difference(db, central_differences(B, [&](auto const& v) { return loss(X, W, v); })) ==
          "");
}

TEST_CASE("errors of dense layers in training", "[train][errors]") {
  using I = ia_nn::isa::scalar;
  using layer = dense_training<I>;
  REQUIRE_ERROR([&] { layer const l({0, 1, 1}); }, errc::bad_shape, "dense_training: inputs is 0");
  REQUIRE_ERROR([&] { layer const l({1, 0, 1}); }, errc::bad_shape, "outputs is 0");
  REQUIRE_ERROR([&] { layer const l({1, 1, 0}); }, errc::bad_shape, "max_rows is 0");
  REQUIRE_ERROR([&] { layer const l({1, 1, 1}, 0); }, errc::bad_parameter, "workers is 0");
}

} // namespace ia_nn_test
