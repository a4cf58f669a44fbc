// SPDX-License-Identifier: Apache-2.0
//
// The only place that includes Catch2. Version 3 has one header per subject and an umbrella,
// version 2 (Debian 12) has one header in all.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#define IA_NN_TEST_CATCH 3
namespace ia_nn_test {
using approx = Catch::Approx;
} // namespace ia_nn_test
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#define IA_NN_TEST_CATCH 2
namespace ia_nn_test {
using approx = Catch::Detail::Approx;
} // namespace ia_nn_test
#endif
