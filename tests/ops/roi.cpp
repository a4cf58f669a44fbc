// SPDX-License-Identifier: Apache-2.0
//
// Regions of interest against naive loops, and against onnxruntime, which has the
// arithmetic of torchvision (tools/make_golden_detection.py).
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/ops/detection/roi.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::roi_call;
using ia_nn::roi_kind;
using ia_nn::roi_pooling;
using ia_nn::roi_shape;

struct wanted {
  double value = 0, magnitude = 0;
  bool clear = true; ///< no sample lies on the bound of what counts
};

// One element. Where cells begin is decided in f32, as torchvision's loop does.
wanted maximum_of(roi_shape const& s, f32 const* image, f32 const* box, index_t oy, index_t ox, index_t c) {
  index_t from[2], to[2];
  for (int d = 0; d < 2; ++d) {
    index_t const extent = d == 0 ? s.width : s.height, out = d == 0 ? s.out_width : s.out_height;
    f32 const o = static_cast<f32>(d == 0 ? ox : oy);
    auto const first = static_cast<index_t>(std::round(box[d] * s.scale));
    auto const last = static_cast<index_t>(std::round(box[2 + d] * s.scale));
    f32 const each = static_cast<f32>(std::max<index_t>(last - first + 1, 1)) / static_cast<f32>(out);
    from[d] = std::clamp<index_t>(static_cast<index_t>(std::floor(o * each)) + first, 0, extent);
    to[d] = std::clamp<index_t>(static_cast<index_t>(std::ceil((o + 1) * each)) + first, 0, extent);
  }
  bool any = false;
  double most = -HUGE_VAL;
  for (index_t y = from[1]; y < to[1]; ++y)
    for (index_t x = from[0]; x < to[0]; ++x, any = true) {
      auto const v = static_cast<double>(image[(y * s.width + x) * s.channels + c]);
      if (v > most || std::isnan(v)) most = v;
    }
  return {any ? most : 0};
}
wanted mean_of(roi_shape const& s, f32 const* image, f32 const* box, index_t oy, index_t ox, index_t c) {
  double start[2], each[2];
  index_t grid[2];
  for (int d = 0; d < 2; ++d) {
    double const offset = s.aligned ? 0.5 : 0, scale = static_cast<double>(s.scale);
    start[d] = static_cast<double>(box[d]) * scale - offset;
    double length = static_cast<double>(box[2 + d]) * scale - offset - start[d];
    if (!s.aligned) length = std::max(length, 1.0);
    each[d] = length / static_cast<double>(d == 0 ? s.out_width : s.out_height);
    grid[d] = s.sampling > 0 ? s.sampling : std::max<index_t>(static_cast<index_t>(std::ceil(each[d])), 0);
  }
  wanted w;
  auto const pixel = [&](index_t y, index_t x) {
    return static_cast<double>(image[(y * s.width + x) * s.channels + c]);
  };
  double const h = static_cast<double>(s.height), width = static_cast<double>(s.width);
  auto const near = [](double a, double b) { return std::abs(a - b) < 1e-4; };
  for (index_t i = 0; i < grid[1]; ++i)
    for (index_t j = 0; j < grid[0]; ++j) {
      auto const place = [&](int d, index_t o, index_t k) {
        return start[d] + (static_cast<double>(o) + (static_cast<double>(k) + 0.5) / static_cast<double>(grid[d])) * each[d];
      };
      double y = place(1, oy, i), x = place(0, ox, j);
      if (near(y, -1) || near(x, -1) || near(y, h) || near(x, width)) w.clear = false;
      if (y < -1 || y > h || x < -1 || x > width) continue;
      y = std::clamp(y, 0.0, h - 1), x = std::clamp(x, 0.0, width - 1);
      auto const y0 = static_cast<index_t>(y), x0 = static_cast<index_t>(x);
      index_t const y1 = std::min(y0 + 1, s.height - 1), x1 = std::min(x0 + 1, s.width - 1);
      double const ly = y - static_cast<double>(y0), lx = x - static_cast<double>(x0);
      w.value += (1 - ly) * ((1 - lx) * pixel(y0, x0) + lx * pixel(y0, x1)) +
                 ly * ((1 - lx) * pixel(y1, x0) + lx * pixel(y1, x1));
      for (index_t const yy : {y0, y1})
        for (index_t const xx : {x0, x1}) w.magnitude += std::abs(pixel(yy, xx));
    }
  double const all = static_cast<double>(std::max<index_t>(grid[0] * grid[1], 1));
  return {w.value / all, w.magnitude / all, w.clear};
}

