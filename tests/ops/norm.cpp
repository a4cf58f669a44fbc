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
    layer.run(pixels, src.data(), dst.data(), ia_nn::sequential{}, ia_nn::activation::relu{});
    CHECK(deviation(
              src.size(), dst.data(), [&](index_t i) { return std::max(0.0, expected[at(i)]); },
              bound) == "");
  });
}

// x = offset + noise: mean and variance must not suffer from the offset.
void check_layer_norm(index_t rows, index_t n, f32 offset, random& r) {
  INFO("rows " << rows << " of " << n << " around " << offset);
  channel_data const c(n, r);
  exact_buffer<f32> src(rows * n, 1);
  for (f32& x : src) x = offset + r.normal();
  std::vector<double> expected, size;
  std::vector<mean_and_variance> moments;
  for (index_t row = 0; row < rows; ++row) {
    auto const x = [&](index_t i) { return wide(src[row * n + i]); };
    auto const m = moments_reference(n, x);
    moments.push_back(m);
    for (index_t i = 0; i < n; ++i) {
      double const a = wide(c.scale[i]) / std::sqrt(m.variance + wide(1e-5F));
      expected.push_back((x(i) - m.mean) * a + wide(c.shift[i]));
      // The error of the mean is one of sums of numbers as large as the deviation.
      size.push_back(std::abs((x(i) - m.mean) * a) + std::abs(wide(c.shift[i])) +
                     std::abs(a) * std::sqrt(m.variance));
    }
  }
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    constexpr double lanes = ia_nn::vec<f32, I>::size;
    // Chains of additions: at most 2048 elements in lanes, four registers at a time.
    double const chain = 8 + std::sqrt(std::min<double>(static_cast<double>(n), 2048) / lanes);
    ia_nn::layer_norm<I> const layer(n, span_of(c.scale), span_of(c.shift));
    exact_buffer<f32> dst(src.size()), mean(rows), inverse(rows);
    layer.run(rows, src.data(), dst.data(), last_task_first{2}, mean.data(), inverse.data());
    CHECK(deviation(
              src.size(), dst.data(), [&](index_t i) { return expected[at(i)]; },
              [&](index_t i) { return chain * f32_eps * size[at(i)]; }) == "");
    CHECK(deviation(
              rows, mean.data(), [&](index_t i) { return moments[at(i)].mean; },
              [&](index_t i) { return (2 * std::abs(moments[at(i)].mean) + chain) * f32_eps; }) ==
          "");
    CHECK(deviation(
              rows, inverse.data(),
              [&](index_t i) { return 1 / std::sqrt(moments[at(i)].variance + wide(1e-5F)); },
              [&](index_t i) {
                return chain * f32_eps / std::sqrt(moments[at(i)].variance + wide(1e-5F));
              }) == "");
    std::copy(src.begin(), src.end(), dst.begin());
    layer.run(rows, dst.data(), dst.data()); // in place
    CHECK(deviation(
              src.size(), dst.data(), [&](index_t i) { return expected[at(i)]; },
              [&](index_t i) { return chain * f32_eps * size[at(i)]; }) == "");
    CHECK(same_in_slice(dst, n, [&](f32* to, index_t ld) {
      layer.run(rows, src.data(), to, ld, last_task_first{2});
    }));
  });
}

void check_group_norm(index_t batch, index_t pixels, index_t channels, index_t groups, f32 offset,
                      random& r) {
  INFO("batch " << batch << " pixels " << pixels << " channels " << channels << " groups " << groups
                << " around " << offset);
  channel_data const c(channels, r);
  exact_buffer<f32> src(batch * pixels * channels, 1);
  for (f32& x : src) x = offset + r.normal();
  index_t const each = channels / groups;
  std::vector<double> expected(at(src.size())), size(at(src.size()));
  for (index_t b = 0; b < batch; ++b)
    for (index_t g = 0; g < groups; ++g) {
      auto const place = [&](index_t i) {
        return (b * pixels + i / each) * channels + g * each + i % each;
      };
      auto const m =
          moments_reference(pixels * each, [&](index_t i) { return wide(src[place(i)]); });
      for (index_t i = 0; i < pixels * each; ++i) {
        index_t const p = place(i), k = p % channels;
        double const a = wide(c.scale[k]) / std::sqrt(m.variance + wide(1e-5F));
        expected[at(p)] = (wide(src[p]) - m.mean) * a + wide(c.shift[k]);
        size[at(p)] = std::abs((wide(src[p]) - m.mean) * a) + std::abs(wide(c.shift[k])) +
                      std::abs(a) * std::sqrt(m.variance);
      }
    }
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    double const chain = 8 + std::sqrt(std::min<double>(static_cast<double>(pixels), 256));
    exact_buffer<f32> first(src.size());
    for (int const workers : {1, 2, 3}) {
      exact_buffer<f32> dst(src.size(), 3);
      ia_nn::group_norm<I> const layer(channels, groups, span_of(c.scale), span_of(c.shift));
      layer.run(batch, pixels, src.data(), dst.data(), last_task_first{workers});
      CHECK(deviation(
                src.size(), dst.data(), [&](index_t i) { return expected[at(i)]; },
                [&](index_t i) { return chain * f32_eps * size[at(i)]; }) == "");
      if (workers == 1) std::copy(dst.begin(), dst.end(), first.begin());
      else CHECK(std::equal(dst.begin(), dst.end(), first.begin()));
    }
    if (groups != channels) return;
    ia_nn::instance_norm<I> const layer(channels, span_of(c.scale), span_of(c.shift));
    exact_buffer<f32> dst(src.size());
    layer.run(batch, pixels, src.data(), dst.data());
    CHECK(std::equal(dst.begin(), dst.end(), first.begin()));
  });
}

void check_lrn(index_t pixels, index_t channels, ia_nn::lrn_options const& o, random& r) {
  INFO("pixels " << pixels << " channels " << channels << " size " << o.size << " beta " << o.beta);
  exact_buffer<f32> src(pixels * channels, 1);
  for (f32& x : src) x = 4 * r.normal();
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
                // Sums of squares, the root or the power, and the product.
                return (12 + static_cast<double>(o.size)) * f32_eps * std::abs(expected[at(i)]);
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
    check_group_norm(1, pixels, channels, channels, 0, r);
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
    for (f32 const offset : {0.0F, 100.0F}) check_layer_norm(r.between(1, 4), n, offset, r);
  check_layer_norm(300, 64, 1000.0F, r);
}

TEST_CASE("group_norm and instance_norm") {
  random r(85);
  for (index_t const each : {1, 2, 3, 8, 15, 16, 17, 33, 64, 65, 100, 130})
    for (index_t const groups : {1, 2, 5, 9}) {
      index_t const pixels = r.between(2, 40);
      check_group_norm(r.between(1, 2), pixels, each * groups, groups, r.coin() ? 0.0F : 50.0F, r);
    }
  for (index_t const channels : {1, 16, 31, 70})
    check_group_norm(2, 700, channels, channels, 10.0F, r);
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
