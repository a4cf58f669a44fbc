// SPDX-License-Identifier: Apache-2.0
//
// How a network is written. A named struct holds a constexpr function that is given a builder:
//
//   struct small_net {
//     static constexpr auto build(ia_nn::graph::builder& b) {
//       auto x = input(b, "image", {ia_nn::graph::any_batch, 28, 28, 1});
//       x = relu(conv2d(x, {.filters = 32, .kernel = 3, .name = "conv1"}));
//       x = max_pool(x, {.kernel = 2});
//       return softmax(dense(flatten(x), {.units = 10, .name = "fc"}));
//     }
//   };
//
// The functions of graph/layers.hpp are found by their arguments. Blocks that repeat are ordinary
// functions and loops. A mistake is noted, with the name of the layer, and what follows it is
// ignored; passes/network.hpp makes the note an error of the compiler.
#pragma once

#include <ia_nn/graph/ir/infer.hpp>
#include <ia_nn/graph/ir/meaning.hpp>

#include <utility>

#include <ia_nn/begin.hpp>
namespace graph {

/// More nodes than this are refused, since compilers limit constant evaluation. A network that has
/// more says so, `static constexpr int max_nodes = 4096;`, and is compiled with
/// -fconstexpr-ops-limit=1000000000 (g++) or -fconstexpr-steps=1000000000 (clang++).
inline constexpr int max_nodes = 1024;

class builder;

namespace detail {
/// Names that are taken, found by their hash: comparing each with all others would take most of the
/// steps that compilers allow.
class name_table {
public:
  /// False if another node has the name of node `id`.
  constexpr bool add(std::vector<node> const& nodes, int id) {
    if (2 * count_ >= static_cast<int>(places_.size())) grow(nodes);
    std::string_view const name = nodes[static_cast<std::size_t>(id)].name.view();
    std::size_t const at = find(nodes, name);
    if (places_[at] >= 0) return false;
    places_[at] = id;
    ++count_;
    return true;
  }

private:
  constexpr std::size_t find(std::vector<node> const& nodes, std::string_view name) const {
    std::uint32_t hash = 2166136261U;
    for (char const c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    std::size_t at = hash % places_.size();
    while (places_[at] >= 0 && nodes[static_cast<std::size_t>(places_[at])].name.view() != name)
      at = (at + 1) % places_.size();
    return at;
  }
  constexpr void grow(std::vector<node> const& nodes) {
    std::vector<int> const old = places_;
    places_.assign(old.empty() ? 31 : 2 * old.size() + 1, -1);
    for (int const id : old)
      if (id >= 0) places_[find(nodes, nodes[static_cast<std::size_t>(id)].name.view())] = id;
  }
  std::vector<int> places_{};
  int count_ = 0;
};
} // namespace detail

/// What a node gives. Ids are places in the network.
struct value {
  builder* owner = nullptr;
  int id = -1;

  constexpr dims const& shape() const;
};

class builder {
public:
  draft net{};
  int most = max_nodes;

