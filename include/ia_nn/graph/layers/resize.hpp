// SPDX-License-Identifier: Apache-2.0
//
// Layers that change the size of images: resize, and pixel shuffles.
#pragma once

#include <ia_nn/graph/layers/window.hpp>
#include <ia_nn/ops/resize_shape.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

enum class interpolation : unsigned char { nearest, linear };

/// Factors of every image axis, or of each: 2, 1.5F, {2, 3}.
struct axis_factors {
  f32 n[3]{};
  int count = 0;

  constexpr axis_factors() = default;
  constexpr axis_factors(f32 all) : n{all}, count(1) {}
  constexpr axis_factors(int all) : n{static_cast<f32>(all)}, count(1) {}
  constexpr axis_factors(f32 height, f32 width) : n{height, width}, count(2) {}
  constexpr axis_factors(f32 depth, f32 height, f32 width) : n{depth, height, width}, count(3) {}
};

struct resize_layer {
  per_axis size{};      ///< of the result, or
  axis_factors scale{}; ///< which multiplies the image's, rounded down
  interpolation mode = interpolation::nearest;
  /// Where elements are read (ops/resize.hpp). The defaults are PyTorch's nearest; its bilinear is half_pixel or
  /// align_corners.
  resize_places places = resize_places::asymmetric;
  resize_rounding rounding = resize_rounding::down; ///< nearest
  label name{};
};
struct pixel_shuffle_layer {
  index_t block = 2;
  shuffle_order order = shuffle_order::column_row_depth; ///< PyTorch's
  label name{};
};

namespace detail {

constexpr resize_shape resize_shape_of(node const& n, dims const& x) {
  resize_shape s;
  s.channels = x.last(), s.in = image_of(x), s.out = image_of(n.shape), s.places = n.attributes.places;
  for (int d = 0; d < 3; ++d) s.scale[d] = static_cast<double>(n.attributes.factors[d]);
  return s;
}
constexpr sentence resize_shape_rule(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  if (x.rank < 3) return no_image(who, x);
  spatial out = image_of(x);
  for (int d = 5 - x.rank; d < 3; ++d) {
    f32 const f = n.attributes.factors[d];
    index_t const size = n.attributes.resized[d];
    if (!(f >= 0 && f <= 65536)) return say(who, image_axis[d], ": the scale must lie in (0, 65536]");
    out[d] = f > 0 ? static_cast<index_t>(static_cast<double>(out[d]) * static_cast<double>(f)) : size;
    if (out[d] < 1) return say(who, image_axis[d], ": nothing is left of input ", x);
  }
  n.shape = image_shape(x, out, x.last());
  return {};
}
constexpr bool resizes_nothing(node const& n, node_inputs in) {
  return n.shape == in[0]->shape && n.kind->moves && n.attributes.factors[0] == 0 && n.attributes.factors[1] == 0 &&
         n.attributes.factors[2] == 0 && n.attributes.places == resize_places::asymmetric;
}
constexpr index_t resize_flops(node const& n, node_inputs) { return 8 * n.shape.size(); }

constexpr pixel_shuffle_shape shuffle_shape_of(node const& n, dims const& few_channels) {
  spatial const s = image_of(few_channels);
  return {s.height, s.width, few_channels.last(), n.attributes.block, n.attributes.shuffled};
}
constexpr sentence shuffle_shape_rule(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  index_t const b = n.attributes.block;
  if (x.rank != 4) return say(who, "input ", x, " must be (batch, height, width, channels)");
  if (b < 1 || x[3] % (b * b) != 0)
    return say(who, "blocks of ", b, " x ", b, " do not divide the channels of input ", x);
  n.shape = {x[0], x[1] * b, x[2] * b, x[3] / (b * b)};
  return {};
}
constexpr sentence unshuffle_shape_rule(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  index_t const b = n.attributes.block;
  if (x.rank != 4) return say(who, "input ", x, " must be (batch, height, width, channels)");
  if (b < 1 || x[1] % b != 0 || x[2] % b != 0)
    return say(who, "blocks of ", b, " x ", b, " do not divide the image of input ", x);
  n.shape = {x[0], x[1] / b, x[2] / b, x[3] * b * b};
  return {};
}
constexpr operator_row shuffle_row(char const* name, sentence (*shape)(node&, node_inputs, subject const&)) {
  return {.name = name, .by_item = true,
          .joins_groups = true,
          .moves = true,
          .eight_bits = quantizes::moves,
          .shape = shape,
          .meaning = rules::means_image,
          .gradient = rules::gradient_alone};
}

} // namespace detail

