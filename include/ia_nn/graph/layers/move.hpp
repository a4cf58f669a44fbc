// SPDX-License-Identifier: Apache-2.0
//
// Layers that move elements: slice and split, pad, transpose. Axis 0 is the batch and stays; negative
// axes count from the end.
#pragma once

#include <ia_nn/graph/ir/infer.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <array>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

constexpr sentence pad_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  n.shape = x;
  for (int d = 1; d < x.rank; ++d) {
    index_t& e = n.shape.extent[d];
    e += n.attributes.front[d] + n.attributes.back[d];
    if (e < 1)
      return say(who, "axis ", d, " of input ", x, " gets ", n.attributes.front[d], " and ",
                 n.attributes.back[d], " elements: nothing is left");
  }
  return {};
}

constexpr sentence transpose_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  unsigned seen = 0;
  n.shape = x;
  for (int d = 0; d < x.rank; ++d) {
    int const from = n.attributes.from_axis[d];
    if (from < 0 || from >= x.rank || (seen >> from & 1U) != 0 || (d == 0) != (from == 0)) {
      sentence s = say(who, "axes ");
      for (int k = 0; k < x.rank; ++k) s = say(s, k > 0 ? ", " : "", n.attributes.from_axis[k]);
      return say(s, " are no order of those of input ", x, " that begins with the batch");
    }
    seen |= 1U << from;
    n.shape.extent[d] = x[from];
  }
  return {};
}

constexpr sentence slice_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  int const axis = n.attributes.axis;
  if (axis < 1 || axis >= x.rank)
    return say(who, "axis ", axis, " is none of input ", x, " behind the batch");
  index_t const first = n.attributes.first, step = n.attributes.step, count = n.attributes.taken,
                last = first + (count - 1) * step;
  if (step == 0) return say(who, "the step is 0");
  if (count < 1)
    return say(who, "nothing is taken from axis ", axis, " of input ", x);
  if (first < 0 || last < 0 || first >= x[axis] || last >= x[axis])
    return say(who, count, " elements from ", first, " in steps of ", step, " along axis ", axis,
               " of input ", x);
  n.shape = x;
  n.shape.extent[axis] = count;
  return {};
}

/// The last axis stays the last: an image stays one.
constexpr sentence transpose_meaning(node& n, node_inputs in, subject const&) {
  int const last = n.shape.rank - 1;
  n.meaning = n.attributes.from_axis[last] == last ? in[0]->meaning : meaning::rows;
  return {};
}
constexpr bool pads_nothing(node const& n, node_inputs) {
  for (int d = 0; d < n.shape.rank; ++d)
    if (n.attributes.front[d] != 0 || n.attributes.back[d] != 0) return false;
  return true;
}
constexpr bool transposes_nothing(node const& n, node_inputs) {
  for (int d = 0; d < n.shape.rank; ++d)
    if (n.attributes.from_axis[d] != d) return false;
  return true;
}
constexpr bool pads_no_channels(node const& n, node_inputs) {
  int const last = n.shape.rank - 1;
  return n.attributes.front[last] == 0 && n.attributes.back[last] == 0;
}
constexpr bool keeps_last_axis(node const& n, node_inputs) {
  return n.attributes.from_axis[n.shape.rank - 1] == n.shape.rank - 1;
}
constexpr bool cuts_no_channels(node const& n, node_inputs) {
  return n.attributes.axis != n.shape.rank - 1;
}
constexpr bool takes_all(node const& n, node_inputs in) {
  return n.attributes.step == 1 && n.shape == in[0]->shape;
}

} // namespace detail

namespace op {
inline constexpr operator_row pad{.name = "pad", .by_item = true,
                                  .joins_groups = true,
                                  .moves = true,
                                  .eight_bits = quantizes::moves,
                                  .shape = detail::pad_shape,
                                  .changes_nothing = detail::pads_nothing,
                                  .by_channel = detail::pads_no_channels,
                                  .gradient = rules::gradient_alone};
inline constexpr operator_row transpose{.name = "transpose", .by_item = true,
                                        .joins_groups = true,
                                        .moves = true,
                                        .eight_bits = quantizes::moves,
                                        .shape = detail::transpose_shape,
                                        .meaning = detail::transpose_meaning,
                                        .changes_nothing = detail::transposes_nothing,
                                        .by_channel = detail::keeps_last_axis,
                                        .gradient = rules::gradient_alone};
inline constexpr operator_row slice{.name = "slice", .by_item = true,
                                    .joins_groups = true,
                                    .moves = true,
                                    .eight_bits = quantizes::moves,
                                    .shape = detail::slice_shape,
                                    .changes_nothing = detail::takes_all,
                                    .by_channel = detail::cuts_no_channels,
                                    .gradient = rules::gradient_alone};
/// Nothing happens at inference.
inline constexpr operator_row dropout{.name = "dropout", .by_item = true,
                                      .moves = true,
                                      .eight_bits = quantizes::moves,
                                      .shape = rules::keeps_shape,
                                      .changes_nothing = rules::always,
                                      .by_channel = rules::always,
                                      .gradient = rules::gradient_in_place};
inline constexpr operator_row identity{.name = "identity", .by_item = true,
                                       .moves = true,
                                       .any_type = true,
                                       .eight_bits = quantizes::moves,
                                       .shape = takes_source,
                                       .changes_nothing = rules::always,
                                       .by_channel = rules::always,
                                       .gradient = rules::gradient_in_place};
} // namespace op

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
  n.attributes.axis = axis;
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
    index_t const reach = back ? begin - end : end - begin, stride = back ? -step : step;
    n.attributes.first = begin;
    n.attributes.step = step;
    n.attributes.taken = reach > 0 ? (reach + stride - 1) / stride : 0;
  } else {
    n.attributes.step = o.step;
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
  n.attributes.fill = o.mode;
  n.attributes.number = o.value;
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
    n.attributes.front[axis + d] = d < o.begin.count ? o.begin.n[d] : 0;
    n.attributes.back[axis + d] = d < end.count ? end.n[d] : 0;
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
    if (d < 5) n.attributes.from_axis[d] = from;
    ++d;
  }
  if (d != x.shape().rank)
    return x.owner->fail(detail::say(about("transpose", o.name), d - 1, " axes for input ",
                                     x.shape(), ", without the batch there are ",
                                     x.shape().rank - 1),
                         "");
  return apply(n, {x}, "transpose");
}

struct dropout_layer {
  f32 p = 0.5F; ///< share of the elements that are 0 in training
  label name{};
};
/// Nothing happens at inference; in training what is not 0 is divided by 1 - p.
constexpr value dropout(value x, dropout_layer const& o = {}) {
  if (x.id >= 0 && !(o.p >= 0 && o.p < 1))
    return x.owner->fail(about("dropout", o.name), "p must lie in [0, 1)");
  node n{.kind = op::dropout, .name = o.name};
  n.attributes.number = o.p;
  return apply(n, {x}, "dropout");
}
constexpr value identity(value x, named const& o = {}) {
  return apply({.kind = op::identity, .name = o.name}, {x}, "identity");
}

} // namespace graph
IA_NN_END
