// SPDX-License-Identifier: Apache-2.0
//
// Shapes of what moves elements, and of operations on two values.
#pragma once

#include <ia_nn/graph/sentences.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// How the smaller of two operands is repeated over the larger one, of shape (n, ..., c).
enum class spread : unsigned char {
  none,     ///< (n, ..., c): an element each
  channels, ///< (n, 1, ..., c): an item has one row
  rows,     ///< (n, ..., 1): a row has one element
  items,    ///< (n, 1, ..., 1): an item has one element
  wrong     ///< it does not fit
};

constexpr spread spread_of(dims const& whole, dims const& part) {
  if (whole.rank != part.rank || whole[0] != part[0]) return spread::wrong;
  bool same = true, single = true; // in front of the channels
  for (int d = 1; d + 1 < whole.rank; ++d) {
    same = same && part[d] == whole[d];
    single = single && part[d] == 1;
  }
  bool const columns = part.last() == whole.last();
  if (!columns && part.last() != 1) return spread::wrong;
  if (same) return columns ? spread::none : spread::rows;
  if (single) return columns ? spread::channels : spread::items;
  return spread::wrong;
}

namespace detail {

/// "conv2d 'a' has shape (1, 8), input 'b' (1, 9)"
constexpr sentence unequal(subject const& who, node const& a, node const& b) {
  return say(who, shown(a), " '", a.name.view(), "' has shape ", a.shape, ", ", shown(b), " '",
             b.name.view(), "' ", b.shape);
}

constexpr sentence infer_binary(node& n, node const& a, node const& b, subject const& who) {
  if (spread_of(a.shape, b.shape) != spread::wrong) n.shape = a.shape;
  else if (spread_of(b.shape, a.shape) != spread::wrong) n.shape = b.shape;
  else return unequal(who, a, b);
  return {};
}

constexpr sentence infer_concat(node& n, node const* const* in, subject const& who) {
  dims const& x = in[0]->shape;
  int const axis = n.with.axis < 0 ? n.with.axis + x.rank : n.with.axis;
  if (axis < 1 || axis >= x.rank)
    return say(who, "axis ", n.with.axis, " is none of input ", x, " behind the batch");
  n.with.axis = axis;
  n.shape = x;
  for (int i = 1; i < n.inputs.count; ++i) {
    dims like = in[i]->shape;
    index_t const more = like.rank > axis ? like[axis] : 0;
    if (like.rank > axis) like.extent[axis] = x[axis];
    if (!(like == x)) return say(unequal(who, *in[0], *in[i]), ", to be joined along axis ", axis);
    n.shape.extent[axis] += more;
  }
  return {};
}

constexpr sentence infer_reshape(node& n, dims const& x, subject const& who) {
  index_t known = 1;
  int open = -1;
  for (int d = 1; d < n.shape.rank && d < 5; ++d) {
    if (n.shape[d] == -1 && open < 0) open = d;
    else known = n.shape[d] > 0 && known <= x.item() / n.shape[d] ? known * n.shape[d] : 0;
  }
  n.shape.extent[0] = x[0];
  if (open > 0 && known > 0 && x.item() % known == 0) n.shape.extent[open] = x.item() / known;
  if (n.shape.rank > 5) return say(who, "a shape has 1 to 5 extents, the batch first");
  if (n.shape.rank < 2 || known < 1 || n.shape.item() != x.item())
    return say(who, "input ", x, " has not as many elements as ", n.shape);
  return {};
}

constexpr sentence infer_pad(node& n, dims const& x, subject const& who) {
  n.shape = x;
  for (int d = 1; d < x.rank; ++d) {
    index_t& e = n.shape.extent[d];
    e += index_t{n.with.before[d]} + n.with.after[d];
    if (e < 1)
      return say(who, "axis ", d, " of input ", x, " gets ", n.with.before[d], " and ",
                 n.with.after[d], " elements: nothing is left");
  }
  return {};
}

constexpr sentence infer_transpose(node& n, dims const& x, subject const& who) {
  unsigned seen = 0;
  n.shape = x;
  for (int d = 0; d < x.rank; ++d) {
    int const from = n.with.before[d];
    if (from < 0 || from >= x.rank || (seen >> from & 1U) != 0 || (d == 0) != (from == 0)) {
      sentence s = say(who, "axes ");
      for (int k = 0; k < x.rank; ++k) s = say(s, k > 0 ? ", " : "", n.with.before[k]);
      return say(s, " are no order of those of input ", x, " that begins with the batch");
    }
    seen |= 1U << from;
    n.shape.extent[d] = x[from];
  }
  return {};
}

// `units` holds how many elements are taken along `axis`, `before` and `after` the rest.
constexpr sentence infer_slice(node& n, dims const& x, subject const& who) {
  int const axis = n.with.axis;
  if (axis < 1 || axis >= x.rank)
    return say(who, "axis ", axis, " is none of input ", x, " behind the batch");
  index_t const first = n.with.before[axis], step = n.with.after[axis], count = n.with.units,
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

} // namespace detail
} // namespace graph
IA_NN_END
