// SPDX-License-Identifier: Apache-2.0
//
// An operation of the user's own, as one struct:
//
//   struct halve {
//     static constexpr char const* name = "halve";
//     static constexpr bool thread_safe = true;   // may run next to others; false if it is absent
//     static constexpr dims shape(dims const& x) { return x; }
//     static void run(custom_call const& c) noexcept {
//       for (index_t i = 0; i < c.size; ++i) c.dst[i] = 0.5F * c.src[0][i];
//     }
//   };
//   y = custom<halve>({x});
#pragma once

#include <ia_nn/graph/layers/options.hpp>

#include <ia_nn/begin.hpp>
namespace graph {

/// What `run` of a custom operation is given. All arrays are dense, f32.
struct custom_call {
  index_t batch;         ///< items
  f32 const* const* src; ///< one for each input
  f32* dst;
  index_t size; ///< elements of dst, of all items
};

namespace detail {
constexpr sentence custom_meaning(node& n, node_inputs in, subject const&) {
  int const rank = n.shape.rank;
  n.meaning = n.inputs.count > 0 && in[0]->shape.rank == rank ? in[0]->meaning
              : rank > 3                                      ? meaning::image
              : rank == 3                                     ? meaning::either
                                                              : meaning::rows;
  return {};
}
} // namespace detail

namespace op {
inline constexpr operator_row custom{.name = "custom",
                                     .shape = rules::nothing_to_say,
                                     .meaning = detail::custom_meaning};
} // namespace op

template <class T>
concept custom_operation = requires(custom_call const& c) {
  { T::name } -> std::convertible_to<char const*>;
  { T::run(c) } noexcept;
};

/// May run next to other operations, and to itself.
template <class T>
concept thread_safe_operation = custom_operation<T> && requires { requires T::thread_safe; };

template <custom_operation T>
constexpr value custom(std::initializer_list<value> from, label const& name = {}) {
  node n{.kind = op::custom, .name = name};
  builder* const b = from.size() > 0 ? from.begin()->owner : nullptr;
  if (!b || b->net.wrong()) return {b, -1};
  value const* const v = from.begin();
  if constexpr (requires { T::shape(v[0].shape(), v[0].shape(), v[0].shape()); }) {
    if (from.size() != 3) return b->fail(about(T::name, name), "it reads 3 values");
    n.shape = T::shape(v[0].shape(), v[1].shape(), v[2].shape());
  } else if constexpr (requires { T::shape(v[0].shape(), v[0].shape()); }) {
    if (from.size() != 2) return b->fail(about(T::name, name), "it reads 2 values");
    n.shape = T::shape(v[0].shape(), v[1].shape());
  } else {
    if (from.size() != 1) return b->fail(about(T::name, name), "it reads 1 value");
    n.shape = T::shape(v[0].shape());
  }
  n.attributes.thread_safe = thread_safe_operation<T>;
  n.attributes.run = &T::run;
  return b->add(n, from, T::name);
}

} // namespace graph
IA_NN_END
