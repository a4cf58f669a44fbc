// SPDX-License-Identifier: Apache-2.0
#define IA_NN_TEST_HALF low_half
#include "two_flags_half.hpp"
