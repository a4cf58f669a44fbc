// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the rows of a bag: networks name it without the kernel.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>

enum class bag_kind { sum, mean, max };

IA_NN_END
