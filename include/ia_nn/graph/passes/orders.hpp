// SPDX-License-Identifier: Apache-2.0
//
// Orders of elements that weights can take: then nothing is moved.
//
//   columns     PyTorch counts the columns 0 .. c s - 1 of a flattened image of c channels and s
//               pixels channel by channel, and they lie pixel by pixel. The same holds where
//               columns are reshaped to an image.
//   channels    permuted by the network (passes/permutations.hpp)
//
// Both are orders of a value's last axis (ir/channel_order.hpp). Rows and columns of a dense layer,
// filters and channels of a convolution, factors of a norm are put into them when they are loaded.
// Values that work channel by channel share one order, and a permutation is a known factor between
// the orders of two values:
//
//   conv ─► flatten ─► batch norm ─► relu ─┬─► dense            one order: that of the image
//                                          └─► + ─► dense
//   conv ─► flatten ───────────────────────────┘
//
//   conv ─► shuffle ─► relu ─► depthwise ─► conv                 the first one's filters lie as the
//                                                               second one's channels do
//
// Each such set takes the order that costs the fewest moves. A concat that only layers with weights
// read has the order of each of its parts. What does not fit is moved, in a step of its own that
// the dump shows: a transposition, a slice backwards.
#pragma once

#include <ia_nn/graph/passes/layouts.hpp>
#include <ia_nn/graph/passes/permutations.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

class order_settler {
public:
  constexpr order_settler(draft& d, bool fold) : d_(d), fold_(fold), all_(d.nodes.size()) {}

  /// Returns how many moves there are.
  constexpr int run() {
    for (int i = 0; i < d_.count(); ++i) {
      node const& n = d_[i];
      state& s = of(i);
      s.set = i;
      if (has_order(n)) s.channels = n.shape.last();
      s.by_channel = s.channels > 1 && says(n, n.kind->by_channel);
      s.has_weights = says(n, n.kind->orders_channels);
      if (s.by_channel || n.kind == op::permute) join(i);
    }
    for (int i = 0; i < d_.count(); ++i) settle_in_set(i);
    if (fold_) choose();
    for (state& s : all_) s.lies = order_of(s);
    made_.reserve(d_.nodes.size() + 64); // copies of nodes count as steps of the compiler
    for (int i = 0; i < d_.count(); ++i) emit(i);
    d_.nodes = static_cast<std::vector<node>&&>(made_);
    return moves_;
  }

private:
  /// What is known of a node. Its value belongs to a set of values whose orders depend on each
  /// other: the first of them stands for all.
  struct state {
    int set = -1;
    channel_order behind{};                       ///< its order is this one behind that of the set
    channel_order of_set{};                       ///< chosen, of the first one
    channel_order lies{};                         ///< its order
    index_t channels = 1;                         ///< 1: there is no order
    bool by_channel = false, has_weights = false; ///< what its row says
    bool in_parts = false;                ///< a concat that has the order of each of its parts
    bool permuted = false, begun = false; ///< of a set: has a permutation; a wish
    int makers = 0, asked = 0;            ///< of a set: members that make it, wishes
    int to = -1;                          ///< what replaces it
    int same = -1;                        ///< in front of permutations: the same memory
  };
  constexpr state& of(int i) { return all_[static_cast<std::size_t>(i)]; }
  constexpr state const& of(int i) const { return all_[static_cast<std::size_t>(i)]; }
  static constexpr bool has_order(node const& n) { return n.shape.rank > 1 && n.shape.last() > 1; }
  static constexpr bool columns(node const& n) { return n.shape.rank == 2; }
  /// True if the channels of a value and of what it is made from are the same ones.
  static constexpr bool share(state const& s, state const& in) {
    return s.channels > 1 && s.channels == in.channels;
  }
  constexpr bool says(node const& n, bool (*rule)(node const&, node_inputs)) const {
    node const* in[max_inputs];
    for (int k = 0; k < n.inputs.count; ++k) in[k] = &d_[n.inputs[k]];
    return rule(n, in);
  }
  /// How the elements of an item lie, as PyTorch counts them, on either side of a reshape.
  static constexpr channel_order counted(order how, dims const& s) {
    if (how != order::channels_first) return {};
    return channel_order::shuffled(s.last(), s.item());
  }
  /// The order in which n wants the channels of value `in`.
  static constexpr channel_order wanted_by(node const& n, node const& in) {
    bool const reads_columns = n.kind == op::reshape && columns(in);
    return reads_columns ? counted(n.attributes.writes, n.shape) : channel_order{};
  }
  /// That in which n makes its own.
  constexpr channel_order made_by(node const& n) const {
    bool const makes_columns = n.kind == op::reshape && columns(n);
    return makes_columns ? counted(n.attributes.reads, d_[n.inputs[0]].shape) : channel_order{};
  }
  /// True if it can make them in any.
  constexpr bool chooses(int i) const {
    return of(i).has_weights || (d_[i].kind == op::reshape && columns(d_[i]));
  }
  /// True if node i reads value `in` in whatever order it has.
  constexpr bool takes_any(int i, int in) const {
    state const& s = of(i);
    return s.has_weights || s.in_parts || (s.by_channel && share(s, of(in)));
  }

