// SPDX-License-Identifier: Apache-2.0
//
// Suppression, decoding and priors against naive loops in double, and against what torchvision and
// onnxruntime give (tools/make_golden_detection.py).
#include "op_support.hpp"

#include <ia_nn/exec/thread_pool.hpp>
#include <ia_nn/io/safetensors.hpp>
#include <ia_nn/ops/detection/decode.hpp>
#include <ia_nn/ops/detection/priors.hpp>
#include <ia_nn/ops/detection/suppression.hpp>

#include <array>
#include <set>

namespace ia_nn_test {
namespace {

using ia_nn::box_decoder;
using ia_nn::box_decoding;
using ia_nn::suppression;
using ia_nn::suppression_call;
using ia_nn::suppression_shape;

constexpr f32 inf = std::numeric_limits<f32>::infinity();
constexpr f32 nan_value = std::numeric_limits<f32>::quiet_NaN();

struct found {
  index_t image, k, box;
  friend bool operator==(found const&, found const&) = default;
};

double area_of(f32 const* b) {
  for (int d = 0; d < 4; ++d)
    if (std::isnan(b[d])) return 0;
  double const w = static_cast<double>(b[2]) - static_cast<double>(b[0]);
  double const h = static_cast<double>(b[3]) - static_cast<double>(b[1]);
  return w > 0 && h > 0 ? w * h : 0;
}
double iou(f32 const* a, f32 const* b) {
  double const all = area_of(a), own = area_of(b);
  if (all == 0 || own == 0) return 0;
  double const w = static_cast<double>(std::min(a[2], b[2])) - static_cast<double>(std::max(a[0], b[0]));
  double const h = static_cast<double>(std::min(a[3], b[3])) - static_cast<double>(std::max(a[1], b[1]));
  double const common = w > 0 && h > 0 ? w * h : 0;
  return common / (all + own - common);
}

// Sorts and compares all with all. `boxes` are whole numbers, so IoUs are exact but for the division.
std::vector<found> reference(suppression_shape const& s, index_t batch, f32 const* boxes,
                             f32 const* scores) {
  std::vector<found> all;
  for (index_t image = 0; image < batch; ++image) {
    auto const score = [&](index_t k, index_t i) { return scores[(image * s.boxes + i) * s.classes + k]; };
    auto const box = [&](index_t k, index_t i) {
      index_t const at = image * s.boxes + i;
      return boxes + (s.boxes_of_classes ? at * s.classes + k : at) * 4;
    };
    std::vector<found> of_image;
    for (index_t k = 0; k < s.classes; ++k) {
      if (k == s.background) continue;
      std::vector<index_t> order, kept;
      for (index_t i = 0; i < s.boxes; ++i)
        if (score(k, i) > s.score_threshold) order.push_back(i);
      std::sort(order.begin(), order.end(), [&](index_t a, index_t b) {
        return score(k, a) != score(k, b) ? score(k, a) > score(k, b) : a < b;
      });
      if (std::ssize(order) > s.candidates) order.resize(at(s.candidates));
      for (index_t const i : order) {
        bool good = std::ssize(kept) < s.per_class;
        for (index_t const j : kept)
          good = good && !(iou(box(k, i), box(k, j)) > static_cast<double>(s.iou_threshold));
        if (good) kept.push_back(i);
      }
      for (index_t const i : kept) of_image.push_back({image, k, i});
    }
    std::sort(of_image.begin(), of_image.end(), [&](found const& a, found const& b) {
      f32 const x = score(a.k, a.box), y = score(b.k, b.box);
      return x != y ? x > y : a.k != b.k ? a.k < b.k : a.box < b.box;
    });
    if (std::ssize(of_image) > s.detections) of_image.resize(at(s.detections));
    all.insert(all.end(), of_image.begin(), of_image.end());
  }
  return all;
}

struct results {
  exact_buffer<s32> counts, indices, classes;
  exact_buffer<f32> rows;
  suppression_shape s;
  index_t batch;
  results(suppression_shape const& shape, index_t n)
      : counts(n), indices(n * shape.detections), classes(n * shape.detections, 1),
        rows(n * shape.detections * 6, 3), s(shape), batch(n) {}

