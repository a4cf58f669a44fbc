// SPDX-License-Identifier: Apache-2.0
//
// Shapes of operators on two values, of which one may be repeated.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// How the smaller of two operands is repeated over the larger one, of shape (n, ..., c).
enum class spread : unsigned char {
  none,       ///< (n, ..., c): an element each
  channels,   ///< (n, 1, ..., c): an item has one row
  rows,       ///< (n, ..., 1): a row has one element
  items,      ///< (n, 1, ..., 1): an item has one element
  every_row,  ///< (c), of a parameter: all rows of all items have the same elements
  every_item, ///< (..., c), of a parameter: all items have the same elements
  wrong       ///< it does not fit
};
/// Of an operand that is read where it was loaded: the batch is not in it.
constexpr bool is_loaded(spread s) { return s == spread::every_row || s == spread::every_item; }

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

/// As spread_of, of a parameter.
constexpr spread spread_of_parameter(dims const& whole, dims const& part) {
  if (spread_of(whole, part) == spread::wrong) return spread::wrong;
  return part.item() == part.last() ? spread::every_row : spread::every_item;
}

namespace detail {

/// "conv2d 'a' has shape (1, 8), input 'b' (1, 9)"
constexpr sentence unequal(subject const& who, node const& a, node const& b) {
  return say(who, shown(a), " '", a.name.view(), "' has shape ", a.shape, ", ", shown(b), " '",
             b.name.view(), "' ", b.shape);
}

constexpr sentence binary_shape(node& n, node_inputs in, subject const& who) {
  node const &a = *in[0], &b = *in[1];
  if (spread_of(a.shape, b.shape) != spread::wrong) n.shape = a.shape;
  else if (spread_of(b.shape, a.shape) != spread::wrong) n.shape = b.shape;
  else return unequal(who, a, b);
  return {};
}

/// A repeated operand has no say.
constexpr sentence binary_meaning(node& n, node_inputs in, subject const& who) {
  for (int i = 0; i < 2; ++i)
    if (!(in[i]->shape == n.shape)) {
      n.meaning = in[1 - i]->meaning;
      return {};
    }
  return rules::means_what_all_do(n, in, who);
}

} // namespace detail
} // namespace graph
IA_NN_END
