// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/googlenet.hpp"
#include "../../examples/models/inception_bn.hpp"
#include "train_nets/ours.hpp"

std::vector<bench::trained_entry> bench::early_inceptions() {
  using namespace models;
  return {trained_net<network_of<googlenet{}>>("googlenet", 16),
          trained_net<network_of<inception_bn{}>>("inception_bn", 16)};
}