  /// Adds a node that reads `from`. `what` names the function in sentences; `unnamed` layers are
  /// called "conv2d_7", after their place.
  constexpr value add(node const& n, std::initializer_list<value> from, char const* what) {
    return add(n, from.begin(), static_cast<int>(from.size()), what);
  }
  constexpr value add(node const& layer, value const* from, int count, char const* what) {
    if (net.wrong()) return {this, -1};
    if (layer.name.cut)
      return fail(about(what, layer.name), "the name of a layer has at most 47 characters");
    if (net.count() >= most)
      return fail(detail::say(about(what, layer.name), "a network has at most ", most,
                              " nodes, unless it says max_nodes"),
                  "");
    if (count > max_inputs) return fail(about(what, layer.name), "a layer reads at most 32 values");
    int const id = net.count();
    for (int i = 0; i < count; ++i)
      if (from[i].owner != this || from[i].id < 0 || from[i].id >= id)
        return fail(about(what, layer.name), "an input is no value of this network");
    net.nodes.push_back(layer);
    node& n = net[id];
    node const* in[max_inputs];
    for (int i = 0; i < count; ++i) {
      n.inputs.add(from[i].id);
      in[i] = &net[from[i].id];
    }
    if (n.name.empty()) {
      n.name += what;
      n.name += "_";
      n.name += id;
    } else if (n.kind != op::output && !names_.add(net.nodes, id)) {
      return fail(about(what, n.name), "another layer has this name");
    }
    if (sentence const s = infer(n, in, what); !s.empty()) return fail(s, "");
    return {this, id};
  }
  constexpr value fail(sentence s, char const* why) {
    if (!net.wrong()) {
      s += why;
      net.mistake = s;
    }
    return {this, -1};
  }

private:
  detail::name_table names_{};
};

constexpr dims const& value::shape() const { return owner->net[id].shape; }

/// Puts a node behind one or several others.
constexpr value apply(node const& n, std::initializer_list<value> from, char const* what) {
  builder* const b = from.begin()->owner;
  return b ? b->add(n, from, what) : value{};
}

/// Anything with `static constexpr auto build(builder&)` that returns nothing (and calls `output`),
/// a value, or an array of values.
template <class Net>
concept network_definition = requires(builder& b) { Net::build(b); };

namespace detail {

/// What layers read of input `id`: with channels first two reshapes stand behind it, layers/ends.hpp.
constexpr int value_of_input(draft const& d, int id) {
  return d[id].attributes.layout == layout::channels_first ? id + 2 : id;
}

template <class Net> constexpr draft built() {
  builder b;
  if constexpr (requires { Net::max_nodes; }) b.most = Net::max_nodes;
  using Result = decltype(Net::build(b));
  if constexpr (std::is_void_v<Result>) Net::build(b);
  else if constexpr (std::same_as<Result, value>) output(Net::build(b), "output");
  else {
    auto const values = Net::build(b);
    index_t i = 0;
    for (auto const& v : values) output(v, label("output") + i++); // layers/ends.hpp
  }
  draft& d = b.net;
  if (d.wrong()) return d;
  if (d.count_of(op::output) == 0) {
    b.fail("ia_nn: network: ", "nothing is an output");
    return d;
  }
  std::vector<int> const uses = d.uses();
  for (int i = 0; i < d.count(); ++i)
    if (d[i].kind == op::input && uses[static_cast<std::size_t>(value_of_input(d, i))] == 0)
      b.fail(about("input", d[i].name), "nothing reads it");
  return d;
}

template <class Net> constexpr draft checked() {
  static_assert(network_definition<Net>,
                "ia_nn: a network is a struct with `static constexpr auto build(graph::builder&)`");
  if constexpr (network_definition<Net>) return built<Net>();
  else return {};
}
template <class Net> inline constexpr int built_count = checked<Net>().count();
template <class Net> inline constexpr sentence mistake_of = checked<Net>().mistake;

/// The form a constexpr variable can have.
template <int N> constexpr network<N> frozen(draft const& d) {
  network<N> out;
  for (int i = 0; i < N; ++i) out.nodes[i] = d[i];
  return out;
}

// C++20 has no computed text in a static_assert, but compilers show template arguments. clang cuts
// text there at 32 characters, so it gets the sentence in pieces.
template <int N> struct shown_text {
  char chars[static_cast<std::size_t>(N)]{};
};
#if defined(__clang__)
inline constexpr int shown_at_once = 30;
#else
inline constexpr int shown_at_once = 1000;
#endif
/// Where the piece that begins at `from` ends: behind a space, if there is one.
constexpr int piece_end(sentence const& s, int from) {
  if (s.length - from <= shown_at_once) return s.length;
  int end = from + shown_at_once;
  while (end > from + 1 && s.chars[end - 1] != ' ') --end;
  return end > from + 1 ? end : from + shown_at_once;
}
constexpr int piece_begin(sentence const& s, int piece) {
  int from = 0;
  for (int i = 0; i < piece; ++i) from = piece_end(s, from);
  return from;
}
constexpr int piece_count(sentence const& s) {
  int n = 0;
  for (int from = 0; from < s.length; from = piece_end(s, from)) ++n;
  return n;
}
template <sentence const& Text, int Piece> consteval auto piece_of() {
  constexpr int from = piece_begin(Text, Piece), to = piece_end(Text, from);
  shown_text<to - from + 1> s;
  for (int i = from; i < to; ++i) s.chars[i - from] = Text.chars[i];
  s.chars[to - from] = '\0'; // written, or clang++ shows numbers where 8 or 16 others were
  return s;
}
template <auto... Sentence> struct network_error {
  static_assert(sizeof...(Sentence) == 0,
                "ia_nn: the network has a mistake; the template arguments say which");
};
template <sentence const& Text> consteval bool refuse() {
  return []<int... P>(std::integer_sequence<int, P...>) {
    return sizeof(network_error<piece_of<Text, P>()...>) > 0;
  }(std::make_integer_sequence<int, piece_count(Text)>{});
}

} // namespace detail

} // namespace graph
IA_NN_END
