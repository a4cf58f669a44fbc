// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/resnet.hpp"
#include "graph/ours.hpp"

bench::net_entry bench::resnet50_v1() { return entry_of<models::resnet50_v1<>>("resnet50_v1"); }
bench::net_entry bench::resnet50_v1_5() {
  return entry_of<models::resnet50_v1_5<>>("resnet50_v1.5");
}
