// SPDX-License-Identifier: Apache-2.0
#define IA_NN_TEST_HALF high_half
#include "two_flags_half.hpp"
