// SPDX-License-Identifier: Apache-2.0
//
// Weights of 4 bits against sums in double, with a bound from the norms; equal bits everywhere.
#include "layer.hpp"

#include <ia_nn/gemm/stages.hpp>
#include <ia_nn/int8/s4.hpp>
#include <ia_nn/math/activation.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::ceil_div;
using ia_nn::s4_dense;
using ia_nn::errc;
using ia_nn::packed_s4;
using ia_nn::quantize_s4;
using ia_nn::scheme;

struct s4_case {
  index_t rows, n, k, group;
  bool zeros;
};

std::size_t cell(index_t i) { return static_cast<std::size_t>(i); }

void check_s4(s4_case const& c, random& r) {
  INFO(c.rows << " x " << c.n << " x " << c.k << " in groups of " << c.group
              << (c.zeros ? " with zero points" : ""));
  index_t const groups = ceil_div(c.k, c.group), lda = c.k + r.between(0, 3),
                ldc = c.n + r.between(0, 3);
  std::vector<s8> q(cell(c.n * c.k)), z(cell(c.n * groups));
  std::vector<f32> scales(z.size());
  for (s8& x : q) x = static_cast<s8>(r.between(-8, 7));
  for (s8& x : z) x = static_cast<s8>(c.zeros ? r.between(-8, 7) : 0);
  for (f32& x : scales) x = r.uniform(0.01F, 0.2F);
  exact_buffer<f32> src((c.rows - 1) * lda + c.k), dst((c.rows - 1) * ldc + c.n), first(dst.size());
  r.fill(src.data(), src.size());
  for (f32& x : dst) x = 77;
  bool have_first = false;
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    int const workers = static_cast<int>(r.between(1, 3));
    s4_dense<I> const layer(packed_s4<I>(q, c.n, c.group, scales,
                                         c.zeros ? std::span<s8 const>(z) : std::span<s8 const>()),
                            {.max_rows = c.rows + r.between(0, 2), .workers = workers});
    exact_buffer<std::byte> memory(layer.workspace_bytes());
    std::memset(memory.data(), 0xff, cell(memory.size()));
    layer.run(c.rows, src.data(), lda, dst.data(), ldc, ia_nn::chain<>{},
              {memory.data(), memory.size()}, backwards{workers});
    for (index_t i = 0; i < c.rows; ++i)
      for (index_t j = 0; j < c.n; ++j) {
        double sum = 0, norm = 0; // 8 is added to the values, so it takes part in the norm
        for (index_t l = 0; l < c.k; ++l) {
          index_t const g = j * groups + l / c.group;
          double const a = static_cast<double>(src[i * lda + l]),
                       s = static_cast<double>(scales[cell(g)]);
          sum += a * s * (q[cell(j * c.k + l)] - z[cell(g)]);
          norm += std::fabs(a) * s * (std::abs(q[cell(j * c.k + l)]) + 16 + std::abs(z[cell(g)]));
        }
        double const bound = norm * static_cast<double>(c.group + groups + 8) * 0x1p-24;
        REQUIRE(std::fabs(static_cast<double>(dst[i * ldc + j]) - sum) <= bound);
      }
    for (index_t i = 0; i + 1 < c.rows; ++i)
      for (index_t j = c.n; j < ldc; ++j) REQUIRE(dst[i * ldc + j] == 77); // gaps
    if (have_first) REQUIRE(differs(dst.data(), first.data(), dst.size()) == "");
    std::copy(dst.begin(), dst.end(), first.begin());
    have_first = true;
  });
}

} // namespace

TEST_CASE("dense layers with weights of 4 bits", "[int8][s4]") {
  random r(80);
  for (index_t rows : {1, 2, 3, 4, 5, 11})
    for (index_t n : {1, 3, 4, 5, 31, 33, 64, 131})
      for (index_t group : {8, 32, 64, 128})
        for (index_t k : {index_t{1}, group - 1, group, group + 1, 2 * group + 3})
          if (rows < 3 || n > 4) check_s4({rows, n, k, group, r.coin()}, r);
}

TEST_CASE("the same row gives the same bits in any batch", "[int8][s4]") {
  random r(81);
  using I = ia_nn::isa::native;
  index_t const n = 70, k = 200;
  s4_dense<I> const layer(quantize_s4<I>(normal_values(n * k, 1, r), n, 32, scheme::asymmetric),
                          {7, 1});
  std::vector<f32> const x = normal_values(7 * k, 1, r);
  std::vector<f32> all(cell(7 * n)), one(cell(n));
  ia_nn::workspace scratch(layer.workspace_bytes());
  layer.run(7, x.data(), k, all.data(), n, ia_nn::chain<>{}, scratch);
  for (index_t i = 0; i < 7; ++i) {
    layer.run(1, x.data() + i * k, k, one.data(), n, ia_nn::chain<>{}, scratch);
    REQUIRE(differs(one.data(), all.data() + i * n, n) == "");
  }
}

