// SPDX-License-Identifier: Apache-2.0
//
// Permutations of channels are found among moves, and become one node each:
//
//   reshape ─► transpose ─► reshape    that shuffle channels as ShuffleNet does, written with the
//                                      channels last, or as PyTorch's view has them
//   slice(.step = -1)                  of all channels: BGR to RGB
//   concat of slices                   of one value, that puts all its channels into such an order
//
// passes/orders.hpp has them vanish.
#pragma once

#include <ia_nn/graph/layers/concat.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/simplify.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace op {
/// Channel c of the result is channel `lies.at(c)` of the source. Made by this pass, gone behind
/// passes/orders.hpp.
inline constexpr operator_row permute{.name = "permute", .by_item = true, .moves = true, .shape = takes_source};
} // namespace op

namespace detail {

class permutation_finder {
public:
  constexpr explicit permutation_finder(draft& d) : d_(d) {}

  constexpr int run() {
    int found = 0;
    for (node& n : d_.nodes) {
      channel_order order;
      int const from = n.shape.rank < 2              ? -1
                       : n.kind == op::reshape ? shuffled(n, order)
                       : n.kind == op::slice   ? reversed(n, order)
                       : n.kind == op::concat  ? joined(n, order)
                                               : -1;
      if (from < 0 || !(d_[from].shape == n.shape)) continue;
      n.kind = op::permute;
      n.attributes = {};
      n.attributes.lies = order;
      n.inputs = {};
      n.inputs.add(from);
      ++found;
    }
    if (found > 0) remove_dead(d_);
    return found;
  }

private:
  // Each returns the value whose channels are permuted, or -1.
  constexpr int shuffled(node const& last, channel_order& order) const {
    node const& t = d_[last.inputs[0]];
    if (t.kind != op::transpose) return -1;
    node const& first = d_[t.inputs[0]];
    if (first.kind != op::reshape) return -1;
    int const from = first.inputs[0], rank = first.shape.rank;
    // The channels are two axes between the reshapes, which change places.
    bool const planes = counts(first, order::channels_first) && counts(last, order::channels_first);
    bool const as_they_lie =
        counts(first, order::channels_last) && counts(last, order::channels_last);
    int const outer = planes ? rank - 1 : rank - 2, inner = planes ? 1 : rank - 1;
    if (rank < 3 || !(planes || as_they_lie) ||
        first.shape[outer] * first.shape[inner] != last.shape.last())
      return -1;
    for (int d = 1; d < rank; ++d)
      if (t.attributes.from_axis[d] != (d == outer ? inner : d == inner ? outer : d)) return -1;
    order = channel_order::shuffled(first.shape[outer], last.shape.last());
    return from;
  }
  static constexpr bool counts(node const& n, order o) {
    return n.attributes.reads == o && n.attributes.writes == o;
  }
  constexpr int reversed(node const& n, channel_order& order) const {
    attribute_set const& a = n.attributes;
    if (a.axis != n.shape.rank - 1 || a.step != -1 || n.shape.last() < 2) return -1;
    order = channel_order::backwards();
    return n.inputs[0];
  }
  constexpr int joined(node const& n, channel_order& order) const {
    if (n.attributes.axis != n.shape.rank - 1) return -1;
    int from = -1;
    for (int const in : n.inputs) {
      node const& part = d_[in];
      if (part.kind != op::slice || part.attributes.axis != n.attributes.axis) return -1;
      if (from < 0) from = part.inputs[0];
      if (part.inputs[0] != from) return -1;
    }
    index_t const count = n.shape.last();
    if (d_[from].shape.last() != count || count < 2) return -1;
    order.reversed = channel(n, 0) != 0;
    order.factor = count == 2 ? 1 : order.reversed ? count - 1 - channel(n, 1) : channel(n, 1);
    if (order.factor < 1) return -1;
    index_t i = 0;
    for (int const in : n.inputs)
      for (index_t k = 0; k < d_[in].shape.last(); ++k, ++i)
        if (order.at(i, count) != d_[in].attributes.first + k * d_[in].attributes.step) return -1;
    return from;
  }
  /// Of the sliced value, that is channel i of a concat.
  constexpr index_t channel(node const& n, index_t i) const {
    int k = 0;
    for (; i >= d_[n.inputs[k]].shape.last(); ++k) i -= d_[n.inputs[k]].shape.last();
    attribute_set const& a = d_[n.inputs[k]].attributes;
    return a.first + i * a.step;
  }

  draft& d_;
};

} // namespace detail

/// Returns how many there are.
constexpr int find_permutations(draft& d) { return detail::permutation_finder(d).run(); }

} // namespace graph
IA_NN_END