  template <class I, class E> void run(f32 const* boxes, f32 const* scores, int workers, E&& e) {
    suppression<I> const layer(s, batch, workers);
    ia_nn::workspace scratch(layer.workspace_bytes());
    layer.run({.batch = batch, .boxes = boxes, .scores = scores, .counts = counts.data(),
               .indices = indices.data(), .classes = classes.data(), .rows = rows.data()},
              scratch, e);
  }
  // The list, and whether rows and the rest say the same.
  std::vector<found> list(f32 const* boxes, f32 const* scores) const {
    std::vector<found> all;
    for (index_t image = 0; image < batch; ++image)
      for (index_t d = 0; d < s.detections; ++d) {
        index_t const o = image * s.detections + d, i = indices[o], k = classes[o];
        f32 const* const row = rows.data() + o * 6;
        if (d >= counts[image]) {
          CHECK((i == -1 && k == -1 && row[0] == -1));
          for (int x = 1; x < 6; ++x) CHECK(row[x] == 0);
          continue;
        }
        all.push_back({image, k, i});
        index_t const b = image * s.boxes + i;
        f32 const* const box = boxes + (s.boxes_of_classes ? b * s.classes + k : b) * 4;
        CHECK((row[0] == static_cast<f32>(k) && row[1] == scores[b * s.classes + k]));
        CHECK(std::memcmp(row + 2, box, 16) == 0);
      }
    return all;
  }
};

ia_nn::safetensors const& golden() {
  static ia_nn::safetensors const file = ia_nn::load_safetensors(IA_NN_GOLDEN "/detection.safetensors");
  return file;
}
std::vector<f32> of(std::string const& name) { return golden().to_f32(name, golden().at(name).shape); }

} // namespace

TEST_CASE("suppression: random boxes, against a naive one") {
  random r(401);
  for (int round = 0; round < 60; ++round) {
    suppression_shape s{.boxes = r.between(1, 90), .classes = r.between(1, 4)};
    s.boxes_of_classes = r.coin();
    s.background = r.between(-1, s.classes - 1);
    s.score_threshold = r.coin() ? 0.25F : -inf;
    s.iou_threshold = static_cast<f32>(r.between(0, 8)) / 8;
    s.candidates = r.between(1, 100), s.per_class = r.between(1, 70), s.detections = r.between(1, 120);
    index_t const batch = r.between(1, 3), boxes = batch * s.boxes * (s.boxes_of_classes ? s.classes : 1);
    exact_buffer<f32> box(boxes * 4), score(batch * s.boxes * s.classes, 1);
    index_t const side = r.coin() ? 12 : 60; // crowded or not
    for (index_t i = 0; i < boxes; ++i)
      for (int d = 0; d < 2; ++d) {
        box[i * 4 + d] = static_cast<f32>(r.between(0, side));
        box[i * 4 + 2 + d] = box[i * 4 + d] + static_cast<f32>(r.between(r.coin() ? 1 : -2, 12));
      }
    for (index_t i = 0; i < 4; ++i) // and what is none
      if (r.coin()) box[r.between(0, boxes * 4 - 1)] = r.coin() ? nan_value : inf;
    for (f32& x : score) {
      x = static_cast<f32>(r.between(-4, 12)) / 12; // many are equal
      if (r.between(0, 20) == 0) x = r.coin() ? nan_value : r.coin() ? inf : -0.0F;
    }
    // Two infinite areas have no ratio in the reference: keep one infinite corner a list at most.
    index_t infinite = 0;
    for (f32& x : box)
      if (x == inf && infinite++ > 0) x = 5;
    std::vector<found> const want = reference(s, batch, box.data(), score.data());
    INFO("boxes " << s.boxes << " classes " << s.classes << " IoU " << s.iou_threshold << " batch " << batch);
    for_each_isa<vector_isas>([&](auto tag) {
      results got(s, batch);
      got.run<decltype(tag)>(box.data(), score.data(), 2, last_task_first{2});
      CHECK(got.list(box.data(), score.data()) == want);
    });
  }
}

TEST_CASE("suppression: ties, boxes without area, NaN") {
  // Four classes with one sort of trouble each, the boxes are those of the class.
  constexpr f32 b[5][4][4] = {
      // equal boxes and scores   no area         a NaN                       touching
      {{0, 0, 4, 4}, {1, 1, 1, 9}, {0, 0, nan_value, 4}, {0, 0, 4, 4}},
      {{0, 0, 4, 4}, {1, 1, 1, 9}, {0, 0, 4, 4}, {4, 0, 8, 4}},
      {{0, 0, 4, 4}, {5, 5, 2, 2}, {0, 0, 4, 4}, {0, 4, 4, 8}},
      {{0, 0, 4, 4}, {0, 0, 9, 9}, {nan_value, 0, 4, 4}, {0, 0, 4, 4}},
      {{0, 0, 4, 4}, {0, 0, 9, 9}, {0, 0, 4, 4}, {1, 0, 4, 4}}};
  f32 const score[5][4] = {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, nan_value}, {1, 1, nan_value, 1}};
  suppression_shape const s{.boxes = 5, .classes = 4, .boxes_of_classes = true, .iou_threshold = 0};
  std::vector<found> const want{{0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 1, 2}, {0, 1, 3}, {0, 2, 0},
                                {0, 2, 1}, {0, 2, 3}, {0, 3, 0}, {0, 3, 1}, {0, 3, 2}};
  CHECK(reference(s, 1, &b[0][0][0], &score[0][0]) == want);
  for_each_isa<vector_isas>([&](auto tag) {
    results got(s, 1);
    got.run<decltype(tag)>(&b[0][0][0], &score[0][0], 1, ia_nn::sequential{});
    CHECK(got.list(&b[0][0][0], &score[0][0]) == want);
  });
  // An overlap of exactly the threshold is none: 8 of 16.
  f32 const half[] = {0, 0, 4, 4, 0, 0, 4, 2}, two[] = {1, 0.5F};
  for (f32 const limit : {0.5F, 0.49F}) {
    results got({.boxes = 2, .iou_threshold = limit}, 1);
    got.run<ia_nn::isa::native>(half, two, 1, ia_nn::sequential{});
    CHECK(got.counts[0] == (limit == 0.5F ? 2 : 1));
  }
}

