// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/alexnet.hpp"
#include "../../examples/models/vgg.hpp"
#include "train_nets/ours.hpp"

std::vector<bench::trained_entry> bench::plain_nets() {
  using namespace models;
  return {trained_net<network_of<alexnet{}>>("alexnet", 32), trained_net<network_of<vgg{.layers = 16}>>("vgg16", 8),
          trained_net<network_of<vgg{.layers = 19}>>("vgg19", 8)};
}
