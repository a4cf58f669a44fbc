// SPDX-License-Identifier: Apache-2.0
//
// Recurrent layers: LSTM, GRU, vanilla RNN; stacks of them, in either direction or both.
#pragma once

#include <ia_nn/graph/ir/meaning.hpp>
#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

struct rnn_layer {
  index_t hidden = 1;
  int layers = 1;
  graph::direction direction = graph::direction::forward;
  bool last_only = false;    ///< the final states of the last layer instead of all its outputs
  bool bias = true;          ///< two for each gate, as PyTorch has them
  index_t projection = 0;    ///< lstm: outputs are this wide; 0: as wide as `hidden`
  bool reset_before = false; ///< gru: r h is multiplied by the weights, instead of r (h by them)
  graph::precision precision = graph::precision::of_net;
  function activation = function::tanh; ///< rnn: tanh or relu
  label name{};
};

namespace detail {

constexpr index_t directions_of(node const& n) {
  return n.attributes.direction == direction::both ? 2 : 1;
}
/// What one direction gives.
constexpr index_t output_width(node const& n) {
  return n.attributes.projection > 0 ? n.attributes.projection : n.attributes.hidden;
}
constexpr sentence recurrent_shape(node& n, node_inputs in, subject const& who) {
  dims const& x = in[0]->shape;
  attribute_set const& a = n.attributes;
  if (x.rank != 3) return say(who, "input ", x, " must be (batch, time, features)");
  if (a.hidden < 1 || a.layers < 1)
    return say(who, "there must be at least 1 hidden unit and 1 layer");
  if (a.projection != 0 && (a.projection < 0 || a.projection >= a.hidden))
    return say(who, "a projection of ", a.hidden, " hidden units to ", a.projection);
  index_t const width = directions_of(n) * output_width(n);
  n.shape = a.last_only ? dims{x[0], width} : dims{x[0], x[1], width};
  return {};
}
template <int Gates>
constexpr void recurrent_weights(node const& n, node_inputs in, std::vector<weight>& to) {
  attribute_set const& a = n.attributes;
  index_t const gates = Gates * a.hidden, width = output_width(n);
  for (int layer = 0; layer < a.layers; ++layer)
    for (index_t d = 0; d < directions_of(n); ++d) {
      auto const give = [&](char const* what, dims const& shape) {
        fixed_text<32> suffix(what);
        suffix += "_l";
        suffix += index_t{layer};
        if (d == 1) suffix += "_reverse";
        to.push_back({suffix, shape});
      };
      index_t const features = layer == 0 ? in[0]->shape.last() : directions_of(n) * width;
      give(".weight_ih", {gates, features});
      give(".weight_hh", {gates, width});
      if (a.bias) give(".bias_ih", {gates}), give(".bias_hh", {gates});
      if (a.projection > 0) give(".weight_hr", {width, a.hidden});
    }
}
/// The weights meet every time step.
template <int Gates> constexpr index_t recurrent_flops(node const& n, node_inputs in) {
  std::vector<weight> all;
  recurrent_weights<Gates>(n, in, all);
  index_t sum = 0;
  for (weight const& w : all) sum += w.shape.size();
  return 2 * in[0]->shape[1] * sum;
}
/// States are in -1 .. 1 unless relu or a projection makes them. The range of such is that of the result,
/// if it holds all of them.
constexpr bool has_bounded_states(attribute_set const& a) {
  return a.projection == 0 && a.act != function::relu;
}
constexpr bool knows_states(node const& n) {
  return has_bounded_states(n.attributes) || (n.attributes.layers == 1 && !n.attributes.last_only);
}
constexpr int gru_variant(node const& n) { return n.attributes.reset_before; }
constexpr int rnn_variant(node const& n) { return n.attributes.act == function::relu; }

} // namespace detail

namespace op {
inline constexpr operator_row lstm{.name = "lstm", .by_item = true,
                                   .multiplies = true,
                                   .eight_bits = quantizes::reads,
                                   .shape = detail::recurrent_shape,
                                   .meaning = rules::means_rows,
                                   .weights = detail::recurrent_weights<4>,
                                   .flops = detail::recurrent_flops<4>,
                                   .takes_bytes = detail::knows_states,
                                   .gradient = rules::gradient_of_source};
inline constexpr operator_row gru{.name = "gru", .by_item = true,
                                  .multiplies = true,
                                  .eight_bits = quantizes::reads,
                                  .shape = detail::recurrent_shape,
                                  .meaning = rules::means_rows,
                                  .weights = detail::recurrent_weights<3>,
                                  .flops = detail::recurrent_flops<3>,
                                  .variant = detail::gru_variant,
                                  .takes_bytes = detail::knows_states,
                                  .gradient = rules::gradient_of_source};
inline constexpr operator_row rnn{.name = "rnn", .by_item = true,
                                  .multiplies = true,
                                  .eight_bits = quantizes::reads,
                                  .shape = detail::recurrent_shape,
                                  .meaning = rules::means_rows,
                                  .weights = detail::recurrent_weights<1>,
                                  .flops = detail::recurrent_flops<1>,
                                  .variant = detail::rnn_variant,
                                  .takes_bytes = detail::knows_states,
                                  .gradient = rules::gradient_of_source};
} // namespace op

namespace detail {
constexpr value rnn_of(value x, rnn_layer const& o, op_kind kind) {
  char const* const stray =
      o.projection != 0 && kind != op::lstm            ? "an lstm alone has a projection"
      : o.reset_before && kind != op::gru              ? "a gru alone has reset_before"
      : is_for_dense(o.precision)
          ? "recurrent layers multiply f32, bf16 or 8 bits; terms of bf16, and 8 or 4 bits of the weights "
            "alone, are for dense layers"
      : kind == op::rnn && o.activation != function::tanh && o.activation != function::relu
          ? "the activation is tanh or relu"
      : kind != op::rnn && o.activation != function::tanh ? "an rnn alone has another activation"
                                                          : nullptr;
  if (x.id >= 0 && stray) return x.owner->fail(about(name_of(kind), o.name), stray);
  node n{.kind = kind, .name = o.name};
  n.attributes.hidden = o.hidden;
  n.attributes.layers = o.layers;
  n.attributes.direction = o.direction;
  n.attributes.last_only = o.last_only;
  n.attributes.bias = o.bias;
  n.attributes.precision = o.precision;
  if (kind == op::lstm) n.attributes.projection = o.projection;
  if (kind == op::gru) n.attributes.reset_before = o.reset_before;
  if (kind == op::rnn) n.attributes.act = o.activation;
  if (x.id >= 0 && o.precision == precision::s8 && !knows_states(n))
    return x.owner->fail(about(name_of(kind), o.name),
                         "in 8 bits the range of its states must be known: that of a layer with relu or a "
                         "projection is, if there is one layer and it gives all its outputs; "
                         "precision::dynamic_s8 needs no ranges");
  return apply(n, {x}, name_of(kind));
}
} // namespace detail

/// A stack of layers: (batch, time, features) to (batch, time, hidden), twice as wide in both
/// directions; or to (batch, hidden), the final states of the last layer.
constexpr value lstm(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::lstm); }
constexpr value gru(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::gru); }
constexpr value rnn(value x, rnn_layer const& o) { return detail::rnn_of(x, o, op::rnn); }

} // namespace graph
IA_NN_END