TEST_CASE("suppression: the same bits for any number of threads") {
  random r(402);
  suppression_shape const s{.boxes = 300, .classes = 5, .detections = 70};
  exact_buffer<f32> box(2 * 300 * 4), score(2 * 300 * 5);
  for (index_t i = 0; i < 600; ++i)
    for (int d = 0; d < 2; ++d) {
      box[i * 4 + d] = r.uniform(0, 50);
      box[i * 4 + 2 + d] = box[i * 4 + d] + r.uniform(1, 20);
    }
  for (f32& x : score) x = r.uniform(0, 1);
  for_each_isa<vector_isas>([&](auto tag) {
    results first(s, 2);
    first.run<decltype(tag)>(box.data(), score.data(), 1, ia_nn::sequential{});
    for (int const threads : {1, 2, 3}) {
      ia_nn::thread_pool pool(threads);
      results got(s, 2);
      got.run<decltype(tag)>(box.data(), score.data(), 2, pool); // 3 workers are more than it was told of
      CHECK(std::equal(first.indices.begin(), first.indices.end(), got.indices.begin()));
      CHECK(std::memcmp(first.rows.data(), got.rows.data(), at(first.rows.size()) * 4) == 0);
    }
  });
}

TEST_CASE("suppression: onnxruntime finds the same") {
  std::vector<f32> const box = of("suppress.boxes"), score = of("suppress.scores");
  std::vector<s32> const said = golden().copy<s32>("suppress.found", golden().at("suppress.found").shape);
  std::set<std::array<index_t, 3>> want, got;
  for (std::size_t i = 0; i < said.size(); i += 3)
    want.insert({static_cast<index_t>(said[i]), static_cast<index_t>(said[i + 1]),
                 static_cast<index_t>(said[i + 2])});
  results all({.boxes = 60, .classes = 3, .score_threshold = 0.25F, .iou_threshold = 0.3F, .per_class = 7}, 2);
  all.run<ia_nn::isa::native>(box.data(), score.data(), 1, ia_nn::sequential{});
  for (found const& f : all.list(box.data(), score.data())) got.insert({f.image, f.k, f.box});
  CHECK(want == got);
  CHECK(want.size() > 30);
}

