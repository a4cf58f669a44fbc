// SPDX-License-Identifier: Apache-2.0
//
// The two networks, and their parameters.
#include "network.hpp"
#include "nets.hpp"

#include <ia_nn/ops/batch_norm.hpp>

#include <cmath>

namespace demo {
namespace {

struct place {
  spatial in;
  index_t channels;
};
place end_of(network const& n) {
  if (n.layers.empty()) return {n.image, 1};
  return {n.layers.back().shape.out(), n.layers.back().shape.filters};
}

constexpr f32 norm_epsilon = 1e-5F;

} // namespace

network& network::conv(std::string name, index_t filters, index_t kernel, std::string norm,
                       int add) {
  auto const [in, channels] = end_of(*this);
  spatial const pad{0, kernel / 2, kernel / 2};
  window const w{.kernel = {1, kernel, kernel}, .pad_begin = pad, .pad_end = pad};
  layers.push_back({kind::conv,
                    std::move(name),
                    std::move(norm),
                    {.channels = channels, .filters = filters, .in = in, .win = w},
                    true,
                    add});
  return *this;
}
network& network::max_pool() {
  auto const [in, channels] = end_of(*this);
  window const w{.kernel = {1, 2, 2}, .stride = {1, 2, 2}};
  layers.push_back({kind::max_pool,
                    "",
                    "",
                    {.channels = channels, .filters = channels, .in = in, .win = w},
                    false});
  return *this;
}
network& network::dense(std::string name, index_t outputs, bool relu) {
  auto const [in, channels] = end_of(*this);
  layers.push_back({kind::dense,
                    std::move(name),
                    "",
                    {.channels = channels, .filters = outputs, .in = in, .win = {.kernel = in}},
                    relu});
  return *this;
}
index_t network::largest_tensor() const {
  index_t most = image.size();
  for (layer const& l : layers) most = max_of(most, l.outputs());
  return most;
}

using demo_nets::side, demo_nets::width; // nets.hpp has the same networks for the compiler

network plain_network() {
  network n{"two convolutions, two dense layers", {1, side, side}, false, {}};
  n.conv("conv1", width, 5).max_pool().conv("conv2", 2 * width, 5).max_pool();
  n.dense("fc1", 4 * width, true).dense("fc2", 10, false);
  return n;
}
network residual_network() {
  network n{"batch normalization and a residual block", {1, side, side}, true, {}};
  n.conv("conv1", width, 3, "bn1").max_pool().conv("conv2", 2 * width, 3, "bn2").max_pool();
  int const shortcut = static_cast<int>(n.layers.size()); // what the last layer wrote
  n.conv("conv3", 2 * width, 3, "bn3").conv("conv4", 2 * width, 3, "bn4", shortcut);
  n.dense("fc", 10, false);
  return n;
}

parameters initial_parameters(network const& n, std::uint64_t seed) {
  random_numbers random(seed);
  parameters p(n.layers.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    conv_shape const& s = n.layers[i].shape;
    if (!n.layers[i].has_weights()) continue;
    auto const filters = static_cast<std::size_t>(s.filters);
    p[i].weight.resize(static_cast<std::size_t>(s.weights()));
    f32 const bound = std::sqrt(6 / static_cast<f32>(s.weights() / s.filters));
    for (f32& w : p[i].weight) w = bound * random.around_zero();
    p[i].bias.resize(filters);
    if (n.layers[i].norm.empty()) continue;
    p[i].norm_weight.assign(filters, 1);
    p[i].norm_bias.resize(filters);
    p[i].mean.resize(filters);
    p[i].variance.assign(filters, 1);
  }
  return p;
}

parameters folded(network const& n, parameters p) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (n.layers[i].norm.empty()) continue;
    p[i].bias.assign(static_cast<std::size_t>(n.layers[i].shape.filters), 0);
    fold_batch_norm(p[i].weight, p[i].bias,
                    {p[i].mean, p[i].variance, p[i].norm_weight, p[i].norm_bias, norm_epsilon});
  }
  return p;
}

std::vector<f32> channels_last(layer const& l, std::vector<f32> const& weight) {
  std::vector<f32> to(weight.size());
  auto const pixels = static_cast<std::size_t>(l.shape.in.size());
  auto const channels = static_cast<std::size_t>(l.shape.channels);
  for (std::size_t i = 0; i < weight.size(); ++i) {
    std::size_t const pixel = i % pixels, channel = i / pixels % channels;
    to[(i / pixels / channels * pixels + pixel) * channels + channel] = weight[i];
  }
  return to;
}

} // namespace demo
