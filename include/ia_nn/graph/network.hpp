// SPDX-License-Identifier: Apache-2.0
//
// Networks as constexpr values: their nodes, steps and memory plan.
#pragma once

#include <ia_nn/graph/passes/network.hpp>
