// SPDX-License-Identifier: Apache-2.0
#include "../resnet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::resnets_of_50() {
  using enum resnet_form;
  return {
      entry_of<resnet{50, v1_5}>("resnet50", "ResNet v1.5"),
      entry_of<resnet{50, v1}>("resnet50_v1", "ResNet v1"),
      entry_of<resnet{50, v2}>("resnet50_v2", "ResNet v2"),
  };
}
