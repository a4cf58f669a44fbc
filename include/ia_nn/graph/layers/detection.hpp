// SPDX-License-Identifier: Apache-2.0
//
// What detectors end with: boxes from deltas, suppression, regions of interest. Boxes are corners x0 y0 x1 y1.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/window.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct decode_layer {
  f32 centre_variance = 1, size_variance = 1; ///< SSD: 0.1, 0.2
  f32 most_growth = 62.5F;                    ///< of width and height
  f32 image_height = 0, image_width = 0;      ///< boxes are clipped to it; 0: not
  label name{};
};
struct suppress_layer {
  f32 score_threshold = 0.05F, iou_threshold = 0.5F;
  index_t background = -1;  ///< a class that is passed over; -1: none
  index_t candidates = 400; ///< of a class
  index_t per_class = 200, detections = 200; ///< detections of a class, of an image
  label name{};
};
struct roi_layer {
  per_axis out = 7;
  f32 scale = 1; ///< pixels of x for one unit of the boxes
  label name{};
};
struct roi_align_layer {
  per_axis out = 7;
  f32 scale = 1;
  index_t sampling = 0; ///< samples of a cell along each axis; 0: as many as it is pixels long
  bool aligned = false; ///< centres of pixels are half numbers
  label name{};
};

namespace detail {

constexpr sentence decode_shape(node& n, node_inputs in, subject const& who) {
  dims const &d = in[0]->shape, &r = in[1]->shape;
  if (d.rank != 3 || d.last() % 4 != 0 || r.rank != 3 || r.last() != 4 || d[0] != r[0] || d[1] != r[1])
    return say(who, "deltas ", d, " and references ", r, ": (batch, n, classes 4) and (batch, n, 4) are needed");
  n.shape = d;
  return {};
}
constexpr index_t decode_flops(node const& n, node_inputs) { return 12 * n.shape.size(); }

constexpr sentence suppress_shape(node& n, node_inputs in, subject const& who) {
  dims const &b = in[0]->shape, &s = in[1]->shape;
  attribute_set const& a = n.attributes;
  bool const fits = b.rank == 3 && s.rank == 3 && b[0] == s[0] && b[1] == s[1] &&
                    (b.last() == 4 || b.last() == 4 * s.last());
  if (!fits)
    return say(who, "boxes ", b, " and scores ", s, ": (batch, n, 4) or (batch, n, classes 4) and (batch, n, ",
               "classes) are needed");
  if (a.limits[0] < 1 || a.limits[1] < 1 || a.limits[2] < 1)
    return say(who, "there must be at least 1 candidate, 1 detection of a class and 1 of an image");
  if (a.passed_over < -1 || a.passed_over >= s.last())
    return say(who, "the background is class ", a.passed_over, " of ", s.last());
  if (a.a != a.a || !(a.b >= 0 && a.b <= 1))
    return say(who, "the threshold of scores must be a number, that of the IoU in [0, 1]");
  n.shape = dims{b[0], a.limits[2], 6};
  return {};
}

constexpr sentence roi_shape_of(node& n, node_inputs in, subject const& who) {
  dims const &x = in[0]->shape, &b = in[1]->shape;
  if (x.rank != 4 || b.rank != 3 || b.last() != 4 || x[0] != b[0])
    return say(who, "image ", x, " and boxes ", b, ": (batch, height, width, channels) and (batch, n, 4) are needed");
  if (!(n.attributes.number > 0) || n.attributes.sampling < 0 || n.attributes.sampling > 1024)
    return say(who, "the scale must be above 0, samples of a cell 0 to 1024");
  index_t const height = n.attributes.win.kernel.height, width = n.attributes.win.kernel.width;
  if (height < 1 || width < 1) return say(who, "regions of ", height, " x ", width, " pixels");
  n.shape = dims{b[0], b[1], height, width, x.last()};
  return {};
}
constexpr index_t roi_flops(node const& n, node_inputs) { return 8 * n.shape.size(); }

constexpr operator_row roi_row(char const* name) {
  return {.name = name, .by_item = true,
          .shape = roi_shape_of,
          .meaning = rules::means_image,
          .flops = roi_flops};
}

} // namespace detail

namespace op {
inline constexpr operator_row decode_boxes{.name = "decode_boxes", .by_item = true,
                                           .in_place = true,
                                           .shape = detail::decode_shape,
                                           .meaning = rules::means_rows,
                                           .flops = detail::decode_flops};
inline constexpr operator_row suppress{.name = "suppress", .by_item = true,
                                       .shape = detail::suppress_shape,
                                       .meaning = rules::means_rows};
inline constexpr operator_row roi_pool = detail::roi_row("roi_pool");
inline constexpr operator_row roi_align = detail::roi_row("roi_align");
} // namespace op

/// Boxes from deltas (batch, n, classes 4) and the boxes (batch, n, 4) that they refer to: proposals, or
/// priors, which are a parameter(deltas, {.shape = {n, 4}, .name = "priors"}).
constexpr value decode_boxes(value deltas, value references, decode_layer const& o = {}) {
  node n{.kind = op::decode_boxes, .name = o.name};
  n.attributes.alpha = o.centre_variance, n.attributes.beta = o.size_variance;
  n.attributes.number = o.most_growth;
  n.attributes.a = o.image_width, n.attributes.b = o.image_height;
  bool const none = o.image_height == 0 && o.image_width == 0;
  if (deltas.id >= 0 && (!(o.most_growth > 0) || !(none || (o.image_height > 0 && o.image_width > 0))))
    return deltas.owner->fail(about("decode_boxes", o.name), "growth and image must be above 0");
  return apply(n, {deltas, references}, "decode_boxes");
}
/// Non-maximum suppression of boxes (batch, n, 4), or (batch, n, classes 4), by scores (batch, n, classes):
/// (batch, detections, 6), each class, score, x0, y0, x1, y1, the best first; behind the last one the class is
/// -1 and the rest 0.
constexpr value suppress(value boxes, value scores, suppress_layer const& o = {}) {
  node n{.kind = op::suppress, .name = o.name};
  attribute_set& a = n.attributes;
  a.a = o.score_threshold, a.b = o.iou_threshold, a.passed_over = o.background;
  a.limits[0] = o.candidates, a.limits[1] = o.per_class, a.limits[2] = o.detections;
  return apply(n, {boxes, scores}, "suppress");
}

namespace detail {
constexpr node roi_node(op_kind kind, per_axis const& out, f32 scale, label const& name) {
  node n{.kind = kind, .name = name};
  n.attributes.win.kernel = out.of(2, 1);
  n.attributes.number = scale;
  return n;
}
} // namespace detail
/// Parts of an image (batch, h, w, c), given as boxes (batch, n, 4) of each item: (batch, n, out, out, c).
/// The maximum of each cell, boxes rounded to pixels.
constexpr value roi_pool(value x, value boxes, roi_layer const& o) {
  return apply(detail::roi_node(op::roi_pool, o.out, o.scale, o.name), {x, boxes}, "roi_pool");
}
/// The mean of samples of each cell, nothing rounded.
constexpr value roi_align(value x, value boxes, roi_align_layer const& o) {
  node n = detail::roi_node(op::roi_align, o.out, o.scale, o.name);
  n.attributes.sampling = o.sampling, n.attributes.aligned = o.aligned;
  return apply(n, {x, boxes}, "roi_align");
}

} // namespace graph
IA_NN_END
