// SPDX-License-Identifier: Apache-2.0
//
// Inputs and outputs, and how they lie in the caller's memory. What has the channels first there is
// two reshapes away from the images of the network:
//
//   input (batch, c, h, w) ─► (batch, c h w) ─► (batch, h, w, c), counted as PyTorch counts images
//
// Which of them move anything, passes/orders.hpp decides.
#pragma once

#include <ia_nn/graph/layers/reshape.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct input_options {
  value_type type = value_type::f32; ///< or s32, for indices
  graph::layout layout = graph::layout::channels_last;
};
struct output_options {
  graph::layout layout = graph::layout::channels_last;
};

namespace detail {

/// "" if what the caller has can lie channels first.
constexpr sentence layout_mistake(subject const& who, dims const& x, value_type type) {
  if (type != value_type::f32)
    return say(who, "s32 indices have no channels that could come first");
  if (x.rank < 3)
    return say(who, "shape ", x, " has no channels that could come first: that of an image is "
                                 "(batch, height, width, channels) in either layout");
  return {};
}
/// (batch, h, w, c) to (batch, c, h, w).
constexpr dims planes_of(dims const& image) {
  dims s = image;
  for (int d = 2; d < s.rank; ++d) s.extent[d] = image[d - 1];
  s.extent[1] = image.last();
  return s;
}

} // namespace detail

/// What the network is given. `shape` begins with the batch, `any_batch` or a number, the same for
/// all inputs, and ends with the channels, even if the caller's data has the channels first:
///
///   input(b, "image", {any_batch, 224, 224, 3}, {.layout = layout::channels_first})
///
/// reads (batch, 3, 224, 224).
constexpr value input(builder& b, label const& name, dims const& shape,
                      input_options const& o = {}) {
  if (shape.rank < 1 || shape.rank > 5)
    return b.fail(about("input", name), "a shape has 1 to 5 extents, the batch first");
  for (int d = 0; d < shape.rank; ++d)
    if (shape[d] < 1 && !(d == 0 && shape[d] == any_batch))
      return b.fail(about("input", name),
                    "extents are at least 1, and only the batch may be any_batch");
  for (node const& other : b.net.nodes)
    if (other.kind == op::input && other.shape[0] != shape[0])
      return b.fail(about("input", name), "its batch differs from that of another input");
  if (name.empty()) return b.fail(about("input", name), "an input needs a name");
  if (o.type != value_type::f32 && o.type != value_type::s32)
    return b.fail(about("input", name), "inputs are f32, or s32 where they are indices");
  bool const planes = o.layout == layout::channels_first;
  if (planes)
    if (sentence const s = detail::layout_mistake({"input", &name}, shape, o.type); !s.empty())
      return b.fail(s, "");
  node n{.kind = op::input, .name = name, .shape = planes ? detail::planes_of(shape) : shape};
  n.attributes.layout = o.layout;
  value const v = b.add(n, {}, "input");
  if (v.id < 0) return v;
  node& made = b.net[v.id];
  made.type = o.type;
  made.meaning = detail::meaning_of_input(made);
  if (!planes) return v;
  value const columns = flatten(v, {.order = order::channels_last});
  value const x = detail::reshaped(columns, shape, {.order = order::channels_first}, "reshape");
  b.net[x.id].name = name; // of a transposition in the dump
  return x;
}
constexpr value input(builder& b, label const& name, dims const& shape, value_type type) {
  return input(b, name, shape, {.type = type});
}

/// What the network gives, in either layout. Outputs are numbered in the order of these calls.
constexpr void output(value x, label const& name = {}, output_options const& o = {}) {
  if (!x.owner) return;
  if (x.id >= 0 && x.owner->net[x.id].type == value_type::s32) {
    x.owner->fail(about("output", name), "the value holds s32 indices, outputs are f32");
    return;
  }
  bool const planes = x.id >= 0 && o.layout == layout::channels_first;
  if (planes) {
    dims const image = x.shape();
    sentence const s = detail::layout_mistake({"output", &name}, image, x.owner->net[x.id].type);
    if (!s.empty()) {
      x.owner->fail(s, "");
      return;
    }
    x = flatten(x, {.order = order::channels_first});
    x = detail::reshaped(x, detail::planes_of(image), {.order = order::channels_last}, "reshape");
  }
  node n{.kind = op::output, .name = name};
  n.attributes.layout = o.layout;
  value const y = x.owner->add(n, {x}, "output");
  if (planes && y.id >= 0) y.owner->net[x.id].name = y.owner->net[y.id].name;
}

} // namespace graph
IA_NN_END
