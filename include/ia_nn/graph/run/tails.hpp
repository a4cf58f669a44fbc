// SPDX-License-Identifier: Apache-2.0
//
// Which tail each step of a network is compiled with: the first `max_tails` that a kernel meets are
// types, further ones share any_tail.
#pragma once

#include <ia_nn/graph/kernels/step_call.hpp>
#include <ia_nn/graph/passes/network.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// Distinct tails of one kernel that are compiled into it.
inline constexpr int max_tails = 12;

namespace detail {

/// Of each step: 1 if its tail is a type.
template <int Steps> struct tail_choice {
  bool typed[static_cast<std::size_t>(Steps > 0 ? Steps : 1)]{};
};

template <class Net, precision P> constexpr auto choose_tails() {
  constexpr auto const& p = schedule<Net, P>;
  constexpr plan_view v = plan_view::of(typed<Net, P>, p, original<Net>, P);
  struct seen {
    kernel_id kernel;
    tail_codes tail;
  };
  std::vector<seen> all;
  tail_choice<p.count> choice;
  for (int s = 0; s < p.count; ++s) {
    seen const now{v.kernel_at(s), tail_of(v.nodes, p.steps[s])};
    int others = 0;
    bool known = false;
    for (seen const& x : all) {
      if (!(x.kernel == now.kernel)) continue;
      known = known || x.tail == now.tail;
      ++others;
    }
    choice.typed[s] = options_of<Net>().compile_tails && (known || others < max_tails);
    if (!known && others < max_tails) all.push_back(now);
  }
  return choice;
}
template <class Net, precision P> inline constexpr auto tail_choice_of = choose_tails<Net, P>();
template <class Net, precision P, int S>
inline constexpr tail_codes codes_of = tail_of(typed<Net, P>, schedule<Net, P>.steps[S]);

template <class Net, precision P, int S, int... K>
tail<codes_of<Net, P, S>.codes[K]...> tail_with(std::integer_sequence<int, K...>);

template <class Net, precision P, int S> constexpr auto tail_type_of() {
  if constexpr (tail_choice_of<Net, P>.typed[S])
    return std::type_identity<decltype(tail_with<Net, P, S>(
        std::make_integer_sequence<int, codes_of<Net, P, S>.count>{}))>{};
  else return std::type_identity<any_tail>{};
}
template <class Net, precision P, int S>
using tail_type = typename decltype(tail_type_of<Net, P, S>())::type;

} // namespace detail
} // namespace graph
IA_NN_END
