// SPDX-License-Identifier: Apache-2.0
//
// What a network is made of, and its parameters: what training, the f32 network and the 8-bit ones
// have in common.
//
//   tensor 0 --layer 0--> tensor 1 --layer 1--> tensor 2 ... --> logits
//    image        |                     ^
//                 +---- `add`: tensor --+   (a residual connection: added before the relu)
#pragma once

#include "data.hpp"

#include <ia_nn/ops/window.hpp>

namespace demo {

enum class kind { conv, max_pool, dense };

/// A dense layer is described as a convolution whose window is the whole image: so its weights
/// [outputs][channels][height][width] are those of PyTorch behind a flatten.
struct layer {
  kind what;
  std::string name; ///< of its parameters: "conv1" has conv1.weight and conv1.bias
  std::string norm; ///< of its batch normalization, or "" for none; it then has no bias
  conv_shape shape;
  bool relu = true;
  int add = -1; ///< the tensor that is added, or -1

  index_t inputs() const { return shape.in.size() * shape.channels; }
  index_t outputs() const { return shape.out().size() * shape.filters; }
  bool has_weights() const { return what != kind::max_pool; }
};

struct network {
  std::string title;
  spatial image; ///< one channel
  bool is_residual = false;
  std::vector<layer> layers;

  /// These append a layer behind the last.
  network& conv(std::string name, index_t filters, index_t kernel, std::string norm = "",
                int add = -1);
  network& max_pool();
  network& dense(std::string name, index_t outputs, bool relu);
  /// Elements of the largest tensor of one image.
  index_t largest_tensor() const;
};

/// Two convolutions of 5 x 5 and two dense layers, for images of 28 x 28.
network plain_network();
/// Batch normalization, and a residual block of two convolutions of 3 x 3.
network residual_network();

struct layer_parameters {
  std::vector<f32> weight;                                 ///< [filters][channels][height][width]
  std::vector<f32> bias;                                   ///< [filters]
  std::vector<f32> norm_weight, norm_bias, mean, variance; ///< [filters], with batch normalization
};
/// One per layer; pooling has empty ones.
using parameters = std::vector<layer_parameters>;

/// Uniform within +- sqrt(6 / inputs of a filter). Source: He et al., arXiv 1502.01852.
parameters initial_parameters(network const& n, std::uint64_t seed);

/// safetensors, with the names and shapes of PyTorch. Errors: ia_nn::error (bad_file, bad_shape).
void save_parameters(network const& n, parameters const& p, std::string const& path);
parameters load_parameters(network const& n, std::string const& path);

/// Batch normalization moved into weights and biases.
parameters folded(network const& n, parameters p);

/// Dense weights with the inputs in the order of our images, channels last: [outputs][pixels]
/// [channels] of [outputs][channels][pixels].
std::vector<f32> channels_last(layer const& l, std::vector<f32> const& weight);

} // namespace demo
