// SPDX-License-Identifier: Apache-2.0
#include "oracle/norm.hpp"

#include "op_support.hpp"
#include "support/shapes.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/batch_norm.hpp>
#include <ia_nn/ops/group_norm.hpp>
#include <ia_nn/ops/layer_norm.hpp>
#include <ia_nn/ops/lrn.hpp>

#include <cstring>

namespace ia_nn_test {

namespace {

using ia_nn::errc;
using native = ia_nn::isa::native;

std::span<f32 const> span_of(exact_buffer<f32> const& b) { return {b.data(), at(b.size())}; }
double wide(f32 x) { return static_cast<double>(x); }

struct channel_data {
  exact_buffer<f32> mean, variance, scale, shift;
  channel_data(index_t n, random& r) : mean(n), variance(n), scale(n), shift(n) {
    r.fill(mean.data(), n), r.fill(scale.data(), n), r.fill(shift.data(), n);
    r.fill_between(variance.data(), n, 0.1F, 4.0F);
  }
  ia_nn::batch_norm_parameters parameters() const {
    return {span_of(mean), span_of(variance), span_of(scale), span_of(shift), 1e-5F};
  }
};

void check_batch_norm(index_t pixels, index_t channels, random& r) {
  INFO("pixels " << pixels << " channels " << channels);
  channel_data const c(channels, r);
  exact_buffer<f32> src(pixels * channels, 1);
  r.fill(src.data(), src.size());
  std::vector<double> expected, size;
  for (index_t i = 0; i < src.size(); ++i) {
    index_t const k = i % channels;
    double const a = wide(c.scale[k]) / std::sqrt(wide(c.variance[k]) + wide(1e-5F));
    expected.push_back((wide(src[i]) - wide(c.mean[k])) * a + wide(c.shift[k]));
    size.push_back((std::abs(wide(src[i])) + std::abs(wide(c.mean[k]))) * std::abs(a) +
                   std::abs(wide(c.shift[k])));
  }
  auto const bound = [&](index_t i) { return 3 * f32_eps * size[at(i)]; };
  for_each_isa<vector_isas>([&](auto tag) {
    ia_nn::batch_norm<decltype(tag)> const layer(c.parameters());
    exact_buffer<f32> dst(src.size(), 2);
    layer.run(pixels, src.data(), dst.data(), last_task_first{3});
    CHECK(
        deviation(src.size(), dst.data(), [&](index_t i) { return expected[at(i)]; }, bound) == "");
    layer.run(pixels, src.data(), dst.data(), ia_nn::activation::relu{});
    CHECK(deviation(
              src.size(), dst.data(), [&](index_t i) { return std::max(0.0, expected[at(i)]); },
              bound) == "");
  });
}

// x = offset + deviation * noise. Neither the offset nor the size of either may matter.
struct numbers {
  f32 offset = 0, deviation = 1, epsilon = 1e-5F;
  void fill(exact_buffer<f32>& b, random& r) const {
    for (f32& x : b) x = offset + deviation * r.normal();
  }
  std::string text() const {
    return "around " + std::to_string(offset) + " by " + std::to_string(deviation) + ", epsilon " +
           std::to_string(epsilon);
  }
};
// What rounding leaves of y = d / sqrt(T) scale + shift, T = variance + epsilon, in 2^-24. The sums
// of d and d^2 are `chain` additions deep. Where the correction of the mean is not above sqrt(2 T),
// sums of d^2 are off by 3 (chain + 3) of T, their root by half of that; the correction itself by
// sqrt(3) chain of sqrt(T). Elsewhere the kernels use double.
double norm_roundings(double chain, double y, double scale, double shift) {
  return (1.5 * chain + 10) * std::abs(y) + (1.75 * chain + 4) * std::abs(scale) +
         2 * std::abs(shift);
}

void check_layer_norm(index_t rows, index_t n, numbers const& source, random& r) {
  INFO("rows " << rows << " of " << n << " " << source.text());
  channel_data const c(n, r);
  exact_buffer<f32> src(rows * n, 1);
  source.fill(src, r);
  std::vector<double> expected, size, means, inverses;
  for (index_t row = 0; row < rows; ++row) {
    auto const x = [&](index_t i) { return wide(src[row * n + i]); };
    auto const m = moments_reference(n, x);
    means.push_back(m.mean);
    inverses.push_back(1 / std::sqrt(m.variance + wide(source.epsilon)));
    for (index_t i = 0; i < n; ++i) {
      double const y = (x(i) - m.mean) * inverses.back() * wide(c.scale[i]);
      expected.push_back(y + wide(c.shift[i]));
    }
  }
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    // Of a block in one register of four, of the rest of a row, of four registers, of lanes.
    double const chain = 32 + 3 + 2 + std::log2(ia_nn::vec<f32, I>::size);
    auto const bound = [&](index_t i) {
      index_t const k = i % n;
      double const y = expected[at(i)] - wide(c.shift[k]);
      return f32_eps * norm_roundings(chain, y, wide(c.scale[k]), wide(c.shift[k]));
    };
    auto const verdict = [&](exact_buffer<f32> const& dst) {
      return deviation(
          src.size(), dst.data(), [&](index_t i) { return expected[at(i)]; }, bound);
    };
    ia_nn::layer_norm<I> const layer(n, span_of(c.scale), span_of(c.shift), source.epsilon);
    exact_buffer<f32> dst(src.size()), mean(rows), inverse(rows);
    layer.run({.rows = rows, .src = src.data(), .dst = dst.data(), .mean = mean.data(),
               .inverse_deviation = inverse.data()},
              last_task_first{2});
    CHECK(verdict(dst) == "");
    CHECK(deviation(
              rows, mean.data(), [&](index_t i) { return means[at(i)]; },
              [&](index_t i) {
                return 0x1p-149 +
                       (2 * std::abs(means[at(i)]) + 1.75 * chain / inverses[at(i)]) * f32_eps;
              }) == "");
    CHECK(deviation(
              rows, inverse.data(),
              [&](index_t i) { return wide(static_cast<f32>(inverses[at(i)])); },
              [&](index_t i) {
                return 0x1p-149 + (1.5 * chain + 8) * f32_eps * inverses[at(i)];
              }) == "");
    std::copy(src.begin(), src.end(), dst.begin());
    layer.run(rows, dst.data(), dst.data()); // in place
    CHECK(verdict(dst) == "");
    CHECK(same_in_slice(dst, n, [&](f32* to, index_t ld) {
      layer.run(rows, src.data(), to, ld, last_task_first{2});
    }));
  });
}

