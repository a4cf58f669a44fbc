// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/resnet50.hpp"
#include "graph/ours.hpp"

bench::net_entry bench::resnet50() { return entry_of<models::resnet50<>>("resnet50"); }
