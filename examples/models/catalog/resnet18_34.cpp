// SPDX-License-Identifier: Apache-2.0
#include "../resnet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::resnets_of_18_and_34() {
  using enum resnet_form;
  return {
      entry_of<resnet{18, v1_5}>("resnet18", "ResNet v1.5"),
      entry_of<resnet{34, v1_5}>("resnet34", "ResNet v1.5"),
      entry_of<resnet{18, v2}>("resnet18_v2", "ResNet v2"),
      entry_of<resnet{34, v2}>("resnet34_v2", "ResNet v2"),
  };
}