struct problem {
  roi_shape s;
  index_t batch, count;
  exact_buffer<f32> src, boxes;
  exact_buffer<s32> images;

  problem(roi_shape const& shape, index_t n, index_t k, random& r)
      : s(shape), batch(n), count(k), src(n * s.height * s.width * s.channels, 1), boxes(k * 4, 3), images(k) {
    r.fill(src.data(), src.size());
    for (s32& i : images) i = static_cast<s32>(r.between(0, n - 1));
    // Eighths of the image's units, which are exact; some are outside, turned around or larger than it.
    for (index_t i = 0; i < k * 4; ++i) {
      index_t const most = 8 * (i % 2 == 0 ? s.width : s.height), first = i % 4 < 2 ? 0 : i - 2;
      f32 const low = i % 4 < 2 ? 0 : boxes[first] * s.scale * 8;
      index_t const from = r.between(0, 4) == 0 ? -most : 0;
      boxes[i] = (low + static_cast<f32>(r.between(from, most)) + 0.5F) / 8 / s.scale;
    }
  }
  index_t size() const { return count * s.out_height * s.out_width * s.channels; }
};

ia_nn::safetensors const& golden() {
  static ia_nn::safetensors const file = ia_nn::load_safetensors(IA_NN_GOLDEN "/detection.safetensors");
  return file;
}
std::vector<f32> of(std::string const& name) { return golden().to_f32(name, golden().at(name).shape); }

} // namespace

TEST_CASE("roi: max and align against naive loops") {
  random r(411);
  for (int round = 0; round < 40; ++round) {
    index_t const channels[] = {1, 7, 8, 9, 15, 16, 17, 35, 64, 70};
    roi_shape s{.channels = channels[round % 10], .height = r.between(1, 20), .width = r.between(1, 20),
                .out_height = r.between(1, 5), .out_width = r.between(1, 5),
                .scale = r.coin() ? 0.0625F : 1.0F, .sampling = r.between(0, 6), .aligned = r.coin()};
    problem const p(s, 2, 6, r);
    for (roi_kind const kind : {roi_kind::max, roi_kind::align}) {
      std::vector<wanted> want;
      for (index_t i = 0; i < p.size(); ++i) {
        index_t const c = i % s.channels, ox = i / s.channels % s.out_width,
                      oy = i / s.channels / s.out_width % s.out_height, k = i * p.count / p.size();
        f32 const* const image = p.src.data() + p.images[k] * s.height * s.width * s.channels;
        want.push_back((kind == roi_kind::max ? maximum_of : mean_of)(s, image, p.boxes.data() + k * 4, oy, ox, c));
      }
      for_each_isa<vector_isas>([&](auto tag) {
        roi_pooling<decltype(tag)> const layer(kind, s);
        exact_buffer<f32> dst(p.size(), 1), again(p.size());
        roi_call call{.count = p.count, .src = p.src.data(), .boxes = p.boxes.data(), .images = p.images.data(),
                      .dst = dst.data()};
        layer.run(call);
        INFO("kind " << static_cast<int>(kind) << " channels " << s.channels << " sampling " << s.sampling);
        CHECK(deviation(
                  p.size(), dst.data(), [&](index_t i) { return want[at(i)].value; },
                  [&](index_t i) {
                    wanted const& w = want[at(i)];
                    // Positions of up to 128 pixels: eight roundings of 2^-17 each, and of the sum.
                    return !w.clear ? HUGE_VAL : kind == roi_kind::max ? 0.0 : (8 * 0x1p-17 + 160 * f32_eps) * w.magnitude;
                  }) == "");
        for (int const threads : {1, 2, 3}) {
          ia_nn::thread_pool pool(threads);
          call.dst = again.data();
          std::fill(again.begin(), again.end(), 9.0F);
          layer.run(call, pool);
          CHECK(std::memcmp(dst.data(), again.data(), at(p.size()) * 4) == 0);
        }
      });
    }
  }
}

