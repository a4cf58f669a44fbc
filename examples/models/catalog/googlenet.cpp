// SPDX-License-Identifier: Apache-2.0
#include "../googlenet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::googlenets() {
  return {
      entry_of<googlenet{}>("googlenet", "GoogLeNet", meaning::logits, from_minus_one_to_one),
  };
}