// The last group is as `other` says.
void check_group_norm(index_t batch, index_t pixels, index_t channels, index_t groups,
                      numbers const& source, numbers const& other, random& r) {
  INFO("batch " << batch << " pixels " << pixels << " channels " << channels << " groups " << groups
                << " " << source.text() << " last group " << other.text());
  channel_data const c(channels, r);
  exact_buffer<f32> src(batch * pixels * channels, 1);
  index_t const each = channels / groups;
  for (index_t i = 0; i < src.size(); ++i) {
    numbers const& s = i % channels / each == groups - 1 ? other : source;
    src[i] = s.offset + s.deviation * r.normal();
  }
  std::vector<double> expected(at(src.size()));
  for (index_t b = 0; b < batch; ++b)
    for (index_t g = 0; g < groups; ++g) {
      auto const place = [&](index_t i) {
        return (b * pixels + i / each) * channels + g * each + i % each;
      };
      auto const m =
          moments_reference(pixels * each, [&](index_t i) { return wide(src[place(i)]); });
      for (index_t i = 0; i < pixels * each; ++i) {
        index_t const p = place(i), k = p % channels;
        double const a = wide(c.scale[k]) / std::sqrt(m.variance + wide(source.epsilon));
        expected[at(p)] = (wide(src[p]) - m.mean) * a + wide(c.shift[k]);
      }
    }
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    constexpr double chain = 32 + 8; // pixels in a row, blocks of these
    exact_buffer<f32> first(src.size());
    for (int const workers : {1, 2, 3}) {
      exact_buffer<f32> dst(src.size(), 3);
      std::copy(src.begin(), src.end(), dst.begin());
      bool const in_place = workers == 3;
      ia_nn::group_norm<I> const layer(channels, groups, span_of(c.scale), span_of(c.shift),
                                       source.epsilon);
      layer.run(batch, pixels, in_place ? dst.data() : src.data(), dst.data(),
                last_task_first{workers});
      CHECK(deviation(
                src.size(), dst.data(), [&](index_t i) { return expected[at(i)]; },
                [&](index_t i) {
                  index_t const k = i % channels;
                  double const y = expected[at(i)] - wide(c.shift[k]);
                  return f32_eps * norm_roundings(chain, y, wide(c.scale[k]), wide(c.shift[k]));
                }) == "");
      if (workers == 1) std::copy(dst.begin(), dst.end(), first.begin());
      else CHECK(std::equal(dst.begin(), dst.end(), first.begin()));
    }
    if (groups != channels) return;
    ia_nn::instance_norm<I> const layer(channels, span_of(c.scale), span_of(c.shift),
                                        source.epsilon);
    exact_buffer<f32> dst(src.size());
    layer.run(batch, pixels, src.data(), dst.data());
    CHECK(std::equal(dst.begin(), dst.end(), first.begin()));
  });
}

