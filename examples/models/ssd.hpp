// SPDX-License-Identifier: Apache-2.0
//
// SSD (Liu et al., Single Shot MultiBox Detector, 2016) for images of 300 x 300: six maps of an image, from each
// of which a 3x3 reads the classes of some boxes around every pixel, and another how these priors are to be
// moved and stretched. Then boxes that overlap better ones of their class are left out.
//
//   ssd_vgg16       on VGG-16; names, priors and thresholds of torchvision's ssd300_vgg16
//   ssd_mobilenet   on MobileNet v1; names of the widespread PyTorch model mb1-ssd
//
// Results are (batch, 200, 6): class, score, x0, y0, x1, y1 in pixels, the best first; behind the last one the
// class is -1. Files of weights have no priors: with_priors<ssd_vgg16>(source) adds them.
#pragma once

#include "blocks.hpp"

#include <ia_nn/ops/detection/priors.hpp>

#include <array>
#include <string>
#include <vector>

namespace models {

namespace ssd_detail {

inline constexpr double few[] = {2}, more[] = {2, 3};
using maps = std::array<ia_nn::prior_map, 6>;

/// Boxes (batch, n, 4) in pixels and scores (batch, n, classes) of all priors.
struct found {
  graph::value boxes, scores;
};

/// What both end with.
struct head {
  maps const& priors;
  index_t classes;
  graph::label deltas, scores; ///< with the number of a map behind

  constexpr found operator()(graph::value const (&map)[6]) const {
    constexpr auto rows = graph::order::channels_last; // of filters (box, number), as PyTorch permutes them
    graph::value all_deltas[6], all_scores[6];
    for (int i = 0; i < 6; ++i) {
      auto const at = static_cast<std::size_t>(i);
      index_t const boxes = 2 + 2 * static_cast<index_t>(priors[at].ratios.size()),
                    n = boxes * priors[at].height * priors[at].width;
      all_deltas[i] = reshape(conv2d(map[i], {.filters = 4 * boxes, .kernel = 3, .pad = 1, .name = deltas + i}), {n, 4},
                              {.order = rows});
      all_scores[i] = reshape(conv2d(map[i], {.filters = classes * boxes, .kernel = 3, .pad = 1, .name = scores + i}),
                              {n, classes}, {.order = rows});
    }
    auto const moves = graph::concat(all_deltas, 6, {.axis = 1}), logits = graph::concat(all_scores, 6, {.axis = 1});
    auto const from = parameter(moves, {.shape = {ia_nn::prior_count(priors), 4}, .order = rows, .name = "priors"});
    auto const boxes = decode_boxes(
        moves, from, {.centre_variance = 0.1F, .size_variance = 0.2F, .image_height = 300, .image_width = 300});
    return {boxes, graph::softmax(logits)};
  }
};
constexpr graph::value best(found const& all) {
  return suppress(all.boxes, all.scores,
                  {.score_threshold = 0.01F, .iou_threshold = 0.45F, .background = 0, .per_class = 400});
}

constexpr graph::value conv_relu(graph::value x, graph::conv_layer const& o) { return relu(conv2d(x, o)); }

} // namespace ssd_detail

/// Numbers of all priors, as the weight "priors" has them.
template <class Ssd> std::vector<f32> priors_of(Ssd const& = {}) {
  std::vector<f32> v(static_cast<std::size_t>(4 * ia_nn::prior_count(Ssd::priors)));
  ia_nn::make_priors(300, 300, Ssd::priors, v);
  return v;
}

struct ssd_vgg16 {
  index_t classes = 91; ///< with the background, class 0

  static constexpr index_t pixels = 300;
  static constexpr ssd_detail::maps priors{{{38, 38, 0.07, 0.15, ssd_detail::few, 8},
                                            {19, 19, 0.15, 0.33, ssd_detail::more, 16},
                                            {10, 10, 0.33, 0.51, ssd_detail::more, 32},
                                            {5, 5, 0.51, 0.69, ssd_detail::more, 64},
                                            {3, 3, 0.69, 0.87, ssd_detail::few, 100},
                                            {1, 1, 0.87, 1.05, ssd_detail::few, 300}}};

