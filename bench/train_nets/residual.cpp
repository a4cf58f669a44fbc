// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/mobilenet.hpp"
#include "../../examples/models/resnet.hpp"
#include "train_nets/ours.hpp"

std::vector<bench::trained_entry> bench::residual_nets() {
  using namespace models;
  return {trained_net<mobilenet<>>("mobilenet", 16), trained_net<resnet50_v1_5<>>("resnet50_v1.5", 16),
          trained_net<network_of<resnet{.layers = 152}>>("resnet152_v1.5", 8)};
}
