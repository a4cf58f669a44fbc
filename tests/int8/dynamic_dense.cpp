// SPDX-License-Identifier: Apache-2.0
//
// Layers that quantize each row when they see it: bit by bit against the stated formula, and near
// the product in double.
#include "layer.hpp"

#include <ia_nn/int8/dynamic_dense.hpp>
#include <ia_nn/math/activation.hpp>

namespace ia_nn_test {

using ia_nn::dynamic_dense;
using ia_nn::errc;

TEST_CASE("rows quantized with their own ranges", "[int8][dense][dynamic]") {
  random r(90);
  for (index_t rows : {1, 2, 17})
    for (index_t n : {1, 33})
      for (index_t k : {1, 7, 65}) {
        index_t const lda = k + 2, ldc = n + 1;
        std::vector<f32> const w = normal_values(n * k, 1, r), b = normal_values(n, 1, r);
        bool const biased = r.coin();
        quantized_weights q = ia_nn::quantize_weights(w, n);
        bool const shifted = n > 1 && k > 7; // weights that have zero points
        std::vector<s32> zeros(static_cast<std::size_t>(n));
        if (shifted) {
          for (s32& z : zeros) z = static_cast<s32>(r.between(-128, 127));
          q = ia_nn::take_weights(std::span<s8 const>(q.values.data(), w.size()), n,
                                  std::span<f32 const>(q.scales.data(), zeros.size()), {}, 0, zeros);
        }
        exact_buffer<f32> src((rows - 1) * lda + k), dst((rows - 1) * ldc + n);
        for (index_t i = 0; i < src.size(); ++i) // sizes of rows differ
          src[i] = r.normal() * std::exp2(static_cast<f32>(i / lda % 5));
        if (rows == 17)
          for (index_t i = 0; i < k; ++i) src[4 * lda + i] = 0;
        std::vector<f32> expected(static_cast<std::size_t>(rows * n));
        for (index_t i = 0; i < rows; ++i) {
          ia_nn::value_range range;
          for (index_t l = 0; l < k; ++l) range.add({src[i * lda + l], src[i * lda + l]});
          quantization const of_row = ia_nn::quantization_of<s8>(range);
          for (index_t j = 0; j < n; ++j) {
            std::int64_t sum = 0;
            double exact = 0, norm = 0;
            for (index_t l = 0; l < k; ++l) {
              f32 const x = src[i * lda + l];
              sum += std::int64_t{oracle::quantize<s8>(x, of_row)} *
                     (q.values[j * k + l] - q.zero_point(j));
              double const y = static_cast<double>(w[static_cast<std::size_t>(j * k + l)]) -
                               static_cast<double>(zeros[static_cast<std::size_t>(j)]) *
                                   static_cast<double>(q.scales[j]);
              exact += static_cast<double>(x) * y;
              // Half a step of either operand.
              norm += 0.5 * static_cast<double>(of_row.scale) * std::fabs(y) +
                      0.5 * static_cast<double>(q.scales[j]) *
                          (std::fabs(static_cast<double>(x)) + static_cast<double>(of_row.scale));
            }
            f32 const bias = biased ? b[static_cast<std::size_t>(j)] : 0.0F;
            f32 const factor = of_row.scale * q.scales[j];
            f32 const y = std::fma(static_cast<f32>(sum), factor, bias);
            REQUIRE(std::fabs(static_cast<double>(y) - exact - static_cast<double>(bias)) <=
                    norm * 1.0001 + 1e-6);
            expected[static_cast<std::size_t>(i * n + j)] = y > 0 ? y : 0;
          }
        }
        for_each_isa<some_isas>([&](auto tag) {
          using I = decltype(tag);
          for (int workers : {1, 2, 3}) {
            dynamic_dense<I> const layer(
                q, biased ? std::span<f32 const>(b) : std::span<f32 const>(), {rows, workers});
            exact_buffer<std::byte> memory(layer.workspace_bytes());
            layer.run(rows, src.data(), lda, dst.data(), ldc, ia_nn::activation::relu{},
                      {memory.data(), memory.size()}, backwards{workers});
            for (index_t i = 0; i < rows; ++i)
              REQUIRE(differs(dst.data() + i * ldc, expected.data() + i * n, n) == "");
          }
        });
      }
}

TEST_CASE("an infinity or a NaN stays in its row", "[int8][dense][dynamic]") {
  random r(91);
  constexpr index_t rows = 3, n = 5, k = 37;
  f32 const inf = std::numeric_limits<f32>::infinity(), nan = std::numeric_limits<f32>::quiet_NaN(),
            most = std::numeric_limits<f32>::max();
  std::vector<f32> const w = normal_values(n * k, 1, r), b = normal_values(n, 1, r);
  quantized_weights const q = ia_nn::quantize_weights(w, n);
  exact_buffer<f32> src(rows * k), clean(rows * n), dst(rows * n);
  r.fill(src.data(), src.size());
  for_each_isa<some_isas>([&](auto tag) {
    dynamic_dense<decltype(tag)> const layer(q, b, {rows});
    ia_nn::workspace scratch(layer.workspace_bytes());
    auto const run = [&](exact_buffer<f32>& y) { layer.run(rows, src.data(), k, y.data(), n, scratch); };
    run(clean);
    for (index_t const at : {0, 15, 36})
      for (f32 const special : {inf, -inf, nan, most}) {
        f32 const before = src[k + at];
        src[k + at] = special;
        run(dst);
        CHECK(differs(dst.data(), clean.data(), n) == "");
        CHECK(differs(dst.data() + 2 * n, clean.data() + 2 * n, n) == "");
        for (index_t j = 0; j < n; ++j) {
          // All else of the row is nothing beside it: the weight times the largest f32, or the bias.
          int const weight = q.values[j * k + at];
          double const wanted = std::copysign(static_cast<double>(most), static_cast<double>(special)) *
                                weight * static_cast<double>(q.scales[j]);
          f32 const y = dst[n + j];
          if (std::isnan(special)) CHECK(std::isnan(y));
          else if (weight == 0) CHECK(y == b[static_cast<std::size_t>(j)]);
          else if (std::isinf(y)) CHECK(std::fabs(wanted) > 0.9999 * static_cast<double>(most));
          else CHECK(std::fabs(static_cast<double>(y) / wanted - 1) < 0x1p-20);
          if (!std::isnan(special) && weight != 0) CHECK((y > 0) == (wanted > 0));
        }
        src[k + at] = before;
      }
  });
}

TEST_CASE("dynamic layers that cannot be right are refused", "[int8][dense][dynamic][error]") {
  std::vector<f32> const w(6, 1.0F), two(2, 1.0F), three(3, 1.0F);
  using layer = dynamic_dense<ia_nn::isa::scalar>;
  REQUIRE_ERROR([&] { layer(ia_nn::quantize_weights(w, 2, two, 0.5F)); }, errc::bad_parameter,
                "the weights have biases in steps of data of scale 0.5");
  REQUIRE_ERROR([&] { layer(ia_nn::quantize_weights(w, 2), three); }, errc::bad_shape,
                "3 biases for 2 columns");
  REQUIRE_ERROR([&] { layer(ia_nn::quantize_weights(w, 2), two, {1, 0}); }, errc::bad_parameter,
                "workers is 0");
}

} // namespace ia_nn_test
