// SPDX-License-Identifier: Apache-2.0
#include "../alexnet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::alexnets() {
  return {
      entry_of<alexnet{}>("alexnet", "AlexNet"),
  };
}