// The first channel of each pixel is `first` times as large as the others.
void check_lrn(index_t pixels, index_t channels, ia_nn::lrn_options const& o, random& r,
               f32 size = 4, f32 first = 1) {
  INFO("pixels " << pixels << " channels " << channels << " size " << o.size << " beta " << o.beta
                 << " numbers " << size << " first " << first);
  exact_buffer<f32> src(pixels * channels, 1);
  for (index_t i = 0; i < src.size(); ++i)
    src[i] = (r.coin() ? size : -size) * (i % channels == 0 ? first : 1) * r.uniform(0.25F, 2);
  std::vector<double> expected;
  for (index_t p = 0; p < pixels; ++p)
    for (double const y : lrn_reference(src.data() + p * channels, channels, o.size, wide(o.alpha),
                                        wide(o.beta), wide(o.bias),
                                        o.window == ia_nn::lrn_window::onnx))
      expected.push_back(y);
  for_each_isa<vector_isas>([&](auto tag) {
    ia_nn::lrn<decltype(tag)> const layer(channels, o);
    exact_buffer<f32> dst(src.size(), 2);
    layer.run(pixels, src.data(), dst.data(), last_task_first{2});
    CHECK(deviation(
              src.size(), dst.data(), [&](index_t i) { return expected[at(i)]; },
              [&](index_t i) {
                // Sums of squares, the root or the power, and the product. A power by way of the
                // logarithm, beta log s, is off by two roundings of that.
                double const y = std::abs(expected[at(i)]);
                double const power = std::abs(std::log(y / std::abs(wide(src[i]))));
                return (12 + static_cast<double>(o.size) + 2 * power) * f32_eps * y + 0x1p-149;
              }) == "");
    CHECK(same_in_slice(dst, channels, [&](f32* to, index_t ld) {
      layer.run(pixels, src.data(), to, ld, last_task_first{2});
    }));
  });
}

} // namespace

TEST_CASE("batch_norm") {
  random r(81);
  for (index_t const c : {1, 7, 8, 9, 15, 16, 17, 35}) check_batch_norm(r.between(1, 5), c, r);
  check_batch_norm(700, 33, r);
}

