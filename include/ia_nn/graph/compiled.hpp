// SPDX-License-Identifier: Apache-2.0
//
// Networks that run: `graph::compiled<net>`.
#pragma once

#include <ia_nn/graph/run/compiled.hpp>
