// SPDX-License-Identifier: Apache-2.0
//
// Pools: windows of images, images of a given size, axes as a whole.
#pragma once

#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/layers/window.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct pool_layer {
  per_axis kernel = 1;
  per_axis stride{}; ///< as `kernel` unless given
  per_axis pad = 0;
  bool ceil_mode = false;
  bool count_padding = true; ///< averages divide by what of the window lies in the padded image
  label name{};
};

/// Element o of an axis takes the elements from floor(o in / out) to ceil((o + 1) in / out).
struct adaptive_pool_layer {
  per_axis out = 1;
  label name{};
};

namespace detail {

// An adaptive pool has its image in n.shape already. Windows that are all alike are those of an
// ordinary pool.
constexpr sentence pool_shape_of(node& n, node_inputs inputs, subject const& who) {
  dims const& x = inputs[0]->shape;
  if (x.rank < 3 || x.rank > 5) return no_image(who, x);
  if (!n.attributes.adaptive) {
    bool const ceil_mode = n.attributes.ceil_mode;
    if (sentence const s = window_mistake(who, n.attributes.win, x, ceil_mode); !s.empty()) return s;
    n.shape = image_shape(x, n.attributes.win.output(image_of(x), ceil_mode), x.last());
    return {};
  }
  n.shape.rank = x.rank;
  spatial const in = image_of(x), out = image_of(n.shape);
  bool even = true;
  for (int d = 0; d < 3; ++d) {
    if (out[d] < 1 || out[d] > in[d])
      return say(who, image_axis[d], ": input ", x, " cannot be pooled to ", out[d], " elements");
    even = even && in[d] % out[d] == 0;
  }
  n.shape = image_shape(x, out, x.last());
  if (even) {
    n.attributes.adaptive = false;
    for (int d = 0; d < 3; ++d) n.attributes.win.kernel[d] = n.attributes.win.stride[d] = in[d] / out[d];
  }
  return {};
}

constexpr index_t pool_flops(node const& n, node_inputs in) {
  return n.attributes.adaptive ? in[0]->shape.size()
                               : n.shape.size() * n.attributes.win.kernel.size();
}
constexpr bool pool_is_identity(node const& n, node_inputs) {
  window const& w = n.attributes.win;
  return !n.attributes.adaptive && w.kernel.size() == 1 && w.stride.size() == 1 && !w.pads();
}

constexpr operator_row pool_row(char const* name) {
  return {.name = name, .by_item = true,
          .joins_groups = true,
          .writes_slices = true,
          .narrow = true,
          .eight_bits = quantizes::may,
          .shape = pool_shape_of,
          .meaning = rules::means_image,
          .flops = pool_flops,
          .changes_nothing = pool_is_identity,
          .by_channel = rules::always,
          .gradient = rules::gradient_alone};
}

} // namespace detail

namespace op {
inline constexpr operator_row max_pool = detail::pool_row("max_pool");
inline constexpr operator_row average_pool = detail::pool_row("average_pool");
} // namespace op

namespace detail {
constexpr value pool_of(value x, pool_layer const& o, op_kind kind, char const* what) {
  int const axes = image_axes(x);
  x = fits_axes(x, axes, what, o.name, {o.kernel, o.stride, o.pad});
  node n{.kind = kind, .name = o.name};
  spatial const kernel = o.kernel.of(axes, 1), pad = o.pad.of(axes, 0);
  n.attributes.win = {.kernel = kernel,
                .stride = o.stride.count > 0 ? o.stride.of(axes, 1) : kernel,
                .dilation = {},
                .pad_begin = pad,
                .pad_end = pad};
  n.attributes.ceil_mode = o.ceil_mode;
  n.attributes.count_padding = o.count_padding;
  return apply(n, {x}, what);
}
constexpr value adaptive_of(value x, adaptive_pool_layer const& o, op_kind kind, char const* what) {
  int const axes = image_axes(x);
  x = fits_axes(x, axes, what, o.name, {o.out});
  node n{.kind = kind, .name = o.name};
  n.attributes.adaptive = n.attributes.to_size = true;
  spatial const out = o.out.of(axes, 1);
  for (int d = 0; d < axes; ++d) n.shape.extent[1 + d] = out[3 - axes + d];
  return apply(n, {x}, what);
}
} // namespace detail

constexpr value max_pool(value x, pool_layer const& o) {
  return detail::pool_of(x, o, op::max_pool, "max_pool");
}
constexpr value average_pool(value x, pool_layer const& o) {
  return detail::pool_of(x, o, op::average_pool, "average_pool");
}
/// To an image of a given size.
constexpr value adaptive_max_pool(value x, adaptive_pool_layer const& o) {
  return detail::adaptive_of(x, o, op::max_pool, "adaptive_max_pool");
}
constexpr value adaptive_average_pool(value x, adaptive_pool_layer const& o) {
  return detail::adaptive_of(x, o, op::average_pool, "adaptive_average_pool");
}
/// (batch, ..., channels) to (batch, channels).
constexpr value global_average_pool(value x, named const& o = {}) {
  if (x.id < 0) return x;
  dims const s = x.shape();
  node n{.kind = op::average_pool, .name = o.name};
  n.attributes.win.kernel = n.attributes.win.stride = detail::image_of(s);
  value const y = apply(n, {x}, "global_average_pool");
  return s.rank < 3 ? y : flatten(y);
}

/// The mean along axes first .. last behind the batch, which fall away or stay as 1. An average
/// pool of a reshaped value.
struct mean_layer {
  int first = 1, last = 1; ///< negative: from the end
  bool keep = false;       ///< the axes stay, with extent 1
  label name{};
};
constexpr value reduce_mean(value x, mean_layer const& o) {
  if (x.id < 0) return x;
  dims const s = x.shape();
  int const first = o.first < 0 ? o.first + s.rank : o.first;
  int const last = o.last < 0 ? o.last + s.rank : o.last;
  if (first < 1 || last < first || last >= s.rank)
    return x.owner->fail(detail::say(about("reduce_mean", o.name), "axes ", first, " to ", last,
                                     " are none of input ", s, " behind the batch"),
                         "");
  index_t in_front = 1, together = 1, behind = 1;
  dims to{s[0]};
  for (int d = 1; d < s.rank; ++d) {
    bool const reduced = d >= first && d <= last;
    (reduced ? together : d < first ? in_front : behind) *= s[d];
    if (!reduced || o.keep) to.extent[to.rank++] = reduced ? 1 : s[d];
  }
  value const rows = detail::relabelled(x, dims{s[0], in_front, together, behind}, meaning::image,
                                        "reshape");
  value const y = average_pool(rows, {.kernel = {1, together}, .name = o.name});
  if (y.id < 0) return y;
  meaning const means = last == s.rank - 1 || to.rank < 3 ? meaning::rows : x.owner->net[x.id].meaning;
  return detail::relabelled(y, to, means, "reshape");
}

} // namespace graph
IA_NN_END
