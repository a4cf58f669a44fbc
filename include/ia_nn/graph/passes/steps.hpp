// SPDX-License-Identifier: Apache-2.0
//
// What runs: steps. A step is one kernel with the chain of element-wise operations behind it, which
// works on the kernel's results before they reach memory. Steps stand in the order in which they
// run.
#pragma once

#include <ia_nn/graph/layers/reshape.hpp>
#include <ia_nn/graph/layers/spread.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

enum class stage_kind : unsigned char {
  function,      ///< f(v)
  add,           ///< v + operand
  subtract,      ///< v - operand
  subtract_from, ///< operand - v
  multiply,      ///< v * operand
  divide,        ///< v / operand
  divide_from,   ///< operand / v
  minimum,       ///< min(v, operand)
  maximum,       ///< max(v, operand)
  batch_norm     ///< v a[channel] + b[channel]
};

struct stage {
  stage_kind kind = stage_kind::function;
  function act = function::identity;
  spread how = spread::none; ///< how the operand is repeated
  f32 a = 0, b = 0;
  int operand = -1; ///< the value read
  int source = -1;  ///< the node that this was
};

inline constexpr int max_stages = 8;

/// The depthwise convolution in front of a 1x1 (passes/pairs.hpp), with its own batch norm and stage.
struct depthwise_part {
  int node = -1; ///< or none
  int batch_norm = -1;
  stage between{}; ///< relu, clip, or the identity
};

/// `kind` op::activation is a chain without a kernel: it begins with the value inputs[0].
/// op::concat copies the inputs that do not write into it themselves, op::output copies to the
/// caller.
struct step {
  op_kind kind = op::input;
  int anchor = -1;     ///< the node of the kernel
  int out = -1;        ///< the node whose value is written
  int batch_norm = -1; ///< the node folded into the weights
  int slice_of = -1;   ///< the concat whose buffer it writes into
  index_t column = 0;  ///< first channel there
  int group = -1;      ///< steps of one group run at the same time
  depthwise_part depthwise{};
  short_list<stage, max_stages> stages{};
  short_list<int, max_inputs> inputs{};

  /// True for element-wise chains: their first node is a stage like the others.
  constexpr bool anchor_is_stage() const { return stages.count > 0 && stages[0].source == anchor; }
  constexpr bool reads(int value) const {
    for (int const i : inputs)
      if (i == value) return true;
    for (stage const& s : stages)
      if (s.operand == value) return true;
    return false;
  }
};

/// What a user can switch off, as `static constexpr options passes{...}` of the network.
struct options {
  bool fold_constants = true;
  bool remove_identities = true;
  bool merge_common = true;
  bool fold_padding = true;    ///< zeros around an image become padding of a convolution
  bool hoist_functions = true; ///< relu in front of a max pool instead of behind it
  bool fold_orders = true; ///< PyTorch's order of the elements of images goes into weights
  bool fold_batch_norm = true;
  bool fuse_epilogues = true;   ///< element-wise operations behind conv and dense
  bool fuse_elementwise = true; ///< element-wise operations behind each other
  bool fuse_pairs = false;   ///< depthwise and 1x1 as one step; see docs/graph.md
  bool concat_slices = true; ///< producers write into the concat
  bool in_place = true;
  bool parallel_separate = true;   ///< independent steps of different origin and destination
  bool parallel_all_to_one = true; ///< independent steps that feed one operation
  bool parallel_one_to_all = true; ///< independent steps that read one value
  bool compile_tails = true; ///< what follows sums is compiled into their kernels (kernels/tail.hpp)
};

/// Everything off that changes steps: what tests compare with.
inline constexpr options unfused{false, false, false, false, false, false, false, false,
                                 false, false, false, false, false, false, false};

namespace detail {

template <class Nodes> constexpr std::vector<int> uses_of(Nodes const& d) {
  std::vector<int> n(static_cast<std::size_t>(d.count()), 0);
  for (int i = 0; i < d.count(); ++i)
    for (int const from : d[i].inputs) ++n[static_cast<std::size_t>(from)];
  return n;
}
/// One reader of each node, or -1: the only one where there is one use.
template <class Nodes> constexpr std::vector<int> readers_of(Nodes const& d) {
  std::vector<int> n(static_cast<std::size_t>(d.count()), -1);
  for (int i = 0; i < d.count(); ++i)
    for (int const from : d[i].inputs) n[static_cast<std::size_t>(from)] = i;
  return n;
}
/// The node whose memory a value lies in: reshapes move nothing.
template <class Nodes> constexpr int root(Nodes const& d, int id) {
  while (d[id].kind == op::reshape) id = d[id].inputs[0];
  return id;
}

} // namespace detail

} // namespace graph
IA_NN_END