  /// Sets grow as trees: this looks up which one i belongs to by now.
  constexpr void settle_in_set(int i) {
    state& s = of(i);
    for (state const* first = &of(s.set); first->set != s.set; first = &of(s.set)) {
      s.behind = channel_order::product(s.behind, first->behind, s.channels);
      s.set = first->set;
    }
  }
  /// Puts a value into the set of what it is made from.
  constexpr void join(int i) {
    state& s = of(i);
    node const& n = d_[i];
    s.permuted = n.kind == op::permute;
    channel_order const between = s.permuted ? n.attributes.lies : channel_order{};
    for (int const in : n.inputs) {
      state& from = of(in);
      if (!share(s, from)) continue;
      settle_in_set(in), settle_in_set(i);
      if (from.set == s.set) continue; // they agree, or are moved
      // The order of `in` is `between` behind that of i.
      index_t const c = s.channels;
      channel_order const expected = channel_order::product(between, s.behind, c);
      bool const first = from.set < s.set;
      state &stays = of(first ? from.set : s.set), &joins = of(first ? s.set : from.set);
      joins.behind = first ? channel_order::quotient(from.behind, expected, c)
                           : channel_order::quotient(expected, from.behind, c);
      stays.permuted = stays.permuted || joins.permuted;
      joins.set = first ? from.set : s.set;
    }
  }
  constexpr channel_order order_of(state const& s) const {
    channel_order const set = of(s.set).of_set;
    if (s.channels == 1 || set.is_read()) return s.channels == 1 ? channel_order{} : set;
    return channel_order::product(s.behind, set, s.channels);
  }

  /// A maker or a reader of a value wants its set in this order.
  struct wish {
    int set;
    channel_order order;
  };
  constexpr void choose() {
    std::vector<wish> wishes;
    auto const ask = [&](state const& s, channel_order o) {
      wishes.push_back({s.set, channel_order::quotient(o, s.behind, s.channels)});
      ++of(s.set).asked;
    };
    auto const makes = [&](int i) {
      return of(i).channels > 1 && !of(i).by_channel && d_[i].kind != op::permute;
    };
    for (int i = 0; i < d_.count(); ++i)
      if (makes(i)) ++of(of(i).set).makers;
    // Readers stand behind what they read: a set's are known when its only maker's turn comes.
    for (int i = d_.count() - 1; i >= 0; --i) {
      node const& n = d_[i];
      state& s = of(i);
      state& set = of(s.set);
      if (makes(i)) {
        s.in_parts = n.kind == op::concat && set.makers == 1 && set.asked == 0 && !set.permuted;
        if (s.in_parts) set.of_set = channel_order::as_read();
        else if (!s.has_weights) ask(s, made_by(n));
      }
      if (n.kind == op::permute) continue;
      for (int const in : n.inputs)
        if (of(in).channels > 1 && !takes_any(i, in)) ask(of(in), wanted_by(n, d_[in]));
    }
    // The fewest moves; of two orders that of who makes the value.
    for (wish const& w : wishes) {
      state& set = of(w.set);
      if (!set.begun) set.of_set = w.order, set.begun = true;
      else if (!(set.of_set == w.order) &&
               moves(wishes, w.set, w.order) <= moves(wishes, w.set, set.of_set))
        set.of_set = w.order;
    }
  }
  constexpr int moves(std::vector<wish> const& wishes, int set, channel_order o) const {
    index_t const n = of(set).channels;
    int sum = 0;
    for (wish const& w : wishes)
      if (w.set == set && !(w.order == o))
        sum += is_one_move(channel_order::quotient(w.order, o, n), n) ? 1 : 2;
    return sum;
  }
  static constexpr bool is_one_move(channel_order o, index_t n) {
    return o.reversed ? o.factor == 1 : n % o.factor == 0;
  }

