// SPDX-License-Identifier: Apache-2.0
#include "../resnet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::resnets_of_152() {
  using enum resnet_form;
  return {
      entry_of<resnet{152, v1_5}>("resnet152", "ResNet v1.5"),
      entry_of<resnet{152, v1}>("resnet152_v1", "ResNet v1"),
      entry_of<resnet{152, v2}>("resnet152_v2", "ResNet v2"),
  };
}
