// SPDX-License-Identifier: Apache-2.0
//
// Shape inference: what shape a node gives, from those it reads, or the sentence that says why
// there is none.
#pragma once

#include <ia_nn/graph/node.hpp>

IA_NN_BEGIN
namespace graph {

/// "ia_nn: conv2d 'stage2.conv1': "
constexpr sentence about(char const* what, label const& name) {
  sentence s("ia_nn: ");
  s += what;
  if (!name.empty()) {
    s += " '";
    s += name.view();
    s += "'";
  }
  s += ": ";
  return s;
}
constexpr char const* shown(node const& n) {
  constexpr char const* convs[] = {"conv", "conv1d", "conv2d", "conv3d"};
  if (n.kind == op::conv && n.shape.rank >= 3 && n.shape.rank <= 5) return convs[n.shape.rank - 2];
  return n.kind == op::activation ? name_of(n.with.act) : name_of(n.kind);
}

namespace detail {

// Image axes of a shape, as the last of depth, height, width.
constexpr spatial image_of(dims const& s) {
  spatial in;
  for (int d = 1; d + 1 < s.rank; ++d) in[3 - (s.rank - 2) + (d - 1)] = s[d];
  return in;
}
constexpr dims image_shape(dims const& like, spatial const& out, index_t channels) {
  dims s = like;
  for (int d = 1; d + 1 < s.rank; ++d) s.extent[d] = out[3 - (s.rank - 2) + (d - 1)];
  s.extent[s.rank - 1] = channels;
  return s;
}

// "" if the window fits the image.
constexpr sentence window_mistake(char const* what, label const& name, window const& w,
                                  dims const& in) {
  constexpr char const* axes[] = {"depth", "height", "width"};
  spatial const image = image_of(in);
  for (int d = 0; d < 3; ++d) {
    sentence s = about(what, name);
    if (w.kernel[d] < 1 || w.stride[d] < 1 || w.dilation[d] < 1) {
      s += axes[d];
      s += ": kernel, stride and dilation must be at least 1";
      return s;
    }
    index_t const padded = w.pad_begin[d] + image[d] + w.pad_end[d];
    if (padded < w.reach(d)) {
      s += axes[d];
      s += ": the kernel reaches over ";
      s += w.reach(d);
      s += " elements, the padded input ";
      in.write(s);
      s += " has ";
      s += padded;
      return s;
    }
  }
  return {};
}

} // namespace detail

/// Fills `n.shape` and `n.type`. `in` are the nodes it reads, `what` the name for sentences.
/// Returns the sentence of a mistake, or nothing.
constexpr sentence infer_shape(node& n, node const* const* in, char const* what) {
  auto const say = [&] { return about(what, n.name); };
  int const count = n.inputs.count;
  dims const x = count > 0 ? in[0]->shape : dims{};
  n.type = dtype::f32;
  for (int i = 0; i < count; ++i) {
    bool const indices = in[i]->type == dtype::s32;
    bool const wants = n.kind == op::embedding;
    if (indices != wants && n.kind != op::reshape && n.kind != op::identity) {
      sentence s = say();
      s += wants ? "input must hold s32 indices, it has f32 elements"
                 : "input must have f32 elements, it holds s32 indices";
      return s;
    }
  }
  switch (n.kind) {
  case op::conv: {
    if (x.rank < 3 || x.rank > 5) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " must be (batch, 1 to 3 image axes, channels)";
      return s;
    }
    index_t const channels = x.last();
    if (n.with.units < 1 || n.with.groups < 1 || channels % n.with.groups != 0 ||
        n.with.units % n.with.groups != 0) {
      sentence s = say();
      s += n.with.groups;
      s += " groups do not divide ";
      s += channels;
      s += " channels of input ";
      x.write(s);
      s += " and ";
      s += n.with.units;
      s += " filters";
      return s;
    }
    if (n.with.rows > 0 && n.with.rows != channels) {
      sentence s = say();
      s += "input has ";
      s += channels;
      s += " channels, weights expect ";
      s += n.with.rows;
      return s;
    }
    if (sentence const s = detail::window_mistake(what, n.name, n.with.win, x); !s.empty())
      return s;
    n.shape = detail::image_shape(x, n.with.win.output(detail::image_of(x)), n.with.units);
    return {};
  }
  case op::max_pool:
  case op::average_pool:
    if (x.rank < 3 || x.rank > 5) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " must be (batch, 1 to 3 image axes, channels)";
      return s;
    }
    if (sentence const s = detail::window_mistake(what, n.name, n.with.win, x); !s.empty())
      return s;
    n.shape =
        detail::image_shape(x, n.with.win.output(detail::image_of(x), n.with.ceil_mode), x.last());
    return {};
  case op::dense:
    if (x.rank < 2 || n.with.units < 1) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " must be (batch, ..., columns), and units at least 1";
      return s;
    }
    if (n.with.rows > 0 && n.with.rows != x.last()) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " has ";
      s += x.last();
      s += " columns, weights expect ";
      s += n.with.rows;
      return s;
    }
    n.shape = x;
    n.shape.extent[x.rank - 1] = n.with.units;
    return {};
  case op::add:
  case op::subtract:
  case op::multiply:
    if (!(x == in[1]->shape)) {
      sentence s = say();
      s += "left has shape ";
      x.write(s);
      s += ", right ";
      in[1]->shape.write(s);
      return s;
    }
    n.shape = x;
    return {};
  case op::concat: {
    int const axis = n.with.axis < 0 ? n.with.axis + x.rank : n.with.axis;
    if (axis < 1 || axis >= x.rank) {
      sentence s = say();
      s += "axis ";
      s += n.with.axis;
      s += " is none of input ";
      x.write(s);
      s += " behind the batch";
      return s;
    }
    n.with.axis = axis;
    n.shape = x;
    for (int i = 1; i < count; ++i) {
      dims like = in[i]->shape;
      index_t const more = like.rank > axis ? like[axis] : 0;
      if (like.rank > axis) like.extent[axis] = x[axis];
      if (!(like == x)) {
        sentence s = say();
        s += "input 0 has shape ";
        x.write(s);
        s += ", input ";
        s += i;
        s += " ";
        in[i]->shape.write(s);
        return s;
      }
      n.shape.extent[axis] += more;
    }
    return {};
  }
  case op::reshape: {
    n.type = in[0]->type;
    index_t known = 1;
    int open = -1;
    for (int d = 1; d < n.shape.rank; ++d) {
      if (n.shape[d] == -1 && open < 0) open = d;
      else known *= n.shape[d];
    }
    n.shape.extent[0] = x[0];
    if (open > 0 && known > 0 && x.item() % known == 0) n.shape.extent[open] = x.item() / known;
    if (n.shape.rank > 5 || n.shape.rank < 2 || known < 1 || n.shape.item() != x.item()) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " has not as many elements as ";
      n.shape.write(s);
      return s;
    }
    return {};
  }
  case op::embedding:
    if (x.rank < 1 || x.rank > 4 || n.with.units < 1 || n.with.rows < 1) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " must have 1 to 4 extents, the table ";
      s += n.with.rows;
      s += " x ";
      s += n.with.units;
      s += " elements";
      return s;
    }
    n.shape = x;
    if (x.rank > 1 && x.last() == 1) n.shape.extent[x.rank - 1] = n.with.units; // one index: a row
    else n.shape.extent[n.shape.rank++] = n.with.units;
    return {};
  case op::lstm:
  case op::gru:
    if (x.rank != 3 || n.with.units < 1) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " must be (batch, time, features)";
      return s;
    }
    n.shape = n.with.last_only ? dims{x[0], n.with.units} : dims{x[0], x[1], n.with.units};
    return {};
  case op::softmax:
  case op::log_softmax:
  case op::layer_norm:
  case op::lrn:
  case op::batch_norm:
    if (x.rank < 2) {
      sentence s = say();
      s += "input ";
      x.write(s);
      s += " must be (batch, ..., channels)";
      return s;
    }
    n.shape = x;
    return {};
  case op::identity:
  case op::output:
    n.type = in[0]->type;
    n.shape = x;
    return {};
  case op::activation:
  case op::dropout:
    n.shape = x;
    return {};
  case op::input:
  case op::constant:
  case op::custom:
    return {};
  }
  return {};
}

} // namespace graph
IA_NN_END
