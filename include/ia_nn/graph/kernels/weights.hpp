// SPDX-License-Identifier: Apache-2.0
//
// What kernels with weights and an epilogue load: weights and bias, with the batch norm behind them
// folded in.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>
#include <ia_nn/graph/layers/norm.hpp>
#include <ia_nn/graph/passes/orders.hpp>
#include <ia_nn/ops/batch_norm.hpp>

#include <cstring>

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

/// The bias of a layer of `filters`; node `batch_norm`, if there is one, goes into bias and weights.
/// Filter f of weight number i is filter(i).
template <class F>
aligned_array<f32> fold_into(kernel_loader const& l, int batch_norm, index_t filters,
                             std::vector<f32>& weights, F const& filter) {
  aligned_array<f32> bias(filters);
  if (std::vector<f32> const b = l.read(".bias"); !b.empty())
    std::memcpy(bias.data(), b.data(), b.size() * sizeof(f32));
  if (batch_norm < 0) return bias;
  std::vector<f32> store[4];
  fold_batch_norm(weights, {bias.data(), static_cast<std::size_t>(filters)},
                  read_batch_norm(l.of(batch_norm), store), filter);
  return bias;
}

/// Which column, as it is counted, lies in each place of value `id`.
inline std::vector<index_t> column_order(kernel_loader const& l, int id) {
  std::vector<index_t> order;
  append_column_order(l.plan.nodes, id, order);
  return order;
}

} // namespace detail

} // namespace graph
IA_NN_END
