// SPDX-License-Identifier: Apache-2.0
#include "../mobilenet.hpp"
#include "../mobilenet_v2.hpp"
#include "entry_of.hpp"

std::vector<models::catalog::entry> models::catalog::mobilenets() {
  return {
      entry_of<mobilenet_v1{100}>("mobilenet_v1_100", "MobileNet v1", meaning::logits, from_minus_one_to_one),
      entry_of<mobilenet_v1{75}>("mobilenet_v1_75", "MobileNet v1", meaning::logits, from_minus_one_to_one),
      entry_of<mobilenet_v1{50}>("mobilenet_v1_50", "MobileNet v1", meaning::logits, from_minus_one_to_one),
      entry_of<mobilenet_v1{25}>("mobilenet_v1_25", "MobileNet v1", meaning::logits, from_minus_one_to_one),
      entry_of<mobilenet_v2{100}>("mobilenet_v2_100", "MobileNet v2"),
      entry_of<mobilenet_v2{75}>("mobilenet_v2_75", "MobileNet v2"),
      entry_of<mobilenet_v2{50}>("mobilenet_v2_50", "MobileNet v2"),
      entry_of<mobilenet_v2{25}>("mobilenet_v2_25", "MobileNet v2"),
  };
}
