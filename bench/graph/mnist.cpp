// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/mnist.hpp"
#include "graph/ours.hpp"

bench::net_entry bench::mnist() { return entry_of<models::mnist<>>("mnist"); }
