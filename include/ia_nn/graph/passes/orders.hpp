// SPDX-License-Identifier: Apache-2.0
//
// PyTorch's order of elements where channels are last in memory. Of an image of c channels and s
// pixels, columns 0 .. c s - 1 of flatten are
//
//   counted     channel 0: pixels 0 .. s - 1, channel 1: ...       column channel s + pixel
//   in memory   pixel 0: channels 0 .. c - 1, pixel 1: ...         place  pixel c + channel
//
// and the other way round where columns are reshaped to an image. Nothing is moved for that where
// what makes and what reads the columns has weights: rows and columns of a dense layer, factors of
// a norm are put into the order of memory when they are loaded. Values that work column by column
// share one order:
//
//   conv ─► flatten ─► batch norm ─► relu ─┬─► dense            one order: that of the image
//                                          └─► + ─► dense
//   conv ─► flatten ───────────────────────────┘
//
// Each such set takes the order that costs the fewest transpositions. A concat that only dense
// layers read has the order of each of its parts. What does not fit is transposed, in a step of its
// own that the dump shows.
#pragma once

#include <ia_nn/graph/layers/dense.hpp>
#include <ia_nn/graph/layers/move.hpp>
#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/passes/simplify.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

class order_settler {
public:
  constexpr order_settler(draft& d, bool fold)
      : d_(d), fold_(fold), parent_(d.nodes.size(), 0), order_(d.nodes.size(), 0),
        in_parts_(d.nodes.size(), 0), to_(d.nodes.size(), -1), counted_(d.nodes.size(), -1) {}

