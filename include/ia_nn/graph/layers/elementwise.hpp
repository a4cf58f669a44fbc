// SPDX-License-Identifier: Apache-2.0
//
// Layers that work element by element. Of two values the smaller one is repeated where all its
// extents in front of the channels are 1, or its channels are, or both (layers/spread.hpp):
// (batch, 1, 1, c) on (batch, h, w, c). reshape(x, {1, 1, -1}) makes one of (batch, c).
#pragma once

#include <ia_nn/graph/layers/spread.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

namespace detail {

constexpr char const* function_name(node const& n) { return name_of(n.attributes.act); }
constexpr index_t one_flop(node const& n, node_inputs) { return n.shape.size(); }
constexpr bool is_identity_function(node const& n, node_inputs) {
  attribute_set const& a = n.attributes;
  return a.act == function::identity || (a.act == function::linear && a.a == 1 && a.b == 0);
}
/// True for functions whose slope follows from what they gave.
constexpr bool has_slope_of_result(function f) {
  switch (f) {
  case function::identity:
  case function::linear:
  case function::relu:
  case function::clip:
  case function::sigmoid:
  case function::hard_sigmoid:
  case function::tanh:
  case function::sqrt:
  case function::exp:
    return true;
  default:
    return false;
  }
}
constexpr gradient_needs activation_gradient(node const& n) {
  bool const of_result = has_slope_of_result(n.attributes.act);
  return {.exists = true, .source = !of_result, .result = of_result, .in_place = true};
}
constexpr operator_row binary_row(char const* name,
                                  gradient_needs (*gradient)(node const&) = rules::gradient_of_source_in_place) {
  return {.name = name, .by_item = true,
          .element_wise = true,
          .in_place = true,
          .joins_groups = true,
          .writes_slices = true,
          .narrow = true,
          .eight_bits = quantizes::may,
          .shape = binary_shape,
          .meaning = binary_meaning,
          .flops = one_flop,
          .by_channel = rules::always,
          .gradient = gradient};
}

} // namespace detail

namespace op {
/// A function of math/activation.hpp. Chains of element-wise operators that stand alone are steps of
/// this kind.
inline constexpr operator_row activation{.name = "activation", .by_item = true,
                                         .element_wise = true,
                                         .in_place = true,
                                         .joins_groups = true,
                                         .writes_slices = true,
                                         .narrow = true,
                                         .eight_bits = quantizes::may,
                                         .shape = rules::keeps_shape,
                                         .flops = detail::one_flop,
                                         .shown = detail::function_name,
                                         .changes_nothing = detail::is_identity_function,
                                         .by_channel = rules::always,
                                         .gradient = detail::activation_gradient};
inline constexpr operator_row add = detail::binary_row("add", rules::gradient_in_place);
inline constexpr operator_row subtract = detail::binary_row("subtract", rules::gradient_in_place);
inline constexpr operator_row multiply = detail::binary_row("multiply");
inline constexpr operator_row divide = detail::binary_row("divide");
inline constexpr operator_row minimum = detail::binary_row("minimum");
inline constexpr operator_row maximum = detail::binary_row("maximum");
/// A number in every element.
inline constexpr operator_row constant{.name = "constant", .by_item = true,
                                       .shape = rules::nothing_to_say,
                                       .orders_channels = rules::always,
                                       .gradient = rules::gradient_alone};
} // namespace op

/// The operators on two values: those that can be a stage behind another.
constexpr bool is_binary(op_kind k) {
  return k == op::add || k == op::subtract || k == op::multiply || k == op::divide ||
         k == op::minimum || k == op::maximum;
}

namespace detail {
struct function_parameters {
  f32 a = 0, b = 0;
};
/// What a function has if nothing is said: PyTorch's.
constexpr function_parameters parameters_of(function f) {
  switch (f) {
  case function::leaky_relu:
    return {0.01F};
  case function::clip:
    return {-__builtin_inff(), __builtin_inff()};
  case function::elu:
  case function::celu:
  case function::swish:
  case function::linear:
    return {1};
  case function::selu:
    return {1.67326324F, 1.05070102F};
  case function::hard_sigmoid:
    return {1.0F / 6, 0.5F};
  default:
    return {};
  }
}
} // namespace detail