TEST_CASE("suppression: errors") {
  using ia_nn::errc;
  auto const fails = [](suppression_shape const& s, errc code, char const* words) {
    REQUIRE_ERROR([&] { suppression<ia_nn::isa::native> layer(s); }, code, words);
  };
  fails({.boxes = 0}, errc::bad_shape, "0 boxes of 1 classes");
  fails({.boxes = index_t{1} << 31, .classes = 3}, errc::bad_shape, "less than 2^32 scores");
  fails({.score_threshold = nan_value}, errc::bad_parameter, "must be a number");
  fails({.iou_threshold = 1.5F}, errc::bad_parameter, "in [0, 1]");
  fails({.classes = 3, .background = 3}, errc::bad_parameter, "class 3 of 3");
  fails({.detections = 0}, errc::bad_parameter, "0 detections");
}

TEST_CASE("box_decoder: against double, around registers") {
  random r(403);
  for (index_t const boxes : {1, 7, 8, 9, 15, 16, 17, 35, 1030})
    for (index_t const classes : {1, 3}) {
      bool const of_images = r.coin(), clips = r.coin();
      box_decoding const d{.boxes = boxes, .classes = classes, .variances = {0.1F, 0.1F, 0.2F, 0.2F},
                           .image_height = clips ? 80.0F : 0.0F, .image_width = clips ? 120.0F : 0.0F};
      index_t const batch = 2, n = batch * boxes * classes;
      exact_buffer<f32> deltas(n * 4), to(n * 4, 1), from((of_images ? batch : 1) * boxes * 4, 3);
      for (index_t i = 0; i < from.size(); ++i)
        from[i] = i % 4 < 2 ? r.uniform(0, 90) : from[i - 2] + r.uniform(1, 50);
      for (f32& x : deltas) x = 4 * r.normal();
      for (index_t i = 2; i < n * 4; i += 52) deltas[i] = 100; // beyond the limit
      if (n > 3) deltas[13] = nan_value, deltas[10] = inf, deltas[11] = -inf;
      auto const expected = [&](index_t i) {
        index_t const box = i / 4 / classes, axis = i % 2;
        f32 const* const ref = from.data() + (of_images ? box : box % boxes) * 4;
        f32 const* const delta = deltas.data() + i / 4 * 4;
        double const low = static_cast<double>(ref[axis]), w = static_cast<double>(ref[axis + 2]) - low;
        double const x = low + w / 2 + static_cast<double>(delta[axis]) * static_cast<double>(d.variances[axis]) * w;
        double const grow = static_cast<double>(delta[axis + 2]) * static_cast<double>(d.variances[2]);
        double const wide = w * std::exp(grow > std::log(62.5) ? std::log(62.5) : grow);
        return std::array<double, 3>{i % 4 < 2 ? x - wide / 2 : x + wide / 2, std::abs(x) + wide * (4 + (std::isinf(grow) ? 0 : std::abs(grow))) + w,
                                     axis == 0 ? 120.0 : 80.0};
      };
      for_each_isa<vector_isas>([&](auto tag) {
        box_decoder<decltype(tag)> const layer(d);
        layer.run(batch, deltas.data(), from.data(), of_images, to.data(), last_task_first{2});
        CHECK(deviation(
                  n * 4, to.data(),
                  [&](index_t i) {
                    double const x = expected(i)[0], most = expected(i)[2];
                    return clips && x < 0 ? 0 : clips && x > most ? most : x;
                  },
                  [&](index_t i) { return 8 * f32_eps * (std::isfinite(expected(i)[1]) ? expected(i)[1] : 0); }) == "");
        exact_buffer<f32> again(n * 4);
        std::copy(deltas.begin(), deltas.end(), again.begin());
        ia_nn::thread_pool pool(3);
        layer.run(batch, again.data(), from.data(), of_images, again.data(), pool); // in place
        CHECK(std::memcmp(again.data(), to.data(), at(n) * 16) == 0);
      });
    }
  REQUIRE_ERROR([] { box_decoder<ia_nn::isa::native>({.boxes = 0}); }, ia_nn::errc::bad_shape, "0 boxes");
  REQUIRE_ERROR([] { box_decoder<ia_nn::isa::native>({.image_height = 3}); }, ia_nn::errc::bad_parameter,
                "image of 3 x 0");
}

