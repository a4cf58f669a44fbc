// SPDX-License-Identifier: Apache-2.0
//
// Cases of the suite `rnn` that take one sample at a time, as audio effects do.
#pragma once

#include "harness.hpp"

namespace bench {

/// Groups `stream` (a sample a call) and `stream64` (64 samples a call; times are those of one).
void add_streams(std::vector<group>& groups, context& c);

} // namespace bench