namespace op {
inline constexpr operator_row resize_nearest{.name = "resize_nearest", .by_item = true,
                                             .joins_groups = true,
                                             .moves = true,
                                             .eight_bits = quantizes::moves,
                                             .shape = detail::resize_shape_rule,
                                             .meaning = rules::means_image,
                                             .changes_nothing = detail::resizes_nothing,
                                             .by_channel = rules::always,
                                             .gradient = rules::gradient_alone};
inline constexpr operator_row resize_linear{.name = "resize_linear", .by_item = true,
                                            .joins_groups = true,
                                            .shape = detail::resize_shape_rule,
                                            .meaning = rules::means_image,
                                            .flops = detail::resize_flops,
                                            .by_channel = rules::always,
                                            .gradient = rules::gradient_alone};
inline constexpr operator_row pixel_shuffle = detail::shuffle_row("pixel_shuffle", detail::shuffle_shape_rule);
inline constexpr operator_row pixel_unshuffle = detail::shuffle_row("pixel_unshuffle", detail::unshuffle_shape_rule);
} // namespace op

/// Images of another size: resize(x, {.scale = 2}), resize(x, {.size = {64, 64}, .mode =
/// interpolation::linear, .places = resize_places::half_pixel}).
constexpr value resize(value x, resize_layer const& o) {
  int const axes = detail::image_axes(x);
  x = detail::fits_axes(x, axes, "resize", o.name, {o.size});
  if (x.id < 0) return x;
  bool const fits = o.scale.count == 0 || o.scale.count == 1 || o.scale.count == axes;
  if ((o.size.count > 0) == (o.scale.count > 0) || !fits)
    return x.owner->fail(about("resize", o.name), "give either .size or .scale, for all axes of the image");
  node n{.kind = o.mode == interpolation::nearest ? op::resize_nearest : op::resize_linear, .name = o.name};
  spatial const size = o.size.of(axes, 1);
  for (int d = 3 - axes; d < 3; ++d) {
    int const k = d - (3 - axes);
    n.attributes.resized[d] = size[d];
    n.attributes.factors[d] = o.scale.count == 0 ? 0 : o.scale.n[o.scale.count == 1 ? 0 : k];
  }
  n.attributes.places = o.places, n.attributes.rounding = o.rounding;
  return apply(n, {x}, "resize");
}

namespace detail {
constexpr value shuffled(value x, op_kind kind, pixel_shuffle_layer const& o) {
  node n{.kind = kind, .name = o.name};
  n.attributes.block = o.block, n.attributes.shuffled = o.order;
  return apply(n, {x}, name_of(kind));
}
} // namespace detail

/// Channels to pixels: (batch, h, w, c block^2) to (batch, h block, w block, c). ONNX' DepthToSpace.
constexpr value pixel_shuffle(value x, pixel_shuffle_layer const& o = {}) {
  return detail::shuffled(x, op::pixel_shuffle, o);
}
/// And back. ONNX' SpaceToDepth is of shuffle_order::depth_column_row.
constexpr value pixel_unshuffle(value x, pixel_shuffle_layer const& o = {}) {
  return detail::shuffled(x, op::pixel_unshuffle, o);
}

} // namespace graph
IA_NN_END
