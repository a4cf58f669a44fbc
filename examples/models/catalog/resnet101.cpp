// SPDX-License-Identifier: Apache-2.0
#include "../resnet.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::resnets_of_101() {
  using enum resnet_form;
  return {
      entry_of<resnet{101, v1_5}>("resnet101", "ResNet v1.5"),
      entry_of<resnet{101, v1}>("resnet101_v1", "ResNet v1"),
      entry_of<resnet{101, v2}>("resnet101_v2", "ResNet v2"),
  };
}
