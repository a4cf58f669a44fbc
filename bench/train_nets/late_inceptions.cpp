// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/inception_v3.hpp"
#include "../../examples/models/inception_v4.hpp"
#include "train_nets/ours.hpp"

std::vector<bench::trained_entry> bench::late_inceptions() {
  using namespace models;
  return {trained_net<inception_v3<>>("inception_v3", 8), trained_net<network_of<inception_v4{}>>("inception_v4", 8)};
}