TEST_CASE("batch_norm: shapes of a list") {
  random r(82);
  for (shape_row const& row : shape_rows("batchnorm_small.csv")) {
    INFO(row.name);
    index_t const c = row.at("ic", 1);
    index_t pixels = 1;
    for (char const* axis : {"id", "ih", "iw"}) pixels *= std::min<index_t>(row.at(axis, 1), 32);
    index_t const channels = c > 70 ? 48 + c % 16 : c;
    check_batch_norm(pixels, channels, r);
    check_group_norm(1, pixels, channels, channels, {}, {}, r);
  }
}

TEST_CASE("fold_batch_norm: weights and bias do what the layer did") {
  random r(83);
  for (index_t const each : {1, 9, 30}) {
    index_t const filters = 7;
    channel_data const c(filters, r);
    exact_buffer<f32> weights(filters * each), bias(filters), x(each);
    r.fill(weights.data(), weights.size()), r.fill(bias.data(), filters), r.fill(x.data(), each);
    auto const layer = [&](index_t f) {
      double y = wide(bias[f]);
      for (index_t i = 0; i < each; ++i) y += wide(weights[f * each + i]) * wide(x[i]);
      return y;
    };
    std::vector<double> expected;
    for (index_t f = 0; f < filters; ++f)
      expected.push_back((layer(f) - wide(c.mean[f])) /
                             std::sqrt(wide(c.variance[f]) + wide(1e-5F)) * wide(c.scale[f]) +
                         wide(c.shift[f]));
    ia_nn::fold_batch_norm({weights.data(), at(weights.size())}, {bias.data(), at(bias.size())},
                           c.parameters());
    for (index_t f = 0; f < filters; ++f)
      CHECK(std::abs(layer(f) - expected[at(f)]) <= 40 * f32_eps * (4 + static_cast<double>(each)));
  }
  exact_buffer<f32> weights(7), bias(2);
  channel_data const c(2, r);
  REQUIRE_ERROR(
      ([&] { ia_nn::fold_batch_norm({weights.data(), 7}, {bias.data(), 2}, c.parameters()); }),
      errc::bad_shape, "7 weights are not the same number for each of 2 filters");
}

TEST_CASE("layer_norm") {
  random r(84);
  for (index_t const n : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 131, 768, 2049, 5000})
    for (f32 const offset : {0.0F, 100.0F})
      check_layer_norm(r.between(1, 4), n, {.offset = offset}, r);
  check_layer_norm(300, 64, {.offset = 1000}, r);
}

TEST_CASE("group_norm and instance_norm") {
  random r(85);
  for (index_t const each : {1, 2, 3, 8, 15, 16, 17, 33, 64, 65, 100, 130})
    for (index_t const groups : {1, 2, 5, 9}) {
      index_t const pixels = r.between(2, 40);
      numbers const source{.offset = r.coin() ? 0.0F : 50.0F};
      check_group_norm(r.between(1, 2), pixels, each * groups, groups, source, source, r);
    }
  for (index_t const channels : {1, 16, 31, 70})
    check_group_norm(2, 700, channels, channels, {.offset = 10}, {.offset = 10}, r);
}

// Numbers that differ in their last bits, and numbers whose squares f32 does not hold.
constexpr numbers hard_numbers[] = {
    {1e4F, 1e-3F, 1e-5F}, {12345.678F, 2e-3F, 0}, {12345.678F, 0, 1e-5F}, {0, 1e30F, 1e-5F},
    {0, 1e-30F, 0},       {1e-30F, 1e-36F, 0},    {0, 1e-42F, 0},         {0, 1e-30F, 1e-38F},
    {3e38F, 1e37F, 0},    {-1e30F, 1e24F, 1e-5F}, {1e20F, 1e19F, 1e-12F}, {0, 5e37F, 1e-5F}};

