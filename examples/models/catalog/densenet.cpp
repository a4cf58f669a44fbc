// SPDX-License-Identifier: Apache-2.0
#include "../densenet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::densenets() {
  return {
      entry_of<densenet{121}>("densenet121", "DenseNet"),
      entry_of<densenet{161}>("densenet161", "DenseNet"),
      entry_of<densenet{169}>("densenet169", "DenseNet"),
      entry_of<densenet{201}>("densenet201", "DenseNet"),
  };
}
