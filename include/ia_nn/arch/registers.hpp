// SPDX-License-Identifier: Apache-2.0
//
// The registers and architecture tags of xsimd 8.1 to 14.3.
#pragma once

#include <cstddef>
#include <xsimd/config/xsimd_config.hpp>
#if XSIMD_VERSION_MAJOR < 8 || (XSIMD_VERSION_MAJOR == 8 && XSIMD_VERSION_MINOR < 1)
#error "ia_nn: needs xsimd 8.1 or newer"
#endif
#if __has_include(<xsimd/config/xsimd_inline.hpp>) // that 13.0 to 14.0 use without including it
#include <xsimd/config/xsimd_inline.hpp>
#endif
#include <xsimd/types/xsimd_all_registers.hpp>
