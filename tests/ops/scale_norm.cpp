// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/scale_norm.hpp>

namespace ia_nn_test {

namespace {

using ia_nn::length_kind;
using ia_nn::lp_norm;
using ia_nn::rms_norm;

double length_of(length_kind kind, double epsilon, f32 const* x, index_t n) {
  double squares = 0, magnitudes = 0;
  for (index_t i = 0; i < n; ++i) {
    double const v = static_cast<double>(x[i]);
    squares += v * v, magnitudes += std::abs(v);
  }
  if (kind == length_kind::root_mean_square) return std::sqrt(squares / static_cast<double>(n) + epsilon);
  return std::max(kind == length_kind::l1 ? magnitudes : std::sqrt(squares), epsilon);
}

void check_rows(index_t rows, index_t n, exact_buffer<f32> const& x, std::vector<f32> const& scale, f32 epsilon) {
  INFO(rows << " x " << n << ", epsilon " << epsilon);
  auto const check = [&](length_kind kind, auto const& layer) {
    std::vector<double> expected(at(rows * n));
    for (index_t r = 0; r < rows; ++r) {
      double const length = length_of(kind, static_cast<double>(epsilon), x.data() + r * n, n);
      for (index_t i = 0; i < n; ++i)
        expected[at(r * n + i)] = length == 0 ? 0
                                              : static_cast<double>(x[r * n + i]) / length *
                                                    (scale.empty() ? 1 : static_cast<double>(scale[at(i)]));
    }
    double const eps = (kind == length_kind::l1 ? 46 : 26) * f32_eps;
    auto const right = [&](exact_buffer<f32> const& y) {
      CHECK(deviation(rows * n, y.data(), [&](index_t i) { return expected[at(i)]; },
                      [&](index_t i) { return eps * std::abs(expected[at(i)]) + 0x1p-149; }) == "");
    };
    exact_buffer<f32> y(rows * n, 1);
    layer.run(rows, x.data(), y.data(), last_task_first{3});
    right(y);
    CHECK(same_in_slice(y, n, [&](f32* to, index_t ld) { layer.run(rows, x.data(), to, ld); }));
    std::copy(x.begin(), x.end(), y.begin());
    ia_nn::thread_pool pool(2);
    layer.run(rows, y.data(), y.data(), pool); // in place
    right(y);
  };
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    check(length_kind::root_mean_square, rms_norm<I>(n, scale, epsilon));
    check(length_kind::l2, lp_norm<I>(n, scale, epsilon));
    check(length_kind::l1, lp_norm<I>(n, scale, epsilon, 1));
  });
}

} // namespace

TEST_CASE("scale_norm: rows around registers") {
  random r(321);
  for (index_t const n : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 131, 513, 9001}) {
    exact_buffer<f32> x(5 * n, 3);
    r.fill(x.data(), x.size());
    std::vector<f32> scale(at(n));
    for (f32& s : scale) s = r.uniform(-2, 2);
    check_rows(5, n, x, scale, 1e-5F);
    if (n < 70) check_rows(5, n, x, {}, 0);
  }
}

TEST_CASE("scale_norm: numbers of any size, rows of zeros, epsilons that are the length") {
  for (f32 const size : {1e-44F, 1e-38F, 1e-25F, 1e19F, 3e38F, 0.0F})
    for (f32 const epsilon : {0.0F, 1e-12F, 3.0F}) {
      exact_buffer<f32> x(3 * 21);
      for (index_t i = 0; i < x.size(); ++i) x[i] = size * (i % 5 == 0 ? 1.0F : i % 2 == 0 ? -0.25F : 0.5F);
      check_rows(3, 21, x, {}, epsilon);
    }
  exact_buffer<f32> x(2 * 20), y(2 * 20);
  for (f32& v : x) v = 1;
  x[7] = NAN;
  for_each_isa<vector_isas>([&](auto tag) {
    rms_norm<decltype(tag)>(20).run(2, x.data(), y.data());
    for (index_t i = 0; i < 40; ++i) REQUIRE(std::isnan(y[i]) == (i < 20));
  });
}

TEST_CASE("scale_norm: errors") {
  using I = ia_nn::isa::native;
  REQUIRE_ERROR([] { rms_norm<I>(0); }, ia_nn::errc::bad_shape, "rms_norm: rows of 0");
  std::vector<f32> const scale(3);
  REQUIRE_ERROR([&] { lp_norm<I>(4, scale); }, ia_nn::errc::bad_shape, "lp_norm: scale has 3 elements, expected 4");
  REQUIRE_ERROR([] { rms_norm<I>(4, {}, -1); }, ia_nn::errc::bad_parameter, "rms_norm: epsilon is -1");
  REQUIRE_ERROR([] { lp_norm<I>(4, {}, 0, 3); }, ia_nn::errc::bad_parameter, "lp_norm: p is 3, must be 1 or 2");
}

} // namespace ia_nn_test