/// A function of math/activation.hpp with its parameters.
constexpr value activation(value x, function f, f32 a, f32 b = 0, named const& o = {}) {
  node n{.kind = op::activation, .name = o.name};
  n.attributes.act = f;
  n.attributes.a = a, n.attributes.b = b;
  return apply(n, {x}, name_of(f));
}
/// With PyTorch's parameters.
constexpr value activation(value x, function f, named const& o = {}) {
  auto const [a, b] = detail::parameters_of(f);
  return activation(x, f, a, b, o);
}
/// a x + b
constexpr value linear(value x, f32 a, f32 b, named const& o = {}) {
  return activation(x, function::linear, a, b, o);
}
constexpr value relu(value x, named const& o = {}) {
  return activation(x, function::relu, o);
}
constexpr value relu6(value x, named const& o = {}) {
  return activation(x, function::clip, 0, 6, o);
}
constexpr value clip(value x, f32 low, f32 high, named const& o = {}) {
  if (x.id >= 0 && (low != low || high != high))
    return x.owner->fail(about("clip", o.name), "a bound is not a number");
  return activation(x, function::clip, low, high, o);
}
constexpr value leaky_relu(value x, f32 alpha = 0.01F, named const& o = {}) {
  return activation(x, function::leaky_relu, alpha, 0, o);
}
constexpr value elu(value x, f32 alpha = 1, named const& o = {}) {
  return activation(x, function::elu, alpha, 0, o);
}
constexpr value selu(value x, named const& o = {}) { return activation(x, function::selu, o); }
constexpr value celu(value x, f32 alpha = 1, named const& o = {}) {
  return activation(x, function::celu, alpha, 0, o);
}
constexpr value sigmoid(value x, named const& o = {}) {
  return activation(x, function::sigmoid, o);
}
/// ONNX and Keras 2 have alpha 0.2.
constexpr value hard_sigmoid(value x, f32 alpha = 1.0F / 6, f32 beta = 0.5F, named const& o = {}) {
  return activation(x, function::hard_sigmoid, alpha, beta, o);
}
constexpr value tanh(value x, named const& o = {}) {
  return activation(x, function::tanh, o);
}
constexpr value softplus(value x, named const& o = {}) {
  return activation(x, function::softplus, o);
}
/// log(1 + e^(beta x)) / beta
constexpr value softplus(value x, f32 beta, named const& o = {}) {
  return linear(softplus(linear(x, beta, 0)), 1 / beta, 0, o);
}
constexpr value softsign(value x, named const& o = {}) {
  return activation(x, function::softsign, o);
}
constexpr value gelu(value x, named const& o = {}) {
  return activation(x, function::gelu, o);
}
constexpr value gelu_tanh(value x, named const& o = {}) {
  return activation(x, function::gelu_tanh, o);
}
constexpr value silu(value x, named const& o = {}) { return activation(x, function::swish, o); }
constexpr value swish(value x, f32 beta = 1, named const& o = {}) {
  return activation(x, function::swish, beta, 0, o);
}
constexpr value hard_swish(value x, named const& o = {}) {
  return activation(x, function::hard_swish, o);
}
constexpr value mish(value x, named const& o = {}) {
  return activation(x, function::mish, o);
}
constexpr value square(value x, named const& o = {}) {
  return activation(x, function::square, o);
}
constexpr value sqrt(value x, named const& o = {}) {
  return activation(x, function::sqrt, o);
}
constexpr value abs(value x, named const& o = {}) { return activation(x, function::abs, o); }
constexpr value exp(value x, named const& o = {}) { return activation(x, function::exp, o); }
constexpr value log(value x, named const& o = {}) { return activation(x, function::log, o); }

namespace detail {
constexpr value binary(value x, value y, op_kind kind, named const& o) {
  return apply({.kind = kind, .name = o.name}, {x, y}, name_of(kind));
}
} // namespace detail
constexpr value add(value x, value y, named const& o = {}) {
  return detail::binary(x, y, op::add, o);
}
constexpr value subtract(value x, value y, named const& o = {}) {
  return detail::binary(x, y, op::subtract, o);
}
constexpr value multiply(value x, value y, named const& o = {}) {
  return detail::binary(x, y, op::multiply, o);
}
constexpr value divide(value x, value y, named const& o = {}) {
  return detail::binary(x, y, op::divide, o);
}
constexpr value minimum(value x, value y, named const& o = {}) {
  return detail::binary(x, y, op::minimum, o);
}
constexpr value maximum(value x, value y, named const& o = {}) {
  return detail::binary(x, y, op::maximum, o);
}
constexpr value operator+(value x, value y) { return add(x, y); }
constexpr value operator-(value x, value y) { return subtract(x, y); }
constexpr value operator*(value x, value y) { return multiply(x, y); }
constexpr value operator/(value x, value y) { return divide(x, y); }
constexpr value operator+(value x, f32 b) { return linear(x, 1, b); }
constexpr value operator-(value x, f32 b) { return linear(x, 1, -b); }
constexpr value operator*(value x, f32 a) { return linear(x, a, 0); }
constexpr value operator*(f32 a, value x) { return linear(x, a, 0); }
constexpr value operator+(f32 b, value x) { return linear(x, 1, b); }
constexpr value operator-(f32 b, value x) { return linear(x, -1, b); }
constexpr value operator-(value x) { return linear(x, -1, 0); }
/// log(sigmoid(x))
constexpr value log_sigmoid(value x) { return -softplus(-x); }
/// x * (1 / a)
constexpr value operator/(value x, f32 a) { return linear(x, 1 / a, 0); }
constexpr value minimum(value x, f32 most) { return clip(x, -__builtin_inff(), most); }
constexpr value maximum(value x, f32 least) { return clip(x, least, __builtin_inff()); }

/// A number in the shape of `like`: constant folding turns what reads it into parameters.
constexpr value constant(value like, f32 number, named const& o = {}) {
  if (like.id < 0) return like;
  node n{.kind = op::constant, .name = o.name, .shape = like.shape()};
  n.attributes.number = number;
  n.meaning = like.owner->net[like.id].meaning;
  return like.owner->add(n, {}, "constant");
}

} // namespace graph
IA_NN_END
