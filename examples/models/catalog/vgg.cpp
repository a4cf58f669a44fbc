// SPDX-License-Identifier: Apache-2.0
#include "../vgg.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::vggs() {
  return {
      entry_of<vgg{11}>("vgg11", "VGG"),
      entry_of<vgg{13}>("vgg13", "VGG"),
      entry_of<vgg{16}>("vgg16", "VGG"),
      entry_of<vgg{19}>("vgg19", "VGG"),
      entry_of<vgg{11, true}>("vgg11_bn", "VGG with batch norm"),
      entry_of<vgg{13, true}>("vgg13_bn", "VGG with batch norm"),
      entry_of<vgg{16, true}>("vgg16_bn", "VGG with batch norm"),
      entry_of<vgg{19, true}>("vgg19_bn", "VGG with batch norm"),
  };
}