  // What replaces the nodes.
  constexpr node& node_made(int id) { return made_[static_cast<std::size_t>(id)]; }
  constexpr int add(node const& n) {
    made_.push_back(n);
    return static_cast<int>(made_.size()) - 1;
  }
  constexpr int add(op_kind kind, int from, dims const& shape, label const& name) {
    node n{.kind = kind, .type = node_made(from).type, .name = name, .shape = shape};
    n.attributes.reads = n.attributes.writes = order::channels_last;
    n.inputs.add(from);
    return add(n);
  }
  /// "x.transposed", or with a number behind it: ranges of values are found by their names.
  constexpr label name_of_move(label const& of, char const* what) const {
    label const name = of + what;
    for (node const& n : made_)
      if (n.name == name) return name + index_t{moves_};
    return name;
  }
  /// Places 0, 1, ... of the last axis of `from`, seen as (batch, pixels, n), get what lies in
  /// places by.at(0), by.at(1) ...
  constexpr int moved(int from, index_t n, channel_order by, label const& name) {
    dims const image = node_made(from).shape;
    index_t const batch = image[0], pixels = image.item() / n;
    if (by.reversed) {
      int const rows = add(op::reshape, from, dims{batch, pixels, n}, name);
      from = add(op::slice, rows, dims{batch, pixels, n}, name_of_move(name, ".reversed"));
      attribute_set& a = node_made(from).attributes;
      a.axis = 2, a.first = n - 1, a.step = -1, a.taken = n;
      ++moves_;
    }
    while (by.factor != 1) {
      // (batch, pixels, rows, columns) to (batch, pixels, columns, rows)
      index_t const columns = next_factor(by.factor, n), rows = n / columns;
      dims const to = pixels > 1 ? dims{batch, pixels, columns, rows} : dims{batch, columns, rows};
      dims seen = to;
      seen.extent[to.rank - 2] = rows, seen.extent[to.rank - 1] = columns;
      int const matrix = add(op::reshape, from, seen, name);
      from = add(op::transpose, matrix, to, name_of_move(name, ".transposed"));
      for (int k = 0; k < to.rank; ++k)
        node_made(from).attributes.from_axis[k] = k < to.rank - 2 ? k : 2 * to.rank - 3 - k;
      by = channel_order::quotient(by, channel_order::shuffled(rows, n), n);
      ++moves_;
    }
    return from;
  }
  /// The first transposition on the shortest way: its factor divides n.
  static constexpr index_t next_factor(index_t factor, index_t n) {
    if (n % factor == 0) return factor;
    for (int length = 1;; ++length)
      for (index_t f = 2; f < n; ++f)
        if (n % f == 0 && is_within(rest_of(factor, f, n), n, length)) return f;
  }
  static constexpr index_t rest_of(index_t factor, index_t f, index_t n) {
    return channel_order::quotient({factor}, {f}, n).factor;
  }
  static constexpr bool is_within(index_t factor, index_t n, int length) {
    if (factor == 1) return true;
    if (length == 1) return n % factor == 0;
    for (index_t f = 2; f < n; ++f)
      if (n % f == 0 && is_within(rest_of(factor, f, n), n, length - 1)) return true;
    return false;
  }