TEST_CASE("normalizations: last bits, and squares beyond f32") {
  random r(90);
  for (numbers const& s : hard_numbers) {
    for (index_t const n : {2, 9, 37, 1000, 4133}) check_layer_norm(2, n, s, r);
    numbers usual;
    usual.epsilon = s.epsilon;
    for (auto const& [channels, groups] : {std::pair{6, 3}, {70, 2}, {40, 40}, {150, 2}})
      check_group_norm(1, 50, channels, groups, usual, s, r);
    check_group_norm(2, 600, 5, 5, s, usual, r);
  }
  // The rows as they were reported.
  f32 const inf = std::numeric_limits<f32>::infinity();
  for_each_isa<vector_isas>([&](auto tag) {
    ia_nn::layer_norm<decltype(tag)> const four(4, {}, {}, 0);
    for (f32 const size : {1.0F, 1e30F, 1e-30F}) {
      exact_buffer<f32> x(8), y(8);
      f32 const row[] = {1, -1, 2, -2};
      for (index_t i = 0; i < 4; ++i) x[i] = row[i] * size, x[4 + i] = i == 2 ? inf : 1;
      four.run(2, x.data(), y.data());
      for (index_t i = 0; i < 4; ++i) {
        double const expected = wide(row[i]) / std::sqrt(2.5);
        CHECK(std::abs(wide(y[i]) - expected) <= 4 * f32_eps * std::abs(expected));
        CHECK(std::isnan(y[4 + i])); // an infinite number has no deviation
      }
    }
  });
}

TEST_CASE("normalizations: the same bits for any number of threads") {
  random r(86);
  exact_buffer<f32> src(40 * 50 * 70), first(src.size()), dst(src.size());
  r.fill(src.data(), src.size());
  channel_data const c(70, r);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    ia_nn::layer_norm<I> const rows(70);
    ia_nn::group_norm<I> const groups(70, 10);
    ia_nn::batch_norm<I> const batch(c.parameters());
    ia_nn::lrn<I> const local(70, {});
    auto const same = [&](auto&& run) {
      ia_nn::sequential one;
      run(one, first.data());
      for (int const threads : {2, 3}) {
        ia_nn::thread_pool pool(threads);
        run(pool, dst.data());
        CHECK(std::equal(first.begin(), first.end(), dst.begin()));
      }
    };
    same([&](auto& e, f32* to) { rows.run(2000, src.data(), to, e); });
    same([&](auto& e, f32* to) { groups.run(2, 1000, src.data(), to, e); });
    same([&](auto& e, f32* to) { batch.run(2000, src.data(), to, e); });
    same([&](auto& e, f32* to) { local.run(2000, src.data(), to, e); });
  });
}

TEST_CASE("lrn") {
  random r(87);
  for (index_t const c : {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 70, 1023, 1024, 1025, 2100})
    for (index_t const size : {1, 2, 3, 5, 8, 20})
      check_lrn(c > 1000 ? 1 : 2, c, {size, 0.1F, 0.75F, 1.0F}, r);
  for (f32 const beta : {0.5F, 1.0F, 0.3F, 2.0F, -0.5F}) check_lrn(3, 37, {5, 0.2F, beta, 2.0F}, r);
  check_lrn(1, 600, {511, 0.2F, 0.75F, 1.0F}, r);
  for (index_t const size : {2, 3, 8}) check_lrn(3, 37, {size, 0.2F, 0.75F, 1.0F, ia_nn::lrn_window::onnx}, r);
  // Squares beyond f32 at either end.
  for (f32 const beta : {0.5F, 0.75F, 1.0F, 0.3F})
    for (index_t const c : {3, 37, 1030}) {
      for (f32 const size : {1e17F, 1e19F, 1e20F, 1e38F})
        check_lrn(2, c, {5, 1e-4F, beta, 1}, r, size);
      for (f32 const size : {1e-17F, 1e-20F, 1e-30F}) check_lrn(2, c, {5, 0.1F, beta, 0}, r, size);
      check_lrn(2, c, {5, 1e-4F, beta, 1}, r, 1, 1e25F);
      check_lrn(2, c, {5, 1, beta, 0}, r, 1e-25F, 1e25F);
      check_lrn(2, c, {5, 1e9F, beta, 1e-30F}, r, 1e-15F);
    }
  // Powers beyond f32, of results within it.
  for (index_t const c : {3, 37}) {
    for (f32 const size : {0.0F, 1e-30F}) check_lrn(2, c, {5, 1e-4F, 2, 1e-20F}, r, size);
    check_lrn(2, c, {5, 1, 1.5F, 0}, r, 1e-14F);
    for (f32 const bias : {1.0F, 1e30F}) check_lrn(2, c, {5, 1e-4F, 1.5F, bias}, r, 1e17F);
  }
}

