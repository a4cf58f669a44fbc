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

/// Which channel, as it is counted, lies in each place of what a layer makes, and of what it reads.
inline std::vector<index_t> channels_made(kernel_loader const& l) {
  std::vector<index_t> order;
  append_channel_order(l.plan.nodes, static_cast<int>(&l.layer - l.plan.nodes), order);
  return order;
}
inline std::vector<index_t> channels_read(kernel_loader const& l) {
  std::vector<index_t> order;
  append_channel_order(l.plan.nodes, l.layer.inputs[0], order);
  return order;
}
/// Of `count` channels, as they are counted.
inline std::vector<index_t> channels_counted(index_t count) {
  std::vector<index_t> order;
  for (index_t i = 0; i < count; ++i) order.push_back(i);
  return order;
}
/// (rows, columns, ...) with both in these orders.
inline std::vector<f32> in_order(std::vector<f32> const& from, std::vector<index_t> const& rows,
                                 std::vector<index_t> const& columns = {0}) {
  std::vector<f32> to;
  if (from.empty()) return to;
  index_t const width = std::ssize(columns), each = std::ssize(from) / (std::ssize(rows) * width);
  to.reserve(from.size());
  for (index_t const r : rows)
    for (index_t const c : columns) {
      auto const begin = from.begin() + (r * width + c) * each;
      to.insert(to.end(), begin, begin + each);
    }
  return to;
}

/// Statistics and factors of a batch norm as its channels lie, in `store`.
inline batch_norm_parameters read_batch_norm(kernel_loader const& l, std::vector<f32> (&store)[4]) {
  constexpr char const* suffixes[] = {".running_mean", ".running_var", ".weight", ".bias"};
  std::vector<index_t> const order = channels_made(l);
  for (int i = 0; i < 4; ++i) store[i] = in_order(l.read_if_listed(suffixes[i]), order);
  batch_norm_parameters const p{store[0], store[1], store[2], store[3], l.layer.attributes.epsilon};
  p.check(l.who().c_str(), l.layer.shape.last());
  return p;
}

/// What the sums of a layer are multiplied by, and what is added to them.
struct channel_affine {
  aligned_array<f32> scale, offset;

  /// As channels lie: the bias, and the batch norm of the step if it has one; of sums in steps of
  /// `step(channel)`, for results in steps of `unit`. In double until it is rounded.
  template <class Step>
  channel_affine(kernel_loader const& l, int batch_norm, index_t channels, Step const& step,
                 double unit)
      : scale(channels), offset(channels) {
    std::vector<f32> const bias = in_order(l.read_if_listed(".bias"), channels_made(l));
    std::vector<f32> store[4];
    batch_norm_parameters p{};
    if (batch_norm >= 0) p = read_batch_norm(l.of(batch_norm), store);
    for (index_t c = 0; c < channels; ++c) {
      double const b = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<std::size_t>(c)]);
      double const factor = batch_norm < 0 ? 1.0 : p.factor(c),
                   sum = batch_norm < 0 ? b : p.offset(c, b);
      scale[c] = static_cast<f32>(step(c) * factor / unit);
      offset[c] = static_cast<f32>(sum / unit);
    }
  }
  channel_affine(kernel_loader const& l, int batch_norm, index_t channels)
      : channel_affine(l, batch_norm, channels, [](index_t) { return 1.0; }, 1.0) {}
  template <class Tail> affine<Tail> then(Tail const& tail) const noexcept {
    return {scale.data(), offset.data(), tail};
  }
};

} // namespace detail

} // namespace graph
IA_NN_END
