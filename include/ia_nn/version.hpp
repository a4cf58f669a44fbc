// SPDX-License-Identifier: Apache-2.0
//
// The only place where the version is written: CMake reads it from here.
#pragma once

#define IA_NN_VERSION_MAJOR 0
#define IA_NN_VERSION_MINOR 1
#define IA_NN_VERSION_PATCH 0