TEST_CASE("lrn: layers of networks, images cut to 32 and channels to 70") {
  random r(88);
  auto const number = [](shape_row const& row, char const* column) {
    auto const text = row.text.find(column);
    return text == row.text.end() ? static_cast<f32>(row.at(column, 0)) : std::stof(text->second);
  };
  for (shape_row const& row : shape_rows("lrn.csv")) {
    INFO(row.name);
    index_t const c = row.at("ic", 1);
    index_t pixels = 1;
    for (char const* axis : {"id", "ih", "iw"}) pixels *= std::min<index_t>(row.at(axis, 1), 32);
    check_lrn(
        pixels, c > 70 ? 48 + c % 16 : c,
        {row.at("local_size", 5), number(row, "alpha"), number(row, "beta"), number(row, "k")}, r);
  }
}

TEST_CASE("normalizations: errors") {
  random r(89);
  channel_data const c(3, r), other(2, r);
  auto parameters = c.parameters();
  parameters.shift = span_of(other.shift);
  REQUIRE_ERROR([&] { ia_nn::batch_norm<native>{parameters}; }, errc::bad_shape,
                "batch_norm: shift has 2 elements, there are 3 channels");
  parameters = c.parameters();
  parameters.epsilon = -8;
  REQUIRE_ERROR([&] { ia_nn::batch_norm<native>{parameters}; }, errc::bad_parameter,
                "has no inverse root");
  REQUIRE_ERROR([&] { ia_nn::batch_norm<native>{{}}; }, errc::bad_shape, "there are no channels");
  REQUIRE_ERROR([&] { ia_nn::layer_norm<native>(0); }, errc::bad_shape, "rows of 0");
  REQUIRE_ERROR([&] { ia_nn::layer_norm<native>(3, span_of(other.scale)); }, errc::bad_shape,
                "scale has 2 elements, expected 3");
  REQUIRE_ERROR([&] { ia_nn::layer_norm<native>(3, {}, {}, -1.0F); }, errc::bad_parameter,
                "epsilon is -1");
  REQUIRE_ERROR([&] { ia_nn::group_norm<native>(10, 3); }, errc::bad_shape,
                "3 groups do not divide 10 channels");
  REQUIRE_ERROR([&] { ia_nn::instance_norm<native>(2, {}, span_of(c.shift)); }, errc::bad_shape,
                "shift has 3 elements, expected 2");
  REQUIRE_ERROR(([&] { ia_nn::lrn<native>(4, {.size = 0}); }), errc::bad_parameter, "size is 0");
  REQUIRE_ERROR(([&] { ia_nn::lrn<native>(4, {.size = 512}); }), errc::bad_parameter,
                "between 1 and 511");
  REQUIRE_ERROR(([&] { ia_nn::lrn<native>(0, {}); }), errc::bad_shape, "0 channels");
  REQUIRE_ERROR(([&] { ia_nn::lrn<native>(4, {.beta = HUGE_VALF}); }), errc::bad_parameter,
                "alpha, beta or bias is inf");
}

} // namespace ia_nn_test
