// SPDX-License-Identifier: Apache-2.0
//
// How accurate elementary functions are: a policy type, the first template argument of each.
#pragma once

#include <ia_nn/arch/vec.hpp>

#include <ia_nn/begin.hpp>

/// A few units in the last place over all f32, exact special cases, denormals included.
struct precise {};

/// About 16 correct bits, no division, denormal results may be flushed; NaN still passes through.
struct fast {};

template <class P>
concept precision_policy = std::same_as<P, precise> || std::same_as<P, fast>;

template <precision_policy P> constexpr char const* name_of() noexcept {
  return std::same_as<P, precise> ? "precise" : "fast";
}

IA_NN_END
