// SPDX-License-Identifier: Apache-2.0
//
// What the compiler of networks knows of an operator: one row of traits and rules, which stands in
// the operator's file of layers/. Passes ask the row; they have no lists of operators. A row may
// stand outside of the library as well (docs/adding-a-kernel.md).
#pragma once

#include <ia_nn/graph/ir/label.hpp>

#include <cstdint>
#include <vector>

#include <ia_nn/begin.hpp>
namespace graph {

struct node;
struct weight;
namespace detail {
struct subject;
}
/// The nodes that a node reads, as many as it has inputs.
using node_inputs = node const* const*;

/// Whether a pass may compute an operator in 8 bits.
enum class quantizes : unsigned char {
  never,
  reads, ///< reads bytes and writes f32
  may,   ///< reads and writes bytes; one with weights may write f32
  moves  ///< takes whatever its source has
};

/// What the gradient of an operator reads beside the gradient of its result.
struct gradient_needs {
  bool exists = false;   ///< the operator can be trained through
  bool source = false;   ///< what it read
  bool result = false;   ///< what it gave
  bool in_place = false; ///< its first source's gradient may be written over that of its result
};

namespace rules { // the defaults of a row
constexpr sentence no_shape(node&, node_inputs, detail::subject const&) {
  return "ia_nn: network: the row of an operator has no rule for its .shape";
}
constexpr sentence nothing_to_say(node&, node_inputs, detail::subject const&) { return {}; }
constexpr void no_weights(node const&, node_inputs, std::vector<weight>&) {}
constexpr index_t no_flops(node const&, node_inputs) { return 0; }
constexpr int one_kernel(node const&) { return 0; }
constexpr char const* no_other_name(node const&) { return ""; }
constexpr bool never(node const&, node_inputs) { return false; }
constexpr bool always(node const&, node_inputs) { return true; }
constexpr bool each_node(node const&) { return true; }
constexpr gradient_needs no_gradient(node const&) { return {}; }
constexpr gradient_needs gradient_alone(node const&) { return {.exists = true}; }
constexpr gradient_needs gradient_in_place(node const&) { return {.exists = true, .in_place = true}; }
constexpr gradient_needs gradient_of_source(node const&) { return {.exists = true, .source = true}; }
constexpr gradient_needs gradient_of_source_in_place(node const&) {
  return {.exists = true, .source = true, .in_place = true};
}
constexpr gradient_needs gradient_of_result_in_place(node const&) {
  return {.exists = true, .result = true, .in_place = true};
}
} // namespace rules

/// The defaults are right for an operator that runs by itself, in f32.
struct operator_row {
  char const* name;

  // Traits.
  bool by_item = false;        ///< an item of the batch depends on no other: a batch may run in parts
  bool element_wise = false;   ///< an element depends on the same element of what is read
  bool has_epilogue = false;   ///< its sums pass through stages before they are stored (tail_kernel)
  bool in_place = false;       ///< may write over what it reads
  bool joins_groups = false;   ///< may run next to others of its kind, a worker each
  bool writes_slices = false;  ///< can write rows that lie apart, into a concat
  bool moves = false;          ///< its elements are those of its source, of any type
  bool multiplies = false;     ///< by weights, in the precision that is asked for
  bool narrow = false;         ///< has kernels that read and write bf16: all that it reads and writes
  bool reads_indices = false;  ///< s32
  bool any_type = false;       ///< floating-point numbers as well as indices
  int index_input = -1;        ///< which input holds indices of `table_rows` elements, for the checks of a call
  bool counts_from_end = false; ///< these may be negative
  quantizes eight_bits = quantizes::never;

  // Rules; never null (g++ 12 does not compare addresses of functions in constant expressions under
  // -fsanitize=undefined). `in` are the nodes that are read, `who` the beginning of a sentence.
  /// Fills the shape (and, where it is not f32, the type) of the node; returns what is wrong.
  sentence (*shape)(node& n, node_inputs in, detail::subject const& who) = rules::no_shape;
  /// What the result stands for (ir/meaning.hpp): until it is called, what the first source does.
  sentence (*meaning)(node& n, node_inputs in, detail::subject const& who) = rules::nothing_to_say;
  /// Appends the weights that it reads.
  void (*weights)(node const& n, node_inputs in, std::vector<weight>& to) = rules::no_weights;
  /// Floating-point operations, a multiply-add counts 2.
  index_t (*flops)(node const& n, node_inputs in) = rules::no_flops;
  /// Which of an operator's kernels it needs.
  int (*variant)(node const& n) = rules::one_kernel;
  /// False for a node that is computed in f32 in a network in 8 bits, though `eight_bits` is not never.
  bool (*takes_bytes)(node const& n) = rules::each_node;
  /// What it is called in sentences and tables if not by its name.
  char const* (*shown)(node const& n) = rules::no_other_name;
  /// True if the result is the first source, unchanged.
  bool (*changes_nothing)(node const& n, node_inputs in) = rules::never;
  /// True if its channels may lie in any order, that of what it reads.
  bool (*by_channel)(node const& n, node_inputs in) = rules::never;
  /// True if the channels that it reads and those that it makes may lie in any orders: its weights
  /// are put into these.
  bool (*orders_channels)(node const& n, node_inputs in) = rules::never;

  /// What its gradient reads (train/differentiate.hpp). The kernel: graph/train/kernel.hpp.
  gradient_needs (*gradient)(node const& n) = rules::no_gradient;

  std::uint32_t id = id_of(name); ///< tells operators apart where addresses cannot

private:
  static constexpr std::uint32_t id_of(char const* name) {
    std::uint32_t hash = 2166136261U; // FNV-1a
    for (; *name != '\0'; ++name) hash = (hash ^ static_cast<unsigned char>(*name)) * 16777619U;
    return hash;
  }
};

/// Which operator a node is: a reference to its row. Compared by id: compilers do not take the
/// addresses of inline variables for constants under every sanitizer.
class op_kind {
public:
  constexpr op_kind(operator_row const& row) : row_(&row) {}

  constexpr operator_row const* operator->() const { return row_; }
  friend constexpr bool operator==(op_kind a, op_kind b) { return a.row_->id == b.row_->id; }

private:
  operator_row const* row_;
};

constexpr char const* name_of(op_kind k) { return k->name; }

} // namespace graph
IA_NN_END
