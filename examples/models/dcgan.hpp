// SPDX-License-Identifier: Apache-2.0
//
// DCGAN (Radford et al., 2015) for images of 64 x 64, as in the examples of PyTorch: the generator makes
// an image of a code by five transposed convolutions, the discriminator one number of an image by five
// convolutions. Names are those of the examples, places in a sequence `main`.
#pragma once

#include "network_of.hpp"

namespace models {

/// Options of both.
struct dcgan {
  index_t code = 100;  ///< numbers that the generator is given
  index_t width = 64;  ///< filters beside the image, doubled with each layer away from it
  index_t colours = 3;

  /// (batch, 1, 1, code) to (batch, 64, 64, colours), from -1 to 1.
  constexpr graph::value generate(graph::value x) const {
    x = deconv2d(x, {.filters = 8 * width, .kernel = 4, .bias = false, .name = "main.0"});
    x = relu(batch_norm(x, {.name = "main.1"}));
    int at = 3;
    for (index_t filters = 4 * width; filters >= width; filters /= 2) {
      x = deconv2d(x, layer<graph::deconv_layer>(filters, at));
      x = relu(batch_norm(x, {.name = graph::label("main.") + (at + 1)}));
      at += 3;
    }
    return tanh(deconv2d(x, layer<graph::deconv_layer>(colours, at)));
  }

  /// (batch, 64, 64, colours) to (batch, 1): a logit, to which PyTorch's example applies a sigmoid.
  constexpr graph::value discriminate(graph::value x) const {
    x = leaky_relu(conv2d(x, layer<graph::conv_layer>(width, 0)), 0.2F);
    int at = 2;
    for (index_t filters = 2 * width; filters <= 8 * width; filters *= 2) {
      x = conv2d(x, layer<graph::conv_layer>(filters, at));
      x = leaky_relu(batch_norm(x, {.name = graph::label("main.") + (at + 1)}), 0.2F);
      at += 3;
    }
    return flatten(conv2d(x, {.kernel = 4, .bias = false, .name = graph::label("main.") + at}));
  }

private:
  // Twice or half the image.
  template <class Layer> static constexpr Layer layer(index_t filters, int at) {
    return {.filters = filters,
            .kernel = 4,
            .stride = 2,
            .pad = 1,
            .bias = false,
            .name = graph::label("main.") + at};
  }
};

template <dcgan Options = dcgan{}, index_t Batch = graph::any_batch> struct dcgan_generator {
  static constexpr auto build(graph::builder& b) {
    return Options.generate(input(b, "code", {Batch, 1, 1, Options.code}));
  }
};
template <dcgan Options = dcgan{}, index_t Batch = graph::any_batch> struct dcgan_discriminator {
  static constexpr auto build(graph::builder& b) {
    return Options.discriminate(input(b, "image", {Batch, 64, 64, Options.colours}));
  }
};

} // namespace models