TEST_CASE("f32 weights become 4 bits within half a step", "[int8][s4]") {
  random r(82);
  using I = ia_nn::isa::native;
  index_t const n = 5, k = 100, group = 32;
  std::vector<f32> w = normal_values(n * k, 1, r);
  for (index_t i = 64; i < 96; ++i) w[cell(i)] = 0; // a group of zeros
  std::vector<f32> unit(cell(k * k));
  for (index_t i = 0; i < k; ++i) unit[cell(i * k + i)] = 1;
  for (scheme s : {scheme::symmetric, scheme::asymmetric}) {
    s4_dense<I> const layer(quantize_s4<I>(w, n, group, s), {k, 1});
    std::vector<f32> back(cell(k * n));
    ia_nn::workspace scratch(layer.workspace_bytes());
    layer.run(k, unit.data(), k, back.data(), n, ia_nn::chain<>{}, scratch);
    for (index_t j = 0; j < n; ++j)
      for (index_t i = 0; i < k; ++i) {
        ia_nn::value_range range;
        for (index_t l = i / group * group; l < std::min(k, (i / group + 1) * group); ++l)
          range.add({w[cell(j * k + l)], w[cell(j * k + l)]});
        f32 const step =
            s == scheme::symmetric ? range.largest() / 7 : (range.high - range.low) / 15;
        // Zero points are rounded too, so an end of the range may be half a step further off.
        f32 const half = s == scheme::symmetric ? 0.5001F : 1.0001F;
        REQUIRE(std::fabs(back[cell(i * n + j)] - w[cell(j * k + i)]) <= half * step + 1e-6F);
      }
  }
}

TEST_CASE("stages follow weights of 4 bits", "[int8][s4]") {
  random r(83);
  using I = ia_nn::isa::native;
  s4_dense<I, u8> const same(
      packed_s4<I>(std::vector<s8>(360, 3), 9, 40, std::vector<f32>(9, 0.5F)), {2, 1});
  std::vector<f32> const x(80, 0.25F), b = normal_values(9, 3, r);
  std::vector<u8> y(18);
  ia_nn::workspace scratch(same.workspace_bytes());
  same.run(2, x.data(), 40, y.data(), 9,
           ia_nn::chain{ia_nn::add_bias{b.data()}, ia_nn::activation::relu{}}, scratch);
  for (std::size_t i = 0; i < 18; ++i)
    REQUIRE(int{y[i]} == static_cast<int>(std::nearbyint(std::max(0.0F, 15 + b[i % 9]))));
}

TEST_CASE("weights of 4 bits that cannot be packed are refused", "[int8][s4][error]") {
  using I = ia_nn::isa::scalar;
  std::vector<s8> const q(32, 1), far(32, 8);
  std::vector<f32> const one(2, 1.0F), zero(2, 0.0F);
  auto const pack = [](auto const&... args) { packed_s4<I> p(args...); };
  REQUIRE_ERROR([&] { pack(q, 3, 16, one); }, errc::bad_shape,
                "32 weights cannot be divided among 3");
  REQUIRE_ERROR([&] { pack(q, 2, 12, one); }, errc::bad_parameter,
                "a group of 12 must be a multiple of 8");
  REQUIRE_ERROR([&] { pack(q, 2, 0, one); }, errc::bad_parameter, "a group of 0");
  REQUIRE_ERROR([&] { pack(q, 2, 8, one); }, errc::bad_shape,
                "2 scales and 0 zero points, expected 4");
  REQUIRE_ERROR([&] { pack(q, 2, 16, one, std::vector<s8>(3)); }, errc::bad_shape, "3 zero points");
  REQUIRE_ERROR([&] { pack(far, 2, 16, one); }, errc::bad_parameter, "8 does not fit 4 bits");
  REQUIRE_ERROR([&] { pack(q, 2, 16, one, std::vector<s8>(2, -9)); }, errc::bad_parameter,
                "-9 does not fit");
  REQUIRE_ERROR([&] { pack(q, 2, 16, zero); }, errc::bad_parameter, "packed_s4: a scale is 0");
  REQUIRE_ERROR(
      [&] { quantize_s4<I>(std::vector<f32>(16, std::numeric_limits<f32>::quiet_NaN()), 1, 8); },
      errc::bad_parameter, "a weight of column 0 is NaN or infinite");
  REQUIRE_ERROR([&] { quantize_s4<I>(std::vector<f32>(16), 0, 8); }, errc::bad_shape,
                "among 0 columns");
  REQUIRE_ERROR([&] { s4_dense<I>(packed_s4<I>(q, 2, 16, one), {0, 1}); }, errc::bad_parameter,
                "max_rows is 0");
}

} // namespace ia_nn_test
