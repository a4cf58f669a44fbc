// SPDX-License-Identifier: Apache-2.0
//
// What a network is made of, as plain values: operations with their parameters, the shape of what
// each of them gives, and which nodes it reads. A network is an array of such nodes in which a node
// stands behind everything it reads.
#pragma once

#include <ia_nn/graph/ir/attributes.hpp>
#include <ia_nn/graph/ir/operators.hpp>
#include <ia_nn/graph/ir/value_type.hpp>
#include <ia_nn/int8/schemes.hpp>

#include <initializer_list>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

/// Marks a batch whose size is known at run time only.
inline constexpr index_t any_batch = -1;

/// Which of PyTorch's tensors a value with channels last stands for; layers/meaning.hpp.
enum class meaning : unsigned char {
  rows,   ///< (batch, ..., features): elements have the same order there
  image,  ///< (batch, channels, ...): channels are the second axis there
  either, ///< one of the two
  shaped  ///< (batch, a, b) that a reshape made and laid out as rows
};

/// A list of at most Capacity elements without memory of its own.
template <class T, int Capacity> struct short_list {
  T items[static_cast<std::size_t>(Capacity)]{};
  int count = 0;

  static constexpr int capacity = Capacity;
  constexpr bool full() const { return count == Capacity; }
  constexpr void add(T const& x) { items[count++] = x; }
  constexpr T const& operator[](int i) const { return items[i]; }
  constexpr T& operator[](int i) { return items[i]; }
  constexpr T const* begin() const { return items; }
  constexpr T const* end() const { return items + count; }
  friend constexpr bool operator==(short_list const& a, short_list const& b) {
    if (a.count != b.count) return false;
    for (int i = 0; i < a.count; ++i)
      if (!(a.items[i] == b.items[i])) return false;
    return true;
  }
};

/// A shape of up to 5 extents, the batch first and the channels last. Only the batch may be
/// `any_batch`.
struct dims {
  index_t extent[5]{};
  int rank = 0;

  constexpr dims() = default;
  constexpr dims(std::initializer_list<index_t> all) {
    for (index_t const n : all) {
      if (rank < 5) extent[rank] = n;
      ++rank; // 6 and more are reported by whoever uses it
    }
  }
  constexpr index_t operator[](int d) const { return extent[d]; }
  constexpr index_t last() const { return extent[rank - 1]; }
  constexpr bool dynamic() const { return rank > 0 && extent[0] == any_batch; }
  /// Elements; of one item where the batch is open.
  constexpr index_t size() const {
    index_t n = 1;
    for (int d = 0; d < rank; ++d) n *= extent[d] == any_batch ? 1 : extent[d];
    return n;
  }
  /// Elements behind the batch.
  constexpr index_t item() const {
    index_t n = 1;
    for (int d = 1; d < rank; ++d) n *= extent[d];
    return n;
  }
  /// Rows of `last()` elements; of one item where the batch is open.
  constexpr index_t rows() const { return size() / last(); }
  friend constexpr bool operator==(dims const& a, dims const& b) {
    if (a.rank != b.rank) return false;
    for (int d = 0; d < a.rank; ++d)
      if (a.extent[d] != b.extent[d]) return false;
    return true;
  }
  template <int N> constexpr void write(fixed_text<N>& to) const {
    to += "(";
    for (int d = 0; d < rank; ++d) {
      if (d > 0) to += ", ";
      if (extent[d] == any_batch) to += "any";
      else to += extent[d];
    }
    to += ")";
  }
};

inline constexpr int max_inputs = 32;

namespace op { // rows of what a network has without layers
constexpr sentence takes_source(node& n, node_inputs in, detail::subject const& who);

inline constexpr operator_row input{.name = "input", .by_item = true,
                                    .shape = rules::nothing_to_say};
inline constexpr operator_row output{.name = "output", .by_item = true, .moves = true, .any_type = true, .shape = takes_source};
} // namespace op

struct node {
  op_kind kind = op::input;
  value_type type = value_type::f32;
  quantization scaling{0, 0}; ///< of 8-bit elements; the scale is 0 until set-up reads it
  int scaled_as = -1;     ///< of 8-bit elements: the value that they share scale and zero point with
  graph::meaning meaning = graph::meaning::rows;
  label name{};
  dims shape{};
  attribute_set attributes{};
  short_list<int, max_inputs> inputs{};
};

constexpr sentence op::takes_source(node& n, node_inputs in, detail::subject const&) {
  n.shape = in[0]->shape;
  n.type = in[0]->type;
  return {};
}

/// An array that a node reads beside its inputs: "conv1" with `suffix` ".weight".
struct weight {
  fixed_text<32> suffix{};
  dims shape{};
  bool ones_count = true; ///< a source's shape may not differ by extents of 1
  bool learned = true;    ///< by gradients; running statistics are not
  bool of_training = false; ///< nobody needs it where the network runs
};

/// A network while it is worked on. Passes change it in place; ids are places in `nodes`.
struct draft {
  std::vector<node> nodes{};
  sentence mistake{}; ///< empty, or what is wrong

  constexpr int count() const { return static_cast<int>(nodes.size()); }
  constexpr node& operator[](int id) { return nodes[static_cast<std::size_t>(id)]; }
  constexpr node const& operator[](int id) const { return nodes[static_cast<std::size_t>(id)]; }
  constexpr bool wrong() const { return !mistake.empty(); }

  /// How often each node is read; an output of the network reads too.
  constexpr std::vector<int> uses() const {
    std::vector<int> n(nodes.size(), 0);
    for (node const& x : nodes)
      for (int const i : x.inputs) ++n[static_cast<std::size_t>(i)];
    return n;
  }
  /// -1 if there is none of this name.
  constexpr int find(std::string_view name) const {
    for (int i = 0; i < count(); ++i)
      if ((*this)[i].name.view() == name) return i;
    return -1;
  }
  constexpr int count_of(op_kind kind) const {
    int n = 0;
    for (node const& x : nodes) n += x.kind == kind;
    return n;
  }
};

/// A finished network of N nodes: the form that a constexpr variable can have.
template <int N> struct network {
  node nodes[static_cast<std::size_t>(N > 0 ? N : 1)]{};

  static constexpr int size = N;
  constexpr int count() const { return N; }
  constexpr node const& operator[](int id) const { return nodes[id]; }
  constexpr draft edit() const {
    draft d;
    d.nodes.assign(nodes, nodes + N);
    return d;
  }
};

} // namespace graph
IA_NN_END
