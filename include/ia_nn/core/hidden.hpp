// SPDX-License-Identifier: Apache-2.0
//
// The sentence for layers of networks that a run-time class of the same name hides:
// graph/hidden.hpp.
#pragma once

#include <ia_nn/core/types.hpp>

#include <ia_nn/begin.hpp>

namespace graph {
struct value;
struct pad_layer;
} // namespace graph

namespace detail {

template <class V> consteval bool says_hidden() {
  static_assert(!std::same_as<V, graph::value>,
                "ia_nn: `using namespace ia_nn` in front of a network hides the layers that run-time "
                "classes share their names with: write ia_nn::graph::NAME(...), or put the "
                "directive behind the network");
  return true;
}
template <class V>
concept hidden_layer = std::same_as<V, graph::value> && says_hidden<V>();

} // namespace detail

IA_NN_END
