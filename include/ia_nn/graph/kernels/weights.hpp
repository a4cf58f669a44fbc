// SPDX-License-Identifier: Apache-2.0
//
// What kernels with weights and an epilogue load beside their weights: bias and batch norm, as scale
// and offset of each channel; and the order of columns.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/passes/orders.hpp>
#include <ia_nn/ops/batch_norm.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

/// Statistics and factors of a batch norm, in `store`.
inline batch_norm_parameters read_batch_norm(kernel_loader const& l, std::vector<f32> (&store)[4]) {
  constexpr char const* suffixes[] = {".running_mean", ".running_var", ".weight", ".bias"};
  for (int i = 0; i < 4; ++i) store[i] = l.read(suffixes[i]);
  batch_norm_parameters const p{store[0], store[1], store[2], store[3], l.layer.attributes.epsilon};
  p.check(l.who().c_str(), l.layer.shape.last());
  return p;
}

/// What the sums of a layer are multiplied by, and what is added to them.
struct channel_affine {
  aligned_array<f32> scale, offset;

  /// The bias, and the batch norm of the step if it has one. In double until it is rounded.
  channel_affine(kernel_loader const& l, int batch_norm, index_t channels)
      : scale(channels), offset(channels) {
    std::vector<f32> const bias = l.read(".bias");
    auto const bias_of = [&](index_t c) {
      return bias.empty() ? 0.0F : bias[static_cast<std::size_t>(c)];
    };
    for (index_t c = 0; c < channels; ++c) scale[c] = 1, offset[c] = bias_of(c);
    if (batch_norm < 0) return;
    std::vector<f32> store[4];
    batch_norm_parameters const p = read_batch_norm(l.of(batch_norm), store);
    for (index_t c = 0; c < channels; ++c) {
      scale[c] = static_cast<f32>(p.factor(c));
      offset[c] = static_cast<f32>(p.offset(c, static_cast<double>(bias_of(c))));
    }
  }
  /// In another order: channel order[i] becomes channel i.
  void reorder(std::vector<index_t> const& order) {
    for (aligned_array<f32>* const a : {&scale, &offset}) {
      std::vector<f32> const was(a->begin(), a->end());
      for (std::size_t i = 0; i < order.size(); ++i)
        (*a)[static_cast<index_t>(i)] = was[static_cast<std::size_t>(order[i])];
    }
  }
  template <class Tail> affine<Tail> then(Tail const& tail) const noexcept {
    return {scale.data(), offset.data(), tail};
  }
};

/// Which column, as it is counted, lies in each place of value `id`.
inline std::vector<index_t> column_order(kernel_loader const& l, int id) {
  std::vector<index_t> order;
  append_column_order(l.plan.nodes, id, order);
  return order;
}

} // namespace detail

} // namespace graph
IA_NN_END