TEST_CASE("box_decoder: torchvision decodes the same") {
  std::vector<f32> const from = of("decode.references"), deltas = of("decode.deltas");
  for (bool const clips : {false, true}) {
    std::vector<f32> const want = of(clips ? "decode.clipped" : "decode.boxes");
    std::vector<f32> got(want.size());
    box_decoder<ia_nn::isa::native> const layer({.boxes = 37, .classes = 3, .variances = {0.1F, 0.1F, 0.2F, 0.2F},
                                                 .image_height = clips ? 180.0F : 0.0F,
                                                 .image_width = clips ? 240.0F : 0.0F});
    layer.run(1, deltas.data(), from.data(), false, got.data());
    CHECK(deviation(
              static_cast<index_t>(want.size()), got.data(), [&](index_t i) { return static_cast<double>(want[at(i)]); },
              [&](index_t) { return 2e-3; }) == ""); // boxes of up to 6000
  }
}

TEST_CASE("priors and anchors are those of torchvision, and constants of the compiler") {
  static constexpr double two[] = {2}, both[] = {2, 3};
  // Scales 0.2, 0.55, 0.9 and 1.
  static constexpr ia_nn::prior_map maps[] = {{5, 4, 0.2, 0.55, two, 8}, {3, 2, 0.55, 0.9, both, 16}, {1, 1, 0.9, 1.0, two, 33}};
  static constexpr auto priors = [] {
    std::array<f32, static_cast<std::size_t>(ia_nn::prior_count(maps)) * 4> p{};
    ia_nn::make_priors(40, 33, maps, p);
    return p;
  }();
  std::vector<f32> const want = of("priors");
  REQUIRE(want.size() == priors.size());
  CHECK(deviation(
            static_cast<index_t>(want.size()), priors.data(), [&](index_t i) { return static_cast<double>(want[at(i)]); },
            [](index_t) { return 1e-5; }) == "");

  static constexpr double small[] = {32, 64}, large[] = {128}, three[] = {0.5, 1, 2}, wide[] = {1, 3};
  // As AnchorGenerator finds them: whole pixels from map to map.
  static constexpr ia_nn::anchor_map grids[] = {{5, 4, 8, 8, small, three}, {3, 2, 13, 16, large, wide}};
  static constexpr auto anchors = [] {
    std::array<f32, static_cast<std::size_t>(ia_nn::anchor_count(grids)) * 4> a{};
    ia_nn::make_anchors(grids, a);
    return a;
  }();
  std::vector<f32> const same = of("anchors");
  REQUIRE(same.size() == anchors.size());
  CHECK(std::equal(same.begin(), same.end(), anchors.begin()));

  std::vector<f32> few(3);
  REQUIRE_ERROR([&] { ia_nn::make_priors(40, 33, maps, few); }, ia_nn::errc::bad_shape, "3 numbers for 120 boxes");
  ia_nn::anchor_map const none[] = {{0, 4, 8, 8, small, three}};
  REQUIRE_ERROR([&] { ia_nn::make_anchors(none, {}); }, ia_nn::errc::bad_shape, "a map of 0 x 4");
  static constexpr double bad[] = {-1};
  ia_nn::prior_map const negative[] = {{1, 1, 0.1, 0.2, bad, 8}};
  few.resize(16);
  REQUIRE_ERROR([&] { ia_nn::make_priors(40, 33, negative, few); }, ia_nn::errc::bad_parameter, "above 0");
}

} // namespace ia_nn_test
