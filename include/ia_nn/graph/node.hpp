// SPDX-License-Identifier: Apache-2.0
//
// What a network is made of, as plain values: operations with their parameters, the shape of what
// each of them gives, and which nodes it reads. A network is an array of such nodes in which a node
// stands behind everything it reads.
#pragma once

#include <ia_nn/graph/label.hpp>
#include <ia_nn/ops/window.hpp>

#include <initializer_list>
#include <vector>

IA_NN_BEGIN
namespace graph {

/// Marks a batch whose size is known at run time only.
inline constexpr index_t any_batch = -1;

enum class dtype : unsigned char { f32, s32 };

enum class op : unsigned char {
  input,
  output,
  constant,
  conv,
  dense,
  batch_norm,
  activation,
  add,
  subtract,
  multiply,
  max_pool,
  average_pool,
  softmax,
  log_softmax,
  lrn,
  layer_norm,
  concat,
  reshape,
  embedding,
  dropout,
  identity,
  lstm,
  gru,
  custom
};

constexpr char const* name_of(op k) {
  constexpr char const* names[] = {
      "input",      "output",      "constant", "conv",       "dense",    "batch_norm",
      "activation", "add",         "subtract", "multiply",   "max_pool", "average_pool",
      "softmax",    "log_softmax", "lrn",      "layer_norm", "concat",   "reshape",
      "embedding",  "dropout",     "identity", "lstm",       "gru",      "custom"};
  return names[static_cast<int>(k)];
}

/// The functions of math/activation.hpp, by name.
enum class function : unsigned char {
  identity,
  relu,
  leaky_relu,
  clip,
  elu,
  selu,
  celu,
  sigmoid,
  hard_sigmoid,
  tanh,
  softplus,
  softsign,
  gelu,
  gelu_tanh,
  swish,
  hard_swish,
  mish,
  square,
  sqrt,
  abs,
  exp,
  log,
  linear
};

constexpr char const* name_of(function f) {
  constexpr char const* names[] = {"identity",   "relu",     "leaky_relu", "clip",         "elu",
                                   "selu",       "celu",     "sigmoid",    "hard_sigmoid", "tanh",
                                   "softplus",   "softsign", "gelu",       "gelu_tanh",    "swish",
                                   "hard_swish", "mish",     "square",     "sqrt",         "abs",
                                   "exp",        "log",      "linear"};
  return names[static_cast<int>(f)];
}

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

struct custom_call; // graph/custom.hpp
using custom_function = void (*)(custom_call const&) noexcept;

/// All parameters there are; an operation uses some of them.
struct attributes {
  window win{};       ///< conv, pools
  index_t units = 0;  ///< filters of conv, columns of dense, width of embedding, hidden size
  index_t groups = 1; ///< conv
  index_t rows = 0;   ///< embedding: rows of the table; lrn: channels of a sum
  function act = function::identity;
  f32 a = 0, b = 0, c = 0;    ///< parameters of a function; constant: a; lrn: alpha, beta, bias
  f32 epsilon = 0;            ///< norms
  int axis = 0;               ///< concat
  bool bias = true;           ///< conv, dense
  bool affine = true;         ///< norms: scale and shift
  bool ceil_mode = false;     ///< pools
  bool count_padding = false; ///< average_pool
  bool last_only = false;     ///< lstm, gru: the output of the last time step
  bool thread_safe = false;   ///< custom
  custom_function run = nullptr;

  friend constexpr bool operator==(attributes const& x, attributes const& y) {
    window const &v = x.win, &w = y.win;
    return v.kernel == w.kernel && v.stride == w.stride && v.dilation == w.dilation &&
           v.pad_begin == w.pad_begin && v.pad_end == w.pad_end && x.units == y.units &&
           x.groups == y.groups && x.rows == y.rows && x.act == y.act && x.a == y.a && x.b == y.b &&
           x.c == y.c && x.epsilon == y.epsilon && x.axis == y.axis && x.bias == y.bias &&
           x.affine == y.affine && x.ceil_mode == y.ceil_mode &&
           x.count_padding == y.count_padding && x.last_only == y.last_only && x.run == y.run;
  }
};

struct node {
  op kind = op::input;
  dtype type = dtype::f32;
  label name{};
  dims shape{};
  attributes with{};
  short_list<int, max_inputs> inputs{};
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
  constexpr int count_of(op kind) const {
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

/// Weights that a node reads beside its inputs. What they are called is in docs/graph.md.
constexpr bool has_weights(op k) {
  return k == op::conv || k == op::dense || k == op::batch_norm || k == op::layer_norm ||
         k == op::embedding || k == op::lstm || k == op::gru;
}

} // namespace graph
IA_NN_END
