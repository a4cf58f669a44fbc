// SPDX-License-Identifier: Apache-2.0
//
// Activations of recurrent operators, chosen when the program runs.
//
// ONNX names them in `activations`, those of the forward direction first. `activation_alpha` and
// `activation_beta` are lists that are used up in that order by the activations which have such a
// parameter; behind the end of a list the default of the operator of that name holds.
#pragma once

#include "case.hpp"

#include <ia_nn/math/activation.hpp>

namespace onnx_cases {

enum class activation_kind {
  sigmoid,
  tanh,
  relu,
  affine,
  leaky_relu,
  thresholded_relu,
  scaled_tanh,
  hard_sigmoid,
  elu,
  softsign,
  softplus
};

/// Callable with a register of f32: what a cell takes.
struct chosen_activation {
  activation_kind kind = activation_kind::tanh;
  f32 alpha = 0, beta = 0;

  template <ia_nn::f32_register V> V operator()(V x) const noexcept {
    namespace to = ia_nn::activation;
    switch (kind) {
    case activation_kind::sigmoid:
      return to::sigmoid<>{}(x);
    case activation_kind::relu:
      return to::relu{}(x);
    case activation_kind::affine:
      return to::linear{alpha, beta}(x);
    case activation_kind::leaky_relu:
      return to::leaky_relu{alpha}(x);
    case activation_kind::thresholded_relu:
      return to::thresholded_relu{alpha}(x);
    case activation_kind::hard_sigmoid:
      return to::hard_sigmoid{alpha, beta}(x);
    case activation_kind::elu:
      return to::elu{alpha}(x);
    case activation_kind::softsign:
      return to::softsign{}(x);
    case activation_kind::softplus:
      return to::softplus{}(x);
    case activation_kind::scaled_tanh: // alpha tanh(beta x)
      return V::broadcast(alpha) * to::tanh<>{}(V::broadcast(beta) * x);
    case activation_kind::tanh:
      break;
    }
    return to::tanh<>{}(x);
  }
};

/// The activations of all directions one behind the other: `defaults` for each, or what the
/// attributes say. Throws `unsupported` for a name that there is no activation for, or one that
/// lacks a parameter without a default.
std::vector<chosen_activation> chosen_activations(attributes const& a,
                                                  std::vector<std::string> const& defaults,
                                                  std::size_t directions);

} // namespace onnx_cases
