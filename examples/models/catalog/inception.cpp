// SPDX-License-Identifier: Apache-2.0
#include "../inception_bn.hpp"
#include "../inception_v3.hpp"
#include "../inception_v4.hpp"
#include "../inception_resnet_v2.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::inceptions() {
  return {
      entry_of<inception_bn{}>("inception_bn", "BN-Inception"),
      entry_of<inception_v3<>>("inception_v3", "Inception", meaning::logits, from_minus_one_to_one),
      entry_of<inception_v4{}>("inception_v4", "Inception", meaning::logits, from_minus_one_to_one),
      entry_of<inception_resnet_v2{}>("inception_resnet_v2", "Inception-ResNet", meaning::logits, from_minus_one_to_one),
  };
}
