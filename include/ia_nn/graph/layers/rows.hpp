// SPDX-License-Identifier: Apache-2.0
//
// What works on rows of channels: softmax and local response normalisation.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct lrn_layer {
  index_t size = 5;
  f32 alpha = 1e-4F, beta = 0.75F, bias = 1.0F;
  lrn_window window = lrn_window::pytorch; ///< of an even size
  label name{};
};

namespace detail {
constexpr index_t softmax_flops(node const& n, node_inputs) { return 3 * n.shape.size(); }
constexpr index_t lrn_flops(node const& n, node_inputs) {
  return n.shape.size() * (n.attributes.neighbours + 3);
}
constexpr operator_row softmax_row(char const* name) {
  return {.name = name, .by_item = true,
          .in_place = true,
          .joins_groups = true,
          .writes_slices = true,
          .shape = rules::keeps_rows,
          .flops = softmax_flops,
          .by_channel = rules::always,
          .gradient = rules::gradient_of_result_in_place};
}
} // namespace detail

namespace op {
inline constexpr operator_row softmax = detail::softmax_row("softmax");
inline constexpr operator_row log_softmax = detail::softmax_row("log_softmax");
inline constexpr operator_row lrn{.name = "lrn", .by_item = true,
                                  .joins_groups = true,
                                  .writes_slices = true,
                                  .shape = rules::keeps_rows,
                                  .meaning = rules::means_clear_source,
                                  .flops = detail::lrn_flops,
                                  .gradient = rules::gradient_of_source_in_place};
} // namespace op

constexpr value softmax(value x, named const& o = {}) {
  return apply({.kind = op::softmax, .name = o.name}, {x}, "softmax");
}
constexpr value log_softmax(value x, named const& o = {}) {
  return apply({.kind = op::log_softmax, .name = o.name}, {x}, "log_softmax");
}
/// Normalisation across neighbouring channels.
constexpr value lrn(value x, lrn_layer const& o = {}) {
  node n{.kind = op::lrn, .name = o.name};
  n.attributes.neighbours = o.size;
  n.attributes.alpha = o.alpha, n.attributes.beta = o.beta, n.attributes.offset = o.bias;
  n.attributes.sums = o.window;
  return apply(n, {x}, "lrn");
}

} // namespace graph
IA_NN_END
