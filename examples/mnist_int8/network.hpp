// SPDX-License-Identifier: Apache-2.0
//
// A network for those who walk over it at run time: training and the 8-bit forms.
//
//   nodes   conv1, bn1, relu, max_pool, conv2, ...    what was written, in nets.hpp
//   steps   conv1 + bn1 + relu, max_pool, ...         what runs, as the compiler of networks has it
//
// Weights come from any source of the graph's: arrays by name, in the orders of PyTorch.
#pragma once

#include <ia_nn/core/workspace.hpp>
#include <ia_nn/graph/ir/weights.hpp>
#include <ia_nn/graph/kernels/weight_reader.hpp>
#include <ia_nn/graph/network.hpp>
#include <ia_nn/ops/batch_norm.hpp>
#include <ia_nn/ops/pool.hpp>

#include <memory>

namespace demo {

using namespace ia_nn;
namespace op = ia_nn::graph::op;

constexpr std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// The node that a step adds before its relu, or -1.
inline int shortcut_of(graph::step const& s) {
  bool const adds = s.stages.count > 0 && s.stages[0].kind == graph::stage_kind::add;
  return adds ? s.stages[0].operand : -1;
}
inline bool has_relu(graph::step const& s) {
  return s.stages.count > 0 && s.stages[s.stages.count - 1].act == graph::function::relu;
}

struct network {
  std::string title;
  graph::draft nodes;
  std::vector<graph::step> steps = graph::fuse(nodes);

  /// Elements that node `id` gives for one image.
  index_t size(int id) const { return nodes[id].shape.item(); }
  std::string name(int id) const { return std::string(nodes[id].name.view()); }
  /// Errors: ia_nn::error for steps other than a max pool, a convolution with a relu and perhaps a
  /// sum before it, and a dense layer with or without a relu, which is what the last one must be.
  void check() const {
    for (graph::step const& s : steps) {
      int const relu = has_relu(s) ? 1 : 0, sum = shortcut_of(s) >= 0 ? 1 : 0;
      bool const last = &s == &steps.back();
      bool const conv = s.kind == op::conv && relu && s.stages.count == sum + relu;
      bool const dense = s.kind == op::dense && s.stages.count == relu;
      if (dense || (!last && (conv || s.kind == op::max_pool))) continue;
      throw error(errc::bad_parameter, "the demo has no layer for '" + name(s.anchor) +
                                           "' with what follows it");
    }
  }
  /// f(node, suffix, name, shape) for each array of weights.
  template <class F> void each_weight(F const& f) const {
    graph::for_each_weight(nodes, nodes.count(), f);
  }
  spatial image(int id = 0) const { return {1, nodes[id].shape[1], nodes[id].shape[2]}; }
  conv_shape conv_of(int id) const {
    int const from = nodes[id].inputs[0];
    graph::attribute_set const& a = nodes[id].attributes;
    return {nodes[from].shape.last(), a.filters, a.groups, image(from), a.win};
  }
  pool_shape pool_of(int id) const {
    int const from = nodes[id].inputs[0];
    return {nodes[from].shape.last(), image(from), nodes[id].attributes.win};
  }
};
template <class Net> network network_of() {
  network n{Net::title, graph::simplified<Net>.edit()};
  n.check();
  return n;
}

/// PyTorch's dense layer counts the columns of an image channel by channel, in memory the channels
/// come last. The matrix of dense node `id` with columns in the one order, of that in the other.
enum class columns { counted, in_memory };
inline std::vector<f32> with_columns(columns order, network const& n, int id,
                                     std::vector<f32> const& matrix) {
  std::vector<index_t> counted; // of each place in memory
  graph::append_channel_order(n.nodes.nodes.data(), n.nodes[id].inputs[0], counted);
  std::vector<f32> to(matrix.size());
  for (std::size_t row = 0; row < matrix.size(); row += counted.size())
    for (std::size_t place = 0; place < counted.size(); ++place) {
      std::size_t const column = at(counted[place]);
      if (order == columns::in_memory) to[row + place] = matrix[row + column];
      else to[row + column] = matrix[row + place];
    }
  return to;
}

/// What a step multiplies and adds: batch normalization is in it, columns lie as in memory.
struct filters {
  std::vector<f32> weight, bias;
};
filters filters_of(network const& n, graph::step const& s, graph::weights_source auto const& w) {
  graph::node const& layer = n.nodes[s.anchor];
  std::string const name = n.name(s.anchor);
  filters f{w.values(name + ".weight"), std::vector<f32>(at(layer.shape.last()))};
  if (layer.attributes.bias) f.bias = w.values(name + ".bias");
  if (s.batch_norm >= 0) {
    std::string const norm = n.name(s.batch_norm);
    auto const mean = w.values(norm + ".running_mean"), variance = w.values(norm + ".running_var");
    auto const scale = w.values(norm + ".weight"), shift = w.values(norm + ".bias");
    f32 const epsilon = n.nodes[s.batch_norm].attributes.epsilon;
    fold_batch_norm(f.weight, f.bias, {mean, variance, scale, shift, epsilon});
  }
  if (s.kind == op::dense) f.weight = with_columns(columns::in_memory, n, s.anchor, f.weight);
  return f;
}

/// Plans and arrays of layers, and the workspace that the largest plan needs.
class layer_store {
public:
  template <class T> T* keep(T x) {
    if constexpr (requires { x.workspace_bytes(); })
      if (x.workspace_bytes() > scratch_.size()) scratch_ = workspace(x.workspace_bytes());
    auto const kept = std::make_shared<T>(std::move(x));
    all_.push_back(kept);
    return kept.get();
  }
  template <class T> T* array(index_t size) { return keep(aligned_array<T>(size))->data(); }
  workspace_view scratch() { return scratch_; }

private:
  std::vector<std::shared_ptr<void>> all_;
  workspace scratch_;
};

} // namespace demo
