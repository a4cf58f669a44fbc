// SPDX-License-Identifier: Apache-2.0
//
// A finished network as set-up and steps see it: its arrays, whatever their lengths. What is behind
// this compiles once for all networks that use the same kernels.
#pragma once

#include <ia_nn/graph/network.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

/// Every kernel there is. A convolution that is to multiply by parts of bf16 multiplies f32.
enum class kernel : unsigned char {
  conv,
  conv_bf16,
  deconv,
  deconv_bf16,
  pair, ///< depthwise and 1x1
  pair_bf16,
  dense,
  dense_bf16,
  dense_parts2,
  dense_parts3,
  elementwise,
  pool,
  softmax,
  layer_norm,
  group_norm,
  lrn,
  embedding,
  concat,
  pad,
  move, ///< transpose, slice
  lstm,
  gru,
  gru_reset_before,
  rnn_tanh,
  rnn_relu,
  constant,
  copy,
  custom,
  none
};

/// `usual`: what layers multiply that do not say.
constexpr kernel kernel_of(step const& s, attributes const& with, precision usual) {
  precision const p = with.multiplies == precision::of_net ? usual : with.multiplies;
  switch (s.kind) {
  case op::conv:
    if (s.pair.first >= 0) return p == precision::bf16 ? kernel::pair_bf16 : kernel::pair;
    return p == precision::bf16 ? kernel::conv_bf16 : kernel::conv;
  case op::deconv:
    return p == precision::bf16 ? kernel::deconv_bf16 : kernel::deconv;
  case op::dense:
    return p == precision::bf16          ? kernel::dense_bf16
           : p == precision::bf16_parts2 ? kernel::dense_parts2
           : p == precision::bf16_parts3 ? kernel::dense_parts3
                                         : kernel::dense;
  case op::activation:
    return kernel::elementwise;
  case op::max_pool:
  case op::average_pool:
    return kernel::pool;
  case op::softmax:
  case op::log_softmax:
    return kernel::softmax;
  case op::layer_norm:
    return kernel::layer_norm;
  case op::group_norm:
    return kernel::group_norm;
  case op::lrn:
    return kernel::lrn;
  case op::embedding:
    return kernel::embedding;
  case op::concat:
    return kernel::concat;
  case op::pad:
    return kernel::pad;
  case op::transpose:
  case op::slice:
    return kernel::move;
  case op::lstm:
    return kernel::lstm;
  case op::gru:
    return with.reset_before ? kernel::gru_reset_before : kernel::gru;
  case op::rnn:
    return with.act == function::relu ? kernel::rnn_relu : kernel::rnn_tanh;
  case op::constant:
    return kernel::constant;
  case op::output:
  case op::identity:
  case op::dropout:
    return kernel::copy;
  case op::custom:
    return kernel::custom;
  default:
    return kernel::none;
  }
}
constexpr std::uint64_t bit(kernel k) { return std::uint64_t{1} << static_cast<int>(k); }

struct plan_view {
  node const* nodes;
  step const* steps;
  int const* times;
  place const* places;
  buffer const* buffers;
  int node_count, count;
  node const* written; ///< the nodes before simplification
  int written_count;
  precision usual;

  template <class Nodes, class Plan, class Original>
  static constexpr plan_view of(Nodes const& n, Plan const& p, Original const& o, precision usual) {
    return {n.nodes, p.steps, p.times, p.places, p.buffers, n.count(), p.count,
            o.nodes, o.count(), usual};
  }

  constexpr node const& anchor(int s) const { return nodes[steps[s].anchor]; }
  constexpr dims const& out(int s) const { return nodes[steps[s].out].shape; }
  constexpr kernel kernel_at(int s) const {
    return kernel_of(steps[s], anchor(s).with, usual);
  }
  constexpr std::uint64_t kernels() const {
    std::uint64_t mask = 0;
    for (int i = 0; i < count; ++i) mask |= bit(kernel_at(i));
    return mask;
  }
  constexpr index_t batch_of_inputs() const {
    for (int i = 0; i < node_count; ++i)
      if (nodes[i].kind == op::input) return nodes[i].shape[0];
    return 1;
  }
  constexpr bool open_batch() const { return batch_of_inputs() == any_batch; }
  constexpr int group_size(int s) const {
    int n = 1;
    while (s + n < count && steps[s].group >= 0 && steps[s + n].group == steps[s].group) ++n;
    return n;
  }
  /// True if step s begins a group of embeddings that fill neighbouring columns of one concat with
  /// as many rows each: they are one lookup in several tables.
  constexpr bool one_lookup(int s) const {
    if (steps[s].group < 0 || times[s] != s || steps[s].kind != op::embedding) return false;
    index_t column = steps[s].column;
    for (int i = s; i < s + group_size(s); ++i) {
      step const& t = steps[i];
      if (t.slice_of < 0 || t.slice_of != steps[s].slice_of || t.column != column ||
          nodes[t.inputs[0]].shape.size() != nodes[steps[s].inputs[0]].shape.size())
        return false;
      column += nodes[t.anchor].with.units;
    }
    return true;
  }
  /// Tables that step s looks rows up in.
  constexpr int tables(int s) const { return one_lookup(s) ? group_size(s) : 1; }
  /// False for members of a lookup that its first step does.
  constexpr bool stores(int s) const {
    return times[s] == s || steps[s].kind != op::embedding || !one_lookup(times[s]);
  }
  static constexpr index_t behind(dims const& s, int axis) {
    index_t n = 1;
    for (int d = axis; d < s.rank; ++d) n *= s[d];
    return n;
  }
};

} // namespace detail
} // namespace graph
IA_NN_END
