// SPDX-License-Identifier: Apache-2.0
//
// How numbers are compared (where.hpp).
#pragma once

#include <ia_nn/config.hpp>

#include <ia_nn/begin.hpp>

enum class comparison : unsigned char { not_equal, equal, less, less_equal, greater, greater_equal };

IA_NN_END