  /// Returns how many transpositions there are.
  constexpr int run() {
    join();
    if (fold_) choose();
    for (int i = 0; i < d_.count(); ++i) emit(i);
    d_.nodes = static_cast<std::vector<node>&&>(made_);
    return moved_;
  }

private:
  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }
  static constexpr bool columns(node const& n) { return n.shape.rank == 2 && n.shape[1] > 1; }
  /// What the source of a reshape must be transposed from, and its result to: channels, or 0.
  constexpr index_t channels_read(node const& n) const {
    bool const first = n.kind == op::reshape && n.attributes.reads == order::channels_first;
    return first ? d_[n.inputs[0]].shape.last() : 0;
  }
  static constexpr index_t channels_written(node const& n) {
    return n.attributes.writes == order::channels_first ? n.shape.last() : 0;
  }
  /// Kinds that work on columns in any order, if what they read has the same.
  constexpr bool by_column(node const& n) const {
    if (!columns(n)) return false;
    if (n.kind == op::reshape) return n.shape == d_[n.inputs[0]].shape;
    return n.kind->by_column;
  }

  /// Kinds that give columns in the order that is wanted.
  static constexpr bool chooses(node const& n) {
    return n.kind->orders_columns;
  }

  // Sets of values with one order: the first of them stands for all.
  constexpr int set_of(int i) const {
    while (parent_[at(i)] != i) i = parent_[at(i)];
    return i;
  }
  constexpr void join() {
    for (int i = 0; i < d_.count(); ++i) {
      parent_[at(i)] = i;
      if (!by_column(d_[i])) continue;
      for (int const in : d_[i].inputs) {
        if (!(d_[in].shape == d_[i].shape)) continue;
        int const a = set_of(in), b = set_of(i);
        parent_[at(a < b ? b : a)] = a < b ? a : b;
      }
    }
    for (int i = 0; i < d_.count(); ++i) parent_[at(i)] = set_of(i);
  }

  /// A member or a reader of a set wants it in an order: that of an image of so many channels, or 0.
  struct wish {
    int set;
    index_t channels;
  };
  constexpr void choose() {
    std::vector<int> makers(d_.nodes.size(), 0), asked(d_.nodes.size(), 0);
    std::vector<wish> wishes;
    auto const ask = [&](int value, index_t channels) {
      int const set = parent_[at(value)];
      wishes.push_back({set, channels});
      ++asked[at(set)];
    };
    for (int i = 0; i < d_.count(); ++i)
      if (columns(d_[i]) && !by_column(d_[i])) ++makers[at(parent_[at(i)])];
    // Readers stand behind what they read: a set's are known when its only maker's turn comes.
    for (int i = d_.count() - 1; i >= 0; --i) {
      node const& n = d_[i];
      std::size_t const set = at(parent_[at(i)]);
      in_parts_[at(i)] =
          n.kind == op::concat && columns(n) && makers[set] == 1 && asked[set] == 0;
      if (in_parts_[at(i)]) order_[set] = -1;
      else if (columns(n) && !by_column(n) && (n.kind == op::reshape || !chooses(n)))
        ask(i, channels_read(n));
      for (int const in : n.inputs)
        if (columns(d_[in]) && !takes_any(n, i, in)) ask(in, channels_written(n));
    }
    for (wish const& w : wishes) { // the fewest transpositions; of two orders that of an image
      if (w.channels == 0 || order_[at(w.set)] == w.channels) continue;
      if (transpositions(wishes, w.set, w.channels) <=
          transpositions(wishes, w.set, order_[at(w.set)]))
        order_[at(w.set)] = w.channels;
    }
  }
  static constexpr int transpositions(std::vector<wish> const& wishes, int set, index_t order) {
    int n = 0;
    for (wish const& w : wishes)
      if (w.set == set && w.channels != order) n += (w.channels != 0) + (order != 0);
    return n;
  }
  /// True if node i reads value `in` in whatever order it has.
  constexpr bool takes_any(node const& n, int i, int in) const {
    return n.kind == op::dense || in_parts_[at(i)] != 0 ||
           (by_column(n) && d_[in].shape == n.shape);
  }

  // What replaces the nodes.
  constexpr int add(node const& n) {
    made_.push_back(n);
    return static_cast<int>(made_.size()) - 1;
  }
  constexpr int add(op_kind kind, int from, dims const& shape, label const& name) {
    node n{.kind = kind, .meaning = meaning::rows, .name = name, .shape = shape};
    n.attributes.reads = n.attributes.writes = order::channels_last;
    n.inputs.add(from);
    return add(n);
  }
  /// (batch, rows, columns) to (batch, columns, rows).
  constexpr int transposed(int from, index_t rows, index_t columns, label const& name) {
    index_t const batch = made_[at(from)].shape[0];
    int const matrix = add(op::reshape, from, dims{batch, rows, columns}, name);
    int const t = add(op::transpose, matrix, dims{batch, columns, rows}, name + ".transposed");
    for (int k = 0; k < 3; ++k) made_[at(t)].attributes.from_axis[k] = k == 0 ? 0 : 3 - k;
    ++moved_;
    return t;
  }
  /// Value `in` as it is counted.
  constexpr int counted(int in) {
    index_t const channels = columns(d_[in]) ? order_[at(parent_[at(in)])] : 0;
    if (channels == 0) return to_[at(in)];
    int& place = counted_[at(in)];
    if (place < 0) {
      index_t const size = d_[in].shape.item();
      label const& name = d_[in].name;
      place = transposed(to_[at(in)], size / channels, channels, name);
      place = add(op::reshape, place, d_[in].shape, name);
    }
    return place;
  }
  constexpr void emit(int i) {
    node n = d_[i];
    index_t const channels = columns(n) ? order_[at(parent_[at(i)])] : 0;
    n.attributes.column_channels = channels;
    if (n.kind == op::reshape && !by_column(n)) {
      reorder(n);
    } else {
      for (int k = 0; k < n.inputs.count; ++k) {
        int const in = n.inputs[k];
        n.inputs[k] = takes_any(d_[i], i, in) ? to_[at(in)] : counted(in);
      }
    }
    if (channels <= 0 || by_column(d_[i]) || chooses(n)) {
      to_[at(i)] = add(n);
      return;
    }
    n.attributes.column_channels = 0; // it gives columns as they are counted
    int const matrix = transposed(counted_[at(i)] = add(n), channels, n.shape[1] / channels, n.name);
    to_[at(i)] = add(op::reshape, matrix, n.shape, n.name);
    made_[at(to_[at(i)])].attributes.column_channels = channels;
  }
  constexpr void reorder(node& n) {
    int const in = n.inputs[0];
    index_t const size = n.shape.item();
    index_t const lies =
        columns(d_[in]) ? order_[at(parent_[at(in)])] : channels_read(n);
    index_t const wanted = columns(n) ? n.attributes.column_channels : channels_written(n);
    n.inputs[0] = to_[at(in)];
    n.attributes.reads = n.attributes.writes = order::channels_last;
    if (lies == wanted) return;
    if (lies != 0)
      n.inputs[0] = columns(d_[in]) ? counted(in)
                                    : transposed(to_[at(in)], size / lies, lies, n.name);
    if (wanted != 0) n.inputs[0] = transposed(n.inputs[0], wanted, size / wanted, n.name);
  }

  draft& d_;
  bool fold_;
  std::vector<int> parent_;
  std::vector<index_t> order_;    ///< of each set, as attribute_set::column_channels
  std::vector<char> in_parts_;    ///< concats that have the order of each of their parts
  std::vector<int> to_, counted_; ///< of each node, what replaces it; and as it is counted
  std::vector<node> made_{};
  int moved_ = 0;
};

} // namespace detail

/// After it every reshape counts elements as they lie. Without `fold` each one that does not is a
/// transposition. Returns how many of those there are.
constexpr int settle_orders(draft& d, bool fold = true) {
  for (node const& n : d.nodes)
    if (n.kind == op::reshape &&
        (n.attributes.reads == order::channels_first || n.attributes.writes == order::channels_first))
      return detail::order_settler(d, fold).run();
  return 0;
}

/// Appends which column, as it is counted, lies in each place of value `id`.
inline void append_column_order(node const* nodes, int id, std::vector<index_t>& to) {
  node const& n = nodes[id];
  index_t const columns = n.shape.last(), channels = n.attributes.column_channels;
  if (channels < 0 && n.kind == op::concat) {
    index_t first = 0;
    for (int const in : n.inputs) {
      std::size_t const begin = to.size();
      append_column_order(nodes, in, to);
      for (std::size_t i = begin; i < to.size(); ++i) to[i] += first;
      first += nodes[in].shape.last();
    }
    return;
  }
  if (channels < 0) // all it reads of this shape has one order
    for (int const in : n.inputs)
      if (nodes[in].shape == n.shape && nodes[in].kind != op::constant)
        return append_column_order(nodes, in, to);
  for (index_t i = 0; i < columns; ++i)
    to.push_back(channels > 0 ? i % channels * (columns / channels) + i / channels : i);
}

} // namespace graph
IA_NN_END