  constexpr graph::value operator()(graph::value x) const { return ssd_detail::best(all(x)); }
  /// What is suppressed.
  constexpr ssd_detail::found all(graph::value x) const {
    using graph::label, ssd_detail::conv_relu;
    auto const convs = [](graph::value y, label const& name, int first, int count, index_t filters) {
      for (int i = 0; i < count; ++i)
        y = conv_relu(y, {.filters = filters, .kernel = 3, .pad = 1, .name = name + (first + 2 * i)});
      return y;
    };
    label const vgg("backbone.features.");
    x = max_pool(convs(x, vgg, 0, 2, 64), {.kernel = 2});
    x = max_pool(convs(x, vgg, 5, 2, 128), {.kernel = 2});
    x = max_pool(convs(x, vgg, 10, 3, 256), {.kernel = 2, .ceil_mode = true});
    x = convs(x, vgg, 17, 3, 512);
    graph::value map[6];
    auto const normal = graph::l2_norm(x, {.affine = false});
    map[0] = normal * parameter(normal, {.shape = {512}, .name = "backbone.scale_weight"});
    x = convs(max_pool(x, {.kernel = 2}), "backbone.extra.0.", 1, 3, 512);
    x = max_pool(x, {.kernel = 3, .stride = 1, .pad = 1});
    x = conv_relu(x, {.filters = 1024, .kernel = 3, .pad = 6, .dilation = 6, .name = "backbone.extra.0.7.1"});
    map[1] = x = conv_relu(x, {.filters = 1024, .name = "backbone.extra.0.7.3"});
    for (int i = 1; i < 5; ++i) {
      label const name = label("backbone.extra.") + i;
      bool const halves = i < 3;
      x = conv_relu(x, {.filters = i == 1 ? 256 : 128, .name = name + ".0"});
      map[i + 1] = x = conv_relu(x, {.filters = i == 1 ? 512 : 256,
                                     .kernel = 3,
                                     .stride = halves ? 2 : 1,
                                     .pad = halves ? 1 : 0,
                                     .name = name + ".2"});
    }
    return ssd_detail::head{priors, classes, "head.regression_head.module_list.",
                            "head.classification_head.module_list."}(map);
  }
};

struct ssd_mobilenet {
  index_t classes = 21;

  static constexpr index_t pixels = 300;
  static constexpr ssd_detail::maps priors{{{19, 19, 0.20, 0.35, ssd_detail::more, 16},
                                            {10, 10, 0.35, 0.50, ssd_detail::more, 32},
                                            {5, 5, 0.50, 0.65, ssd_detail::more, 64},
                                            {3, 3, 0.65, 0.80, ssd_detail::more, 100},
                                            {2, 2, 0.80, 0.95, ssd_detail::more, 150},
                                            {1, 1, 0.95, 1.10, ssd_detail::more, 300}}};

  constexpr graph::value operator()(graph::value x) const { return ssd_detail::best(all(x)); }
  /// What is suppressed.
  constexpr ssd_detail::found all(graph::value x) const {
    using graph::label, ssd_detail::conv_relu;
    graph::value map[6];
    x = conv_bn(x, {.filters = 32, .kernel = 3, .stride = 2, .pad = 1, .name = "base_net.0.0"}, "base_net.0.1");
    x = relu(x);
    struct {
      index_t filters;
      int stride;
    } constexpr pairs[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                           {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
    int i = 1;
    for (auto const& p : pairs) {
      label const name = label("base_net.") + i;
      x = depthwise_conv2d(x, {.kernel = 3, .stride = p.stride, .pad = 1, .bias = false, .name = name + ".0"});
      x = relu(batch_norm(x, {.name = name + ".1"}));
      x = relu(conv_bn(x, {.filters = p.filters, .name = name + ".3"}, name + ".4"));
      if (i == 11) map[0] = x;
      ++i;
    }
    map[1] = x;
    for (i = 0; i < 4; ++i) {
      label const name = label("extras.") + i;
      x = conv_relu(x, {.filters = i == 0 ? 256 : 128, .name = name + ".0"});
      map[i + 2] = x = conv_relu(
          x, {.filters = i == 0 ? 512 : 256, .kernel = 3, .stride = 2, .pad = 1, .name = name + ".2"});
    }
    return ssd_detail::head{priors, classes, "regression_headers.", "classification_headers."}(map);
  }
};

/// A source of weights with the priors of Ssd beside its own: with_priors<ssd_vgg16>(file).
template <class Ssd, class Source> class with_priors_of {
public:
  explicit with_priors_of(Source const& from) : from_(from) {}
  std::vector<std::string> names() const {
    auto n = from_.names();
    if (!from_.has("priors")) n.emplace_back("priors");
    return n;
  }
  bool has(std::string const& name) const { return name == "priors" || from_.has(name); }
  std::vector<index_t> shape(std::string const& name) const {
    return name == "priors" ? std::vector<index_t>{ia_nn::prior_count(Ssd::priors), 4} : from_.shape(name);
  }
  std::vector<f32> values(std::string const& name) const {
    return name == "priors" ? priors_of<Ssd>() : from_.values(name);
  }

private:
  Source const& from_;
};
template <class Ssd, class Source> with_priors_of<Ssd, Source> with_priors(Source const& from) {
  return with_priors_of<Ssd, Source>(from);
}

} // namespace models
