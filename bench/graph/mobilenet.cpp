// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/mobilenet.hpp"
#include "graph/ours.hpp"

bench::net_entry bench::mobilenet() { return entry_of<models::mobilenet<>>("mobilenet"); }