  /// A value in an order that it does not lie in. Several readers share it.
  struct copy {
    int of;
    channel_order lies;
    int id;
  };
  /// Value `in` in this order.
  constexpr int in_order(int in, channel_order wanted) {
    channel_order const lies = of(in).lies;
    if (of(in).channels == 1 || lies == wanted) return of(in).to;
    for (copy const& c : copies_)
      if (c.of == in && c.lies == wanted) return c.id;
    int const id = arranged(of(in).to, d_[in], lies, wanted);
    copies_.push_back({in, wanted, id});
    return id;
  }
  /// The same for what works channel by channel, whatever their numbers are.
  constexpr int alike(int in, channel_order wanted) {
    return of(in).lies == wanted ? of(in).same : in_order(in, wanted);
  }
  /// Node `like` as value `from`, which lies in another order.
  constexpr int arranged(int from, node const& like, channel_order lies, channel_order wanted) {
    index_t const n = like.shape.last();
    from = moved(from, n, channel_order::quotient(wanted, lies, n), like.name);
    from = add(op::reshape, from, like.shape, like.name);
    node_made(from).meaning = like.meaning;
    node_made(from).attributes.lies = wanted;
    return from;
  }
  constexpr void emit(int i) {
    node& n = d_[i];
    channel_order const lies = of(i).lies;
    n.attributes.lies = lies;
    if (n.kind == op::permute) { // other numbers for the same channels
      int const in = n.inputs[0];
      n.kind = op::reshape;
      n.attributes.reads = n.attributes.writes = order::channels_last;
      n.inputs[0] = of(in).to;
      of(i).to = add(n);
      of(i).same = of(in).same;
      return;
    }
    bool const as_wanted = lies.is_read() || lies.as_counted() || of(i).by_channel || chooses(i);
    if (n.kind == op::reshape && !of(i).by_channel) {
      reshape(n);
    } else {
      for (int k = 0; k < n.inputs.count; ++k) {
        int const in = n.inputs[k];
        n.inputs[k] = !takes_any(i, in)  ? in_order(in, wanted_by(n, d_[in]))
                      : of(i).by_channel ? alike(in, lies)
                                         : of(in).to;
      }
    }
    if (!as_wanted) n.attributes.lies = {}; // but as they are counted
    int const made = add(n);
    if (!as_wanted) copies_.push_back({i, {}, made});
    of(i).to = of(i).same = as_wanted ? made : arranged(made, n, {}, lies);
  }
  /// Elements of an item move from where the source has them to where the result wants them.
  constexpr void reshape(node& n) {
    int const in = n.inputs[0];
    node const& x = d_[in];
    channel_order const lies = columns(x) ? of(in).lies : counted(n.attributes.reads, x.shape);
    channel_order const wanted =
        columns(n) ? n.attributes.lies : counted(n.attributes.writes, n.shape);
    n.inputs[0] = columns(x) ? of(in).to : in_order(in, {});
    n.attributes.reads = n.attributes.writes = order::channels_last;
    if (lies == wanted) return;
    index_t const item = n.shape.item();
    channel_order const by = channel_order::quotient(wanted, lies, item);
    if (columns(x) && !is_one_move(by, item)) { // another reader may have it as it is counted
      n.inputs[0] = in_order(in, {});
      if (!wanted.as_counted()) n.inputs[0] = moved(n.inputs[0], item, wanted, n.name);
    } else {
      n.inputs[0] = moved(n.inputs[0], item, by, n.name);
    }
  }

  draft& d_;
  bool fold_;
  std::vector<state> all_;
  std::vector<copy> copies_{};
  std::vector<node> made_{};
  int moves_ = 0;
};

} // namespace detail

/// After it every reshape counts elements as they lie. Without `fold` each one that does not is a
/// transposition, and permutations stay as they were written. Returns how many moves were made.
constexpr int settle_orders(draft& d, bool fold = true) {
  bool needed = false;
  for (node const& n : d.nodes)
    needed = needed || (n.kind == op::reshape && (n.attributes.reads == order::channels_first ||
                                                  n.attributes.writes == order::channels_first));
  if (fold && needed) skip_images(d);
  bool const permuted = fold && find_permutations(d) > 0;
  int const moves = needed || permuted ? detail::order_settler(d, fold).run() : 0;
  if (permuted || moves > 0) remove_dead(d);
  if (fold) read_planes(d);
  return moves;
}

/// Appends which channel, as it is counted, lies in each place of the last axis of value `id`.
inline void append_channel_order(node const* nodes, int id, std::vector<index_t>& to) {
  node const& n = nodes[id];
  index_t const channels = n.shape.last();
  channel_order const lies = n.attributes.lies;
  if (lies.is_read() && n.kind == op::concat && n.attributes.axis == n.shape.rank - 1) {
    index_t first = 0;
    for (int const in : n.inputs) {
      std::size_t const begin = to.size();
      append_channel_order(nodes, in, to);
      for (std::size_t i = begin; i < to.size(); ++i) to[i] += first;
      first += nodes[in].shape.last();
    }
    return;
  }
  if (lies.is_read()) // all it reads with these channels has one order
    for (int const in : n.inputs)
      if (nodes[in].shape.last() == channels && nodes[in].kind != op::constant)
        return append_channel_order(nodes, in, to);
  for (index_t i = 0; i < channels; ++i) to.push_back(lies.is_read() ? i : lies.at(i, channels));
}

} // namespace graph
IA_NN_END
