// SPDX-License-Identifier: Apache-2.0
#include "../mnist.hpp"
#include "../wide_deep.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::small_networks() {
  return {
      entry_of<mnist<>>("mnist", "digits"),
      entry_of<wide_deep<>>("wide_deep", "wide & deep", meaning::number),
  };
}
