// SPDX-License-Identifier: Apache-2.0
//
// Layers that move elements: reshape, concat, slice and split, pad, transpose. Axis 0 is the batch
// and stays; negative axes count from the end.
#pragma once

#include <ia_nn/graph/layer_options.hpp>

#include <array>

#include <ia_nn/begin.hpp>
namespace graph {

struct reshape_layer {
  graph::order order = graph::order::of_value; ///< graph/shapes_order.hpp
  label name{};
};
namespace detail {
constexpr value reshaped(value x, dims const& to, reshape_layer const& o, char const* what) {
  node n{.kind = op::reshape, .name = o.name, .shape = to};
  n.with.reads = n.with.writes = o.order;
  return apply(n, {x}, what);
}
/// Elements stay where they are.
constexpr value relabelled(value x, dims const& to, meaning means, char const* what) {
  value const y = reshaped(x, to, {.order = order::channels_last}, what);
  if (y.id >= 0) y.owner->net[y.id].means = means;
  return y;
}
} // namespace detail
/// (batch, everything else), counted as PyTorch does: of an image channel by channel.
constexpr value flatten(value x, reshape_layer const& o = {}) {
  return detail::reshaped(x, dims{0, -1}, o, "flatten");
}
/// The extents behind the batch, channels last; one of them may be -1: what is left. To 4 or 5
/// extents it makes an image: {7, 7, 128} is PyTorch's view(batch, 128, 7, 7).
constexpr value reshape(value x, std::initializer_list<index_t> extents,
                        reshape_layer const& o = {}) {
  dims to{0};
  for (index_t const n : extents) {
    if (to.rank < 5) to.extent[to.rank] = n;
    ++to.rank;
  }
  return detail::reshaped(x, to, o, "reshape");
}

struct concat_layer {
  int axis = -1;
  label name{};
};
/// Side by side along an axis behind the batch, the last one unless said.
constexpr value concat(value const* from, int count, concat_layer const& o = {}) {
  if (count < 1 || !from->owner) return {};
  node n{.kind = op::concat, .name = o.name};
  n.with.axis = o.axis;
  return from->owner->add(n, from, count, "concat");
}
constexpr value concat(std::initializer_list<value> from, concat_layer const& o = {}) {
  return concat(from.begin(), static_cast<int>(from.size()), o);
}

/// One end of a slice: a number, or none.
struct slice_end {
  index_t at = 0;
  bool given = false;

  constexpr slice_end() = default;
  constexpr slice_end(std::integral auto i) : at(static_cast<index_t>(i)), given(true) {}
};
struct slice_layer {
  int axis = -1;
  slice_end begin{}, end{}; ///< negative: from the end; `end` is not included
  index_t step = 1;         ///< negative: backwards, from begin down to end
  label name{};
};
/// Elements begin, begin + step, ... of one axis, in front of `end`. What lies outside the axis is
/// taken for its ends, as PyTorch, NumPy and ONNX do.
constexpr value slice(value x, slice_layer const& o) {
  if (x.id < 0) return x;
  dims const& s = x.shape();
  node n{.kind = op::slice, .name = o.name};
  int const axis = o.axis < 0 ? o.axis + s.rank : o.axis;
  n.with.axis = axis;
  if (axis >= 1 && axis < s.rank && o.step != 0) {
    index_t const extent = s[axis];
    bool const back = o.step < 0;
    index_t const lowest = back ? -1 : 0, highest = back ? extent - 1 : extent;
    auto const within = [](index_t i, index_t low, index_t high) {
      return i < low ? low : i > high ? high : i;
    };
    auto const place = [&](slice_end e, index_t open) {
      return e.given ? within(e.at < 0 ? e.at + extent : e.at, lowest, highest) : open;
    };
    index_t const begin = place(o.begin, back ? highest : lowest);
    index_t const end = place(o.end, back ? lowest : highest);
    index_t const step = within(o.step, -extent, extent); // more leave one element as well
    index_t const way = back ? begin - end : end - begin, stride = back ? -step : step;
    n.with.before[axis] = static_cast<int>(begin);
    n.with.after[axis] = static_cast<int>(step);
    n.with.units = way > 0 ? (way + stride - 1) / stride : 0;
  }
  return apply(n, {x}, "slice");
}
/// N equal parts of one axis.
template <int N> constexpr std::array<value, N> split(value x, int axis = -1) {
  std::array<value, N> parts{};
  for (int i = 0; i < N; ++i) {
    if (x.id < 0) {
      parts[static_cast<std::size_t>(i)] = x;
      continue;
    }
    dims const& s = x.shape();
    int const d = axis < 0 ? axis + s.rank : axis;
    if (d >= 1 && d < s.rank && s[d] % N != 0) {
      x = x.owner->fail(detail::say(about("split", {}), N, " parts of axis ", d, " of input ", s),
                        " are not equal");
      parts[static_cast<std::size_t>(i)] = x;
      continue;
    }
    int const each = d >= 1 && d < s.rank ? static_cast<int>(s[d]) / N : 0;
    parts[static_cast<std::size_t>(i)] =
        slice(x, {.axis = axis, .begin = i * each, .end = (i + 1) * each});
  }
  return parts;
}

struct pad_layer {
  int axis = 1;            ///< the first axis that is padded
  per_axis begin{}, end{}; ///< of it and those behind it; `end` as `begin` unless given
  pad_mode mode = pad_mode::constant;
  f32 value = 0;
  label name{};
};
/// Elements in front of and behind one axis or several. A single number is for one axis; the image
/// of (batch, height, width, channels) is padded by {.begin = {1, 1}}. Negative numbers cut off.
constexpr value pad(value x, pad_layer const& o) {
  if (x.id < 0) return x;
  dims const& s = x.shape();
  int const axis = o.axis < 0 ? o.axis + s.rank : o.axis;
  per_axis const& end = o.end.count > 0 ? o.end : o.begin;
  node n{.kind = op::pad, .name = o.name};
  n.with.fill = o.mode;
  n.with.a = o.value;
  int const count = o.begin.count > end.count ? o.begin.count : end.count;
  if (axis < 1 || axis + count > s.rank)
    return x.owner->fail(detail::say(about("pad", o.name), "axes ", axis, " to ", axis + count - 1,
                                     " are not all behind the batch of input ", s),
                         "");
  for (int d = 0; d < count; ++d) {
    constexpr index_t most = INT32_MAX;
    for (index_t const by : {o.begin.n[d], end.n[d]})
      if (by < -most || by > most)
        return x.owner->fail(detail::say(about("pad", o.name), by, " elements at an axis"), "");
    n.with.before[axis + d] = d < o.begin.count ? static_cast<int>(o.begin.n[d]) : 0;
    n.with.after[axis + d] = d < end.count ? static_cast<int>(end.n[d]) : 0;
  }
  return apply(n, {x}, "pad");
}

/// Axis d + 1 of the result is axis `axes[d]` of x: transpose(x, {2, 1, 3}) of (batch, a, b, c) is
/// (batch, b, a, c).
constexpr value transpose(value x, std::initializer_list<int> axes, named const& o = {}) {
  if (x.id < 0) return x;
  node n{.kind = op::transpose, .name = o.name};
  int d = 1;
  for (int const from : axes) {
    if (d < 5) n.with.before[d] = from;
    ++d;
  }
  if (d != x.shape().rank)
    return x.owner->fail(detail::say(about("transpose", o.name), d - 1, " axes for input ",
                                     x.shape(), ", without the batch there are ",
                                     x.shape().rank - 1),
                         "");
  return apply(n, {x}, "transpose");
}

} // namespace graph
IA_NN_END
