// SPDX-License-Identifier: Apache-2.0
//
// The largest and smallest elements along an axis, and where they are.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Indices are f32, as outputs are, exact below 2^24; or s32, which look-ups and gathers read.
struct top_k_layer {
  index_t k = 1;
  int axis = -1; ///< behind the batch; negative: from the end
  bool largest = true;
  bool sorted = true;                ///< best first; else in the order of the indices
  value_type type = value_type::f32; ///< of indices
  label name{};
};
struct arg_layer {
  int axis = -1;
  bool keep = false;                 ///< the axis stays, with extent 1; so does the only one behind the batch
  bool last = false;                 ///< of equal elements the last
  value_type type = value_type::f32; ///< or s32
  label name{};
};

namespace detail {

/// Settles an axis that counts from the end; "" if it lies behind the batch.
constexpr sentence settle_axis(node& n, dims const& x, subject const& who) {
  int& axis = n.attributes.axis;
  int const said = axis;
  if (axis < 0) axis += x.rank;
  if (axis < 1 || axis >= x.rank) return say(who, "axis ", said, " is none of input ", x, " behind the batch");
  return {};
}
constexpr sentence indices_type(node& n, dims const& x, subject const& who) {
  if (n.type != value_type::f32 && n.type != value_type::s32) return say(who, "indices are f32 or s32");
  index_t const most = n.type == value_type::f32 ? index_t{1} << 24 : INT32_MAX;
  if (x[n.attributes.axis] > most)
    return say(who, "axis ", n.attributes.axis, " of input ", x, " has more indices than ", name_of(n.type), " holds");
  return {};
}
constexpr sentence top_k_shape_of(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  if (sentence const s = settle_axis(n, x, who); !s.empty()) return s;
  if (sentence const s = indices_type(n, x, who); !s.empty()) return s;
  index_t const k = n.attributes.taken, axis = n.attributes.axis;
  if (k < 1 || k > x[n.attributes.axis]) return say(who, k, " elements of axis ", axis, " of input ", x);
  n.shape = x;
  n.shape.extent[axis] = k;
  return {};
}
constexpr sentence arg_shape_of(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  if (sentence const s = settle_axis(n, x, who); !s.empty()) return s;
  if (sentence const s = indices_type(n, x, who); !s.empty()) return s;
  bool const keep = n.attributes.keeps_axis || x.rank == 2;
  n.shape = dims{};
  for (int d = 0; d < x.rank; ++d)
    if (d != n.attributes.axis) n.shape.extent[n.shape.rank++] = x[d];
    else if (keep) n.shape.extent[n.shape.rank++] = 1;
  return {};
}
constexpr operator_row selection_row(char const* name) {
  return {.name = name, .by_item = true,
          .shape = top_k_shape_of};
}

} // namespace detail

namespace op {
inline constexpr operator_row top_k = detail::selection_row("top_k");
inline constexpr operator_row top_k_indices = detail::selection_row("top_k_indices");
inline constexpr operator_row arg_max{.name = "arg_max", .by_item = true,
                                      .shape = detail::arg_shape_of,
                                      .meaning = rules::means_rows};
} // namespace op

namespace detail {
constexpr value top_k_of(value x, top_k_layer const& o, op_kind kind, value_type type, char const* what) {
  node n{.kind = kind, .type = type, .name = o.name};
  n.attributes.axis = o.axis, n.attributes.taken = o.k;
  n.attributes.smallest = !o.largest, n.attributes.sorted = o.sorted;
  return apply(n, {x}, what);
}
constexpr value arg_of(value x, arg_layer const& o, bool smallest, char const* what) {
  node n{.kind = op::arg_max, .type = o.type, .name = o.name};
  n.attributes.axis = o.axis, n.attributes.keeps_axis = o.keep;
  n.attributes.smallest = smallest, n.attributes.last_of_equal = o.last;
  return apply(n, {x}, what);
}
} // namespace detail

/// The k largest or smallest elements along an axis; of equal ones the lower index is first, a NaN is above
/// everything. Indices are a value of their own.
constexpr value top_k(value x, top_k_layer const& o) {
  return detail::top_k_of(x, o, op::top_k, value_type::f32, "top_k");
}
constexpr value top_k_indices(value x, top_k_layer const& o) {
  return detail::top_k_of(x, o, op::top_k_indices, o.type, "top_k_indices");
}
/// Where the largest or smallest element of an axis is: the first of equal ones; a NaN, if there is one.
constexpr value arg_max(value x, arg_layer const& o = {}) { return detail::arg_of(x, o, false, "arg_max"); }
constexpr value arg_min(value x, arg_layer const& o = {}) { return detail::arg_of(x, o, true, "arg_min"); }

} // namespace graph
IA_NN_END
