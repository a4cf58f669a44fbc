// SPDX-License-Identifier: Apache-2.0
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/ops/pixel_shuffle.hpp>
#include <ia_nn/ops/resize.hpp>

namespace ia_nn_test {

namespace {

using ia_nn::resize_linear;
using ia_nn::resize_nearest;
using ia_nn::resize_places;
using ia_nn::resize_rounding;
using ia_nn::resize_shape;
using ia_nn::spatial;

/// By the definition of ONNX' operator.
double place_of(resize_shape const& s, int d, index_t o) {
  double const x = static_cast<double>(o), n = static_cast<double>(s.in[d]), m = static_cast<double>(s.out[d]);
  if (s.places == resize_places::align_corners) return s.out[d] == 1 ? 0 : x * (n - 1) / (m - 1);
  double const f = s.scale[d] > 0 ? s.scale[d] : m / n;
  return s.places == resize_places::asymmetric ? x / f : (x + 0.5) / f - 0.5;
}
template <class F> void each_element(index_t batch, resize_shape const& s, F const& f) {
  index_t i = 0;
  for (index_t b = 0; b < batch; ++b)
    for (index_t z = 0; z < s.out.depth; ++z)
      for (index_t y = 0; y < s.out.height; ++y)
        for (index_t x = 0; x < s.out.width; ++x)
          for (index_t c = 0; c < s.channels; ++c) f(i++, b, std::array<index_t, 3>{z, y, x}, c);
}

void check_linear(resize_shape const& s, random& r) {
  INFO(s.in.to_string() << " to " << s.out.to_string() << ", " << s.channels << " channels");
  index_t const batch = 2, size = batch * s.out.size() * s.channels;
  exact_buffer<f32> x(batch * s.in.size() * s.channels, 1);
  r.fill(x.data(), x.size());
  std::vector<double> expected(at(size)), norms(at(size));
  each_element(batch, s, [&](index_t i, index_t b, std::array<index_t, 3> const& o, index_t c) {
    for (int corner = 0; corner < 8; ++corner) {
      double weight = 1;
      index_t pixel = b;
      for (int d = 0; d < 3; ++d) {
        double const p = std::clamp(place_of(s, d, o[static_cast<std::size_t>(d)]), 0.0, static_cast<double>(s.in[d] - 1));
        bool const second = (corner >> d & 1) != 0;
        weight *= second ? p - std::floor(p) : 1 - (p - std::floor(p));
        pixel = pixel * s.in[d] + std::min(static_cast<index_t>(p) + (second ? 1 : 0), s.in[d] - 1);
      }
      double const term = weight * static_cast<double>(x[pixel * s.channels + c]);
      expected[at(i)] += term, norms[at(i)] += std::abs(term);
    }
  });
  for_each_isa<vector_isas>([&](auto tag) {
    resize_linear<decltype(tag)> const layer(s);
    exact_buffer<f32> y(size, 3), again(size);
    layer.run(batch, x.data(), y.data(), last_task_first{3});
    CHECK(deviation(size, y.data(), [&](index_t i) { return expected[at(i)]; },
                    [&](index_t i) { return 12 * f32_eps * norms[at(i)] + 1e-30; }) == "");
    ia_nn::thread_pool pool(2);
    layer.run(batch, x.data(), again.data(), pool);
    CHECK(std::equal(y.begin(), y.end(), again.begin()));
  });
}

template <class T> void check_nearest(resize_shape const& s, resize_rounding how, random& r) {
  INFO(s.in.to_string() << " to " << s.out.to_string() << ", " << s.channels << " channels of " << sizeof(T));
  index_t const batch = 3, size = batch * s.out.size() * s.channels;
  exact_buffer<T> x(batch * s.in.size() * s.channels);
  r.fill(x.data(), x.size());
  resize_nearest const layer(sizeof(T), s, how);
  for (int const workers : {1, 2, 3}) {
    exact_buffer<T> y(size);
    layer.run(batch, x.data(), y.data(), last_task_first{workers});
    bool right = true;
    each_element(batch, s, [&](index_t i, index_t b, std::array<index_t, 3> const& o, index_t c) {
      index_t pixel = b;
      for (int d = 0; d < 3; ++d) {
        double const p = place_of(s, d, o[static_cast<std::size_t>(d)]);
        double const q = how == resize_rounding::half_down ? std::ceil(p - 0.5)
                         : how == resize_rounding::half_up ? std::floor(p + 0.5)
                         : how == resize_rounding::down    ? std::floor(p)
                                                           : std::ceil(p);
        pixel = pixel * s.in[d] + std::clamp<index_t>(static_cast<index_t>(q), 0, s.in[d] - 1);
      }
      right = right && y[i] == x[pixel * s.channels + c];
    });
    CHECK(right);
  }
}

} // namespace

TEST_CASE("resize: linear, places, one to three axes, channels around registers") {
  random r(331);
  for (resize_places const p : {resize_places::half_pixel, resize_places::align_corners, resize_places::asymmetric})
    for (index_t const channels : {1, 3, 15, 16, 17, 35}) {
      check_linear({channels, {1, 5, 4}, {1, 10, 8}, p}, r);
      check_linear({channels, {1, 9, 7}, {1, 4, 1}, p}, r);
      check_linear({channels, {3, 2, 5}, {5, 3, 2}, p}, r);
    }
  check_linear({4, {1, 1, 6}, {1, 1, 10}, resize_places::half_pixel, {0, 0, 1.7}}, r);
  check_linear({3, {1, 1, 1}, {1, 3, 2}, resize_places::align_corners}, r);
}

TEST_CASE("resize: nearest, every rounding, pixels of few bytes and of many") {
  random r(332);
  for (resize_rounding const how : {resize_rounding::half_down, resize_rounding::half_up, resize_rounding::down, resize_rounding::up})
    for (resize_places const p : {resize_places::half_pixel, resize_places::align_corners, resize_places::asymmetric}) {
      for (index_t const channels : {1, 2, 3, 4, 5, 8, 12, 16, 70}) check_nearest<u8>({channels, {1, 4, 5}, {1, 8, 7}, p}, how, r);
      check_nearest<f32>({3, {2, 4, 3}, {4, 2, 6}, p}, how, r);
      check_nearest<bf16>({20, {1, 6, 5}, {1, 9, 13}, p, {0, 1.5, 2.6}}, how, r);
    }
}

TEST_CASE("resize: what frameworks give for known rows") {
  // torch.nn.functional.interpolate of 1 2 3 4, and ONNX' examples.
  f32 const x[] = {1, 2, 3, 4};
  auto const row = [&](resize_shape s, std::vector<f32> const& want) {
    s.in.width = 4, s.out.width = static_cast<index_t>(want.size());
    std::vector<f32> y(want.size());
    resize_linear<ia_nn::isa::native>(s).run(1, x, y.data());
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(std::abs(y[i] - want[i]) < 1e-6F);
  };
  row({.places = resize_places::half_pixel}, {1, 1.25F, 1.75F, 2.25F, 2.75F, 3.25F, 3.75F, 4});
  row({.places = resize_places::align_corners}, {1, 1.6F, 2.2F, 2.8F, 3.4F, 4});
  row({.places = resize_places::asymmetric}, {1, 1.5F, 2, 2.5F, 3, 3.5F, 4, 4});
  row({.places = resize_places::half_pixel}, {1.5F, 3.5F});
}

TEST_CASE("pixel_shuffle: both orders, there and back") {
  random r(333);
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    for (index_t const channels : {1, 3, 16})
      for (index_t const b : {1, 2, 3})
        for (auto const order : {ia_nn::shuffle_order::column_row_depth, ia_nn::shuffle_order::depth_column_row}) {
          index_t const h = 4, w = 3, size = h * w * b * b * channels;
          exact_buffer<f32> x(size), y(size), z(size);
          r.fill(x.data(), size);
          ia_nn::pixel_shuffle_shape const s{h * b, w * b, channels, b, order};
          ia_nn::pixel_shuffle<I>(4, s).run(x.data(), y.data());
          ia_nn::pixel_unshuffle<I>(4, s).run(y.data(), z.data());
          bool right = true;
          for (index_t i = 0; i < size; ++i) {
            index_t const c = i % channels, q = i / channels % (w * b), p = i / channels / (w * b), block = p % b * b + q % b;
            index_t const channel = order == ia_nn::shuffle_order::column_row_depth ? c * b * b + block : block * channels + c;
            right = right && y[i] == x[(p / b * w + q / b) * b * b * channels + channel];
          }
          CHECK(right);
          CHECK(std::equal(x.begin(), x.end(), z.begin()));
        }
  });
}

TEST_CASE("resize: errors") {
  REQUIRE_ERROR([] { resize_nearest(4, {0, {1, 2, 2}, {1, 4, 4}}); }, ia_nn::errc::bad_shape, "of 0 channels: all must be at least 1");
  REQUIRE_ERROR([] { resize_nearest(3, {1, {1, 2, 2}, {1, 4, 4}}); }, ia_nn::errc::bad_parameter, "elements of 3 bytes");
  auto const negative = [] { resize_linear<ia_nn::isa::native>({1, {1, 2, 2}, {1, 4, 4}, resize_places::half_pixel, {0, -1, 0}}); };
  REQUIRE_ERROR(negative, ia_nn::errc::bad_parameter, "scales must be positive");
  auto const block = [] { ia_nn::pixel_shuffle<ia_nn::isa::native>(4, {.height = 3, .width = 4, .channels = 2, .block = 2}); };
  REQUIRE_ERROR(block, ia_nn::errc::bad_shape, "pixel_shuffle: blocks of 2 in an image of 3 x 4 x 2");
}

} // namespace ia_nn_test
