// SPDX-License-Identifier: Apache-2.0
#include "../../examples/models/inception_v3.hpp"
#include "graph/ours.hpp"

bench::net_entry bench::inception_v3() { return entry_of<models::inception_v3<>>("inception_v3"); }
