// SPDX-License-Identifier: Apache-2.0
#include "../squeezenet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::squeezenets() {
  return {
      entry_of<squeezenet{0}>("squeezenet1_0", "SqueezeNet"),
      entry_of<squeezenet{1}>("squeezenet1_1", "SqueezeNet"),
  };
}
