// SPDX-License-Identifier: Apache-2.0
#include <xsimd/xsimd.hpp>