TEST_CASE("roi: onnxruntime gives the same") {
  std::vector<f32> const src = of("regions.src"), boxes = of("regions.boxes");
  std::vector<s32> const images = golden().copy<s32>("regions.images", golden().at("regions.images").shape);
  auto const check = [&](char const* name, roi_kind kind, index_t sampling, bool aligned, double tolerance) {
    INFO(name);
    std::vector<f32> const want = of(std::string("regions.") + name);
    std::vector<f32> got(want.size());
    roi_pooling<ia_nn::isa::native> const layer(kind, {.channels = 5, .height = 13, .width = 11, .out_height = 7,
                                                       .out_width = 5, .scale = 1.0F / 16, .sampling = sampling,
                                                       .aligned = aligned});
    layer.run({.count = 6, .src = src.data(), .boxes = boxes.data(), .images = images.data(), .dst = got.data()});
    CHECK(deviation(
              static_cast<index_t>(want.size()), got.data(), [&](index_t i) { return static_cast<double>(want[at(i)]); },
              [&](index_t) { return tolerance; }) == "");
  };
  check("align", roi_kind::align, 2, false, 1e-5);
  check("aligned", roi_kind::align, 2, true, 1e-5);
  check("adaptive", roi_kind::align, 0, false, 1e-5);
  check("adaptive_aligned", roi_kind::align, 0, true, 1e-5);
  check("max", roi_kind::max, 0, false, 1e-30);
}

TEST_CASE("roi: NaN, boxes that are none, boxes far larger than the image") {
  f32 const nan_value = std::numeric_limits<f32>::quiet_NaN(), inf = std::numeric_limits<f32>::infinity();
  exact_buffer<f32> src(3 * 3 * 17), dst(5 * 17);
  for (index_t i = 0; i < src.size(); ++i) src[i] = static_cast<f32>(i / 17 + 1);
  f32 const boxes[5][4] = {{0, 0, nan_value, 2}, {-inf, 0, 2, 2}, {0, 0, 1e9F, 2}, {9, 9, 12, 12}, {-4e6F, -4e6F, 4e6F, 4e6F}};
  for_each_isa<vector_isas>([&](auto tag) {
    for (roi_kind const kind : {roi_kind::max, roi_kind::align}) {
      roi_pooling<decltype(tag)> const layer(kind, {.channels = 17, .height = 3, .width = 3});
      layer.run({.count = 5, .src = src.data(), .boxes = &boxes[0][0], .dst = dst.data()});
      for (index_t i = 0; i < 4 * 17; ++i) CHECK(dst[i] == 0);
      f32 const all = dst[4 * 17]; // 9 of the pixels, or a mean with next to none of the samples
      CHECK((kind == roi_kind::max ? all == 9 : all >= 0 && all < 1e-6F));
    }
    src[17] = nan_value; // a pixel of channel 0
    f32 const whole[] = {0, 0, 2, 2};
    roi_pooling<decltype(tag)>(roi_kind::max, {.channels = 17, .height = 3, .width = 3})
        .run({.count = 1, .src = src.data(), .boxes = whole, .dst = dst.data()});
    CHECK((std::isnan(dst[0]) && dst[1] == 9));
    src[17] = 2;
  });
  REQUIRE_ERROR([] { roi_pooling<ia_nn::isa::native>(roi_kind::max, {.width = 0}); }, ia_nn::errc::bad_shape, "1 x 0 x 1");
  REQUIRE_ERROR([] { roi_pooling<ia_nn::isa::native>(roi_kind::max, {.scale = 0}); }, ia_nn::errc::bad_parameter, "a scale of 0");
}

TEST_CASE("roi: so many boxes of each image") {
  random r(412);
  problem p({.channels = 3, .height = 6, .width = 5, .out_height = 2, .out_width = 2, .sampling = 2}, 3, 6, r);
  for (index_t i = 0; i < 6; ++i) p.images[i] = static_cast<s32>(i / 2);
  exact_buffer<f32> a(p.size()), b(p.size());
  roi_pooling<ia_nn::isa::native> const layer(roi_kind::align, p.s);
  layer.run({.count = 6, .src = p.src.data(), .boxes = p.boxes.data(), .images = p.images.data(), .dst = a.data()});
  layer.run({.count = 6, .src = p.src.data(), .boxes = p.boxes.data(), .per_image = 2, .dst = b.data()});
  CHECK(std::equal(a.begin(), a.end(), b.begin()));
}

} // namespace ia_nn_test
